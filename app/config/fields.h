// SPDX-License-Identifier: Apache-2.0
//
// Readers of the value kinds that configuration files share: durations, sizes, label maps, relabel
// rules, matchers, secrets and http_config.
//
// Each takes a YamlMapping and a key, leaves the target alone when the key is absent, and reports
// errors with file, line and key through the mapping. Confined.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "base/time.h"
#include "base/yaml.h"
#include "model/labels.h"
#include "model/relabel.h"
#include "net/http_client.h"

namespace tocsin::app {

void read_duration(base::YamlMapping& mapping, std::string_view key, base::Duration* out);
// A size with a unit ("10MB").
void read_size(base::YamlMapping& mapping, std::string_view key, std::uint64_t* out);
void read_count(base::YamlMapping& mapping, std::string_view key, std::uint64_t* out);
void read_labels(base::YamlMapping& mapping, std::string_view key, model::Labels* out);
void read_relabel_rules(base::YamlMapping& mapping, std::string_view key,
                        std::vector<model::RelabelRule>* out);
// KEY and KEY_file; both given is an error. File names are taken relative to `directory`.
void read_secret(base::YamlMapping& mapping, const std::string& key, std::string_view directory,
                 net::Secret* out);
// A known key that may only have the value it has by default: anything else is "not supported yet:
// KEY".
void require_false(base::YamlMapping& mapping, std::string_view key);

// Reads the keys of <http_config> from `mapping` into `options`.
void read_http_options(base::YamlMapping& mapping, std::string_view directory,
                       net::HttpClientOptions* options);
// A mapping that holds nothing but an <http_config>.
StatusOr<std::shared_ptr<const net::HttpClientOptions>> read_http_config(
    const base::YamlNode& node, std::string_view directory);
StatusOr<net::TlsOptions> read_tls_config(const base::YamlNode& node, std::string_view directory);

// The files that match the path `item`, relative to `directory`, sorted; none is fine. The last
// part may hold "*" and "?". kUnimplemented for patterns elsewhere or with "[".
StatusOr<std::vector<std::string>> expand_pattern(base::FileSystem& files,
                                                  const base::YamlNode& item,
                                                  std::string_view directory);

// Prints `node` as YAML with every secret value as <secret>.
std::string print_masked(const base::YamlNode& node);

}  // namespace tocsin::app
