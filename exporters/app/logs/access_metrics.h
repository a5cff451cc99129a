// SPDX-License-Identifier: Apache-2.0
//
// AccessMetrics: the series that the lines of an access log become, with the names of
// nginxlog-exporter, or with those of the Lua library (knyar) that popular rules for nginx expect.
//
// Borrows: the budget (must outlive it).
// Confined, to the lock of the source.
// Errors: none; a line that says nothing usable is counted in <namespace>_parse_errors_total.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/time.h"
#include "exporters/app/logs/distribution.h"
#include "exporters/app/logs/parse/line_parser.h"
#include "exporters/app/logs/series_table.h"
#include "model/matcher.h"

namespace tocsin::exporters::app {

struct LogRoute {
  model::Regex match;  // somewhere in the path
  std::string route;
};

enum class LogNaming { kNginxlog, kKnyar };

struct AccessOptions {
  std::string name_space = "nginx";
  LogNaming naming = LogNaming::kNginxlog;
  LabelPairs fixed_labels = {};
  std::vector<std::string> label_names = {};  // of the record's labels
  std::vector<LogRoute> routes = {};          // none: no label route
  std::vector<double> buckets = Buckets::usual();
};

class AccessMetrics {
 public:
  AccessMetrics(const LineParser& parser, const AccessOptions& options, SeriesBudget& budget);

  void add_line(std::string_view line, base::SteadyTime now);
  void append_to(base::SteadyTime now, std::vector<base::MetricFamily>* out) const;

 private:
  struct Requests {
    std::uint64_t count = 0;
    double bytes_sent = 0, bytes_received = 0;
    TimeDistribution seconds;
  };
  struct Upstream {
    TimeDistribution seconds, connect_seconds;
  };
  struct UpstreamResponses {
    std::uint64_t count = 0;
  };

  std::string_view method_and_route(const LogRecord& record, std::string_view* route) const;
  std::string_view route_of(std::string_view path) const;
  void add_upstreams(const LogRecord& record, std::string_view status, base::SteadyTime now);
  void append_nginxlog(base::SteadyTime now, std::vector<base::MetricFamily>* out) const;
  void append_knyar(std::vector<base::MetricFamily>* out) const;
  std::string name(std::string_view rest) const;

  const LineParser parser_;
  const AccessOptions options_;
  const Buckets buckets_;
  const bool has_method_;
  SeriesTable<Requests> requests_;
  SeriesTable<Distribution> latencies_;  // knyar: by host alone
  SeriesTable<Upstream> upstreams_;
  SeriesTable<UpstreamResponses> upstream_responses_;
  LogRecord record_;
  std::vector<std::string_view> values_;  // of the line at hand
  std::uint64_t parse_errors_ = 0;
};

}  // namespace tocsin::exporters::app
