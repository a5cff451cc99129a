// SPDX-License-Identifier: Apache-2.0
//
// The table of sections. A row without a factory is known and not built.
#include <array>

#include "exporters/app/celery/celery_input.h"
#include "exporters/app/endpoints/json_input.h"
#include "exporters/app/input.h"
#include "exporters/app/logs/log_input.h"
#include "exporters/app/probe/probe_list.h"
#include "exporters/app/proxies/haproxy_input.h"
#include "exporters/app/proxies/nginx_input.h"
#include "exporters/app/push/push_input.h"
#include "exporters/app/statsd/statsd_input.h"

namespace tocsin::exporters::app {

std::span<const InputKind> input_kinds() {
  using Shape = InputKind::Shape;
  static constexpr std::array kKinds = {
      InputKind{.section = "celery", .shape = Shape::kList, .make = make_celery},
      InputKind{.section = "haproxy", .shape = Shape::kList, .make = make_haproxy},
      InputKind{.section = "json", .shape = Shape::kList, .make = make_json},
      InputKind{.section = "logs", .shape = Shape::kList, .make = make_log},
      InputKind{.section = "nginx", .shape = Shape::kList, .make = make_nginx},
      InputKind{.section = "probes", .shape = Shape::kList, .make = make_probe_list},
      InputKind{.section = "push", .shape = Shape::kSection, .make = make_push, .route = "push"},
      InputKind{.section = "statsd", .shape = Shape::kSection, .make = make_statsd},
  };
  return kKinds;
}

}  // namespace tocsin::exporters::app
