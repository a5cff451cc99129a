// SPDX-License-Identifier: Apache-2.0
#include "web/instrument.h"

#include <chrono>

namespace tocsin::web {

namespace {

void add_cors(const net::HttpRequest& request, net::HttpResponse* response) {
  if (!request.headers.has("Origin")) return;
  response->headers.set("Access-Control-Allow-Headers",
                        "Accept, Authorization, Content-Type, Origin");
  response->headers.set("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  response->headers.set("Access-Control-Allow-Origin", "*");
  response->headers.set("Access-Control-Expose-Headers", "Date");
  response->headers.add("Vary", "Origin");
}

double seconds_between(base::SteadyTime from, base::SteadyTime to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

net::Router::Middleware instrument(Server server, base::Registry& registry,
                                   const base::Clock& clock) {
  const bool prometheus = server == Server::kPrometheus;
  const std::string prefix = prometheus ? "prometheus_" : "alertmanager_";
  std::vector<std::string> labels = prometheus
                                        ? std::vector<std::string>{"handler"}
                                        : std::vector<std::string>{"handler", "method", "code"};
  const std::vector<double> durations =
      prometheus ? std::vector<double>{0.1, 0.2, 0.4, 1, 3, 8, 20, 60, 120}
                 : std::vector<double>{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
  base::HistogramVec& duration =
      registry.histogram(prefix + "http_request_duration_seconds",
                         "Histogram of latencies for HTTP requests.", labels, durations);
  base::HistogramVec& size = registry.histogram(
      prefix + "http_response_size_bytes", "Histogram of response size for HTTP requests.", labels,
      {100, 1000, 10'000, 100'000, 1e6, 1e7, 1e8, 1e9});
  base::CounterVec* total =
      prometheus ? &registry.counter("prometheus_http_requests_total", "Counter of HTTP requests.",
                                     {"handler", "code"})
                 : nullptr;
  return [&clock, &duration, &size, total, prometheus](
             std::string_view pattern, const net::HttpRequest& request, const net::Handler& next) {
    const base::SteadyTime started = clock.steady_now();
    net::HttpResponse response = next(request);
    const std::string code = std::to_string(response.status);
    const std::vector<std::string> values =
        prometheus ? std::vector<std::string>{std::string(pattern)}
                   : std::vector<std::string>{std::string(pattern), request.method, code};
    duration.with(values).observe(seconds_between(started, clock.steady_now()));
    size.with(values).observe(static_cast<double>(response.body.size()));
    if (total != nullptr) total->with({std::string(pattern), code}).inc();
    add_cors(request, &response);
    return response;
  };
}

}  // namespace tocsin::web
