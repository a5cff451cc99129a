// SPDX-License-Identifier: Apache-2.0
//
// The answer to /probe?target=&module=&hostname=&debug=, as blackbox_exporter gives it.
//
// Functions; serve_probe() blocks its thread until the probe is done, at most for its timeout.
// Errors: HTTP statuses and texts of blackbox_exporter; 403 for a target that is not allowed.
#pragma once

#include "base/status.h"
#include "base/time.h"
#include "exporters/app/probe/run.h"
#include "exporters/app/probe_config.h"
#include "net/http.h"

namespace tocsin::exporters::app {

// How long a probe may take: the timeout of its module, but less than what the scraper says minus
// `offset`. `header` is X-Prometheus-Scrape-Timeout-Seconds. kInvalidArgument when that is no number.
StatusOr<base::Duration> probe_timeout(std::string_view header, base::Duration module_timeout,
                                       base::Duration offset);

struct ProbeAnswer {
  net::HttpResponse response;
  bool is_unknown_module = false;
};
ProbeAnswer serve_probe(const net::HttpRequest& request, const ProbeConfig& config,
                        const ProbeServices& services, base::Duration timeout_offset);

}  // namespace tocsin::exporters::app
