// SPDX-License-Identifier: Apache-2.0
//
// MetricsHandler answers the requests to an exporter: the page of metrics, filtered by ?collect[]=
// or ?exclude[]=, and a landing page at /.
//
// Borrows: PageSource (must outlive it).
// Threads: shared; serving a page blocks for as long as the
// collectors take, at most for the budget of the request.
// Errors: HTTP statuses with upstream's texts: 400 for a bad filter, 503 above max_requests.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "exporters/common/page_source.h"
#include "net/http.h"
#include "net/router.h"

namespace tocsin::exporters {

class MetricsHandler {
 public:
  struct Options {
    std::string title;    // "Node Exporter"
    std::string program;  // "node_exporter": prefix of ..._build_info
    std::string telemetry_path = "/metrics";
    std::size_t max_requests = 40;                 // pages at once; 0 = no limit
    bool exporter_metrics = true;                  // process_* of the exporter itself
    base::Duration default_budget{10'000};         // for a request that names no timeout
    std::vector<std::string> disabled_collectors;  // known by name, but not running
  };

  MetricsHandler(Options options, PageSource& source);

  // Routes for a server. The handler must outlive what is returned.
  net::Handler routes();

  net::HttpResponse serve_metrics(const net::HttpRequest& request);
  net::HttpResponse serve_landing_page() const;

 private:
  StatusOr<std::vector<std::string>> chosen_collectors(const net::QueryParams& query) const;
  std::vector<base::MetricFamily> page(const std::vector<std::string>& collectors,
                                       base::Duration budget);

  const Options options_;
  PageSource& source_;
  std::atomic<std::size_t> in_flight_ = 0;
  std::atomic<bool> warned_of_duplicates_ = false;
};

// How long a page may take: what X-Prometheus-Scrape-Timeout-Seconds says, minus half a second for
// the way (of a timeout under a second half remains). `fallback` for a missing or absurd header.
base::Duration scrape_budget(std::string_view timeout_header, base::Duration fallback);

// <program>_build_info, 1.
base::MetricFamily build_info(std::string_view program);

}  // namespace tocsin::exporters
