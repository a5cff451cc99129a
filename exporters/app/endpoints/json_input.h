// SPDX-License-Identifier: Apache-2.0
//
// The section `json`: values out of documents that services serve about themselves.
//
//   - name: actuator
//     url: 'http://127.0.0.1:8080/actuator/health'   # and the other keys of an HttpSource
//     interval: 15s            # not asked more often; between, pages show the last answer
//     max_body: 1MiB
//     labels: {app: shop}
//     metrics:
//     - name: app_health_status
//       path: '$.components.*.status'
//       map: {UP: 1, DOWN: 0, '*': 0}                # texts; '*': those that are not listed
//       label_from_key: component                    # a list when the path has several '*'
//       type: gauge | counter
//       help: ...
//       labels: {...}
//
// A service that is ill may answer with any status and a body; both are looked at.
// Numbers are themselves, true and false are 1 and 0, texts are looked up in `map`, or are numbers.
// Families: app_json_http_status_code, app_json_values_refused_total {source}.
#pragma once

#include <memory>

#include "exporters/app/input.h"

namespace tocsin::exporters::app {

StatusOr<std::unique_ptr<Input>> make_json(const base::YamlNode& section,
                                           const InputContext& context);

}  // namespace tocsin::exporters::app
