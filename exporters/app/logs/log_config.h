// SPDX-License-Identifier: Apache-2.0
//
// LogConfig: an item of the section `logs`.
//
//   - name: edge
//     files: ['/var/log/nginx/*access.log']
//     format: combined | common | haproxy_http | json | regex | '<log_format of nginx>'
//     namespace: nginx                        # of the names; haproxy_http: haproxy
//     naming: nginxlog | knyar
//     labels: {app: shop, vhost: $server_name}   # $: a variable of the format
//     routes: [{match: '^/api/users/\d+', route: '/api/users/:id'}]
//     buckets: [.005, ...]
//     fields: {status: code}                  # json: keys that are not called as nginx' variables
//     patterns: [{match: '...', counter|gauge|histogram: NAME, value: $group, labels: {...}}]  # regex
//     max_line: 64KiB
//     poll_interval: 1s
//     positions_file: /var/lib/...            # go on there after a restart
//
// A value.
// Errors: kInvalidArgument with file, line and key.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/yaml.h"
#include "exporters/app/logs/access_metrics.h"
#include "exporters/app/logs/pattern_metrics.h"
#include "exporters/app/logs/tail/file_tail.h"

namespace tocsin::exporters::app {

struct LogConfig {
  std::string name;
  FileTail::Options tail;
  base::Duration poll_interval{1'000};
  LabelPairs fixed_labels;
  std::optional<LineParser> parser;  // null: patterns
  AccessOptions access;
  std::vector<LogPattern> patterns;
};

// `root`: the whole file, for what sections must not both have. Relative files are in `directory`.
StatusOr<LogConfig> read_log(const base::YamlNode& section, const base::YamlNode& root,
                             std::string_view directory);

}  // namespace tocsin::exporters::app
