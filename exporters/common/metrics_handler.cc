// SPDX-License-Identifier: Apache-2.0
#include "exporters/common/metrics_handler.h"

#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "exporters/common/page.h"
#include "exporters/common/version.h"

namespace tocsin::exporters {
namespace {

constexpr std::string_view kTimeoutHeader = "X-Prometheus-Scrape-Timeout-Seconds";
constexpr double kTimeoutOffsetSeconds = 0.5;
constexpr double kMaxTimeoutSeconds = 3600;

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out.append("&amp;");
        break;
      case '<':
        out.append("&lt;");
        break;
      case '>':
        out.append("&gt;");
        break;
      case '"':
        out.append("&quot;");
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

// Counts a request for as long as it lives.
class InFlight {
 public:
  explicit InFlight(std::atomic<std::size_t>* count)
      : count_(*count), before_(count_.fetch_add(1)) {}
  ~InFlight() { count_.fetch_sub(1); }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;
  std::size_t before() const { return before_; }

 private:
  std::atomic<std::size_t>& count_;
  const std::size_t before_;
};

}  // namespace

base::Duration scrape_budget(std::string_view timeout_header, base::Duration fallback) {
  double seconds = 0;
  const char* end = timeout_header.data() + timeout_header.size();
  const auto [stop, error] = std::from_chars(timeout_header.data(), end, seconds);
  const bool is_sane =
      error == std::errc() && stop == end && seconds > 0 && seconds <= kMaxTimeoutSeconds;
  if (!is_sane) return fallback;
  const double budget = std::max(seconds - kTimeoutOffsetSeconds, seconds / 2);
  return base::Duration(static_cast<std::int64_t>(budget * 1000));
}

base::MetricFamily build_info(std::string_view program) {
  base::MetricFamily family{
      fmt::format("{}_build_info", program),
      fmt::format("A metric with a constant '1' value labeled by the version of {} and how it was "
                  "built.",
                  program),
      base::MetricType::kGauge,
      {}};
  // Upstream's labels, so that dashboards which show them find something.
  family.samples.push_back({"",
                            {{"branch", "unknown"},
                             {"goarch", std::string(architecture())},
                             {"goos", "linux"},
                             {"goversion", "c++20"},
                             {"revision", "unknown"},
                             {"tags", "unknown"},
                             {"version", std::string(version())}},
                            1});
  return family;
}

MetricsHandler::MetricsHandler(Options options, PageSource& source)
    : options_(std::move(options)), source_(source) {}

net::Handler MetricsHandler::routes() {
  auto router = std::make_shared<net::Router>();
  router->add("GET,POST", options_.telemetry_path,
              [this](const net::HttpRequest& request) { return serve_metrics(request); });
  if (options_.telemetry_path != "/") {
    router->add("GET", "/", [this](const net::HttpRequest&) { return serve_landing_page(); });
  }
  return [router](const net::HttpRequest& request) { return router->route(request); };
}

StatusOr<std::vector<std::string>> MetricsHandler::chosen_collectors(
    const net::QueryParams& query) const {
  const std::vector<std::string> wanted = query.all("collect[]");
  const std::vector<std::string> unwanted = query.all("exclude[]");
  if (!wanted.empty() && !unwanted.empty()) {
    return invalid_argument("Combined collect and exclude queries are not allowed.");
  }
  for (const std::string& name : wanted) {
    if (contains(source_.names(), name)) continue;
    return invalid_argument(
        "Couldn't create filtered metrics handler: couldn't create collector: {} collector: {}",
        contains(options_.disabled_collectors, name) ? "disabled" : "missing", name);
  }
  if (!wanted.empty()) return wanted;
  std::vector<std::string> rest = source_.names();
  std::erase_if(rest, [&](const std::string& name) { return contains(unwanted, name); });
  return rest;
}

std::vector<base::MetricFamily> MetricsHandler::page(const std::vector<std::string>& collectors,
                                                     base::Duration budget) {
  std::vector<base::MetricFamily> families = source_.collect(collectors, budget);
  families.push_back(build_info(options_.program));
  if (options_.exporter_metrics) base::collect_process_metrics(&families);
  const std::size_t dropped = tidy_families(&families);
  if (dropped != 0 && !warned_of_duplicates_.exchange(true)) {
    base::log::warn("dropped samples that came twice", {{"count", dropped}});
  }
  return families;
}

net::HttpResponse MetricsHandler::serve_metrics(const net::HttpRequest& request) {
  const InFlight in_flight(&in_flight_);
  if (options_.max_requests != 0 && in_flight.before() >= options_.max_requests) {
    return net::HttpResponse::text(
        503, fmt::format("Limit of concurrent requests reached ({}), try again later.\n",
                         options_.max_requests));
  }
  const StatusOr<std::vector<std::string>> collectors = chosen_collectors(request.query);
  if (!collectors.ok()) return net::HttpResponse::text(400, message(collectors.status()));
  const base::Duration budget =
      scrape_budget(request.headers.get(kTimeoutHeader), options_.default_budget);
  return page_response(page(*collectors, budget), choose_format(request.headers.get("Accept")));
}

net::HttpResponse MetricsHandler::serve_landing_page() const {
  const std::string title = html_escaped(options_.title);
  const std::string path = html_escaped(options_.telemetry_path);
  net::HttpResponse response;
  response.headers.set("Content-Type", "text/html; charset=UTF-8");
  response.body = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"UTF-8\">\n"
      "<title>{0}</title>\n</head>\n<body>\n<h1>{0}</h1>\n"
      "<p>Tocsin's {0}, version {1}</p>\n<ul>\n<li><a href=\"{2}\">Metrics</a></li>\n"
      "</ul>\n</body>\n</html>\n",
      title, version(), path);
  return response;
}

}  // namespace tocsin::exporters
