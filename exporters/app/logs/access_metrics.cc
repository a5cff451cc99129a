// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/access_metrics.h"

#include <algorithm>
#include <array>

namespace tocsin::exporters::app {
namespace {

constexpr std::string_view kOther = SeriesBudget::kOther;

// Of RFC 9110 and WebDAV. Clients can send any word, and each would be a series.
constexpr std::array<std::string_view, 19> kMethods = {
    "GET",     "POST",   "PUT",      "HEAD",   "DELETE",    "PATCH", "OPTIONS",
    "CONNECT", "TRACE",  "PROPFIND", "MKCOL",  "PROPPATCH", "COPY",  "MOVE",
    "LOCK",    "UNLOCK", "REPORT",   "SEARCH", "PURGE"};

std::string_view known_method(std::string_view method) {
  const auto* it = std::find(kMethods.begin(), kMethods.end(), method);
  return it == kMethods.end() ? kOther : *it;
}

bool is_status(std::string_view text) {
  return text.size() == 3 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view without_query(std::string_view target) {
  return target.substr(0, target.find('?'));
}

std::vector<std::string> request_labels(const AccessOptions& options, bool has_method) {
  std::vector<std::string> names;
  if (options.naming == LogNaming::kKnyar) {
    names = {"host", "status"};
  } else {
    if (has_method) names.emplace_back("method");
    names.emplace_back("status");
    if (!options.routes.empty()) names.emplace_back("route");
  }
  names.insert(names.end(), options.label_names.begin(), options.label_names.end());
  return names;
}

std::vector<std::string> host_labels(const AccessOptions& options) {
  std::vector<std::string> names = {"host"};
  names.insert(names.end(), options.label_names.begin(), options.label_names.end());
  return names;
}

base::MetricFamily family(std::string name, std::string_view help, base::MetricType type) {
  return {std::move(name), std::string(help), type, {}};
}

void append(base::MetricFamily&& made, std::vector<base::MetricFamily>* out) {
  if (!made.samples.empty()) out->push_back(std::move(made));
}

// The texts of the lists of one line, in step.
struct Tries {
  std::string_view addresses, statuses, times, connect_times;
};

}  // namespace

AccessMetrics::AccessMetrics(const LineParser& parser, const AccessOptions& options,
                             SeriesBudget& budget)
    : parser_(parser),
      options_(options),
      buckets_(options.buckets),
      has_method_(parser.has(LogField::kRequest) || parser.has(LogField::kMethod)),
      requests_(budget, "requests", request_labels(options, has_method_), options.fixed_labels),
      latencies_(budget, "latency", host_labels(options), options.fixed_labels),
      upstreams_(budget, "upstreams", {"upstream"}, options.fixed_labels),
      upstream_responses_(budget, "upstream_responses", {"upstream", "status"},
                          options.fixed_labels) {}

std::string_view AccessMetrics::route_of(std::string_view path) const {
  for (const LogRoute& route : options_.routes) {
    if (route.match.matches(path)) return route.route;
  }
  return kOther;
}

std::string_view AccessMetrics::method_and_route(const LogRecord& record,
                                                 std::string_view* route) const {
  std::string_view method = record.at(LogField::kMethod);
  std::string_view path = record.at(LogField::kPath);
  const std::string_view request = record.at(LogField::kRequest);
  if (const std::size_t space = request.find(' '); space != std::string_view::npos) {
    if (method.empty()) method = request.substr(0, space);
    const std::string_view target = request.substr(space + 1);
    if (path.empty()) path = target.substr(0, target.find(' '));
  }
  if (!options_.routes.empty()) *route = route_of(without_query(path));
  return known_method(method);
}

void AccessMetrics::add_line(std::string_view line, base::SteadyTime now) {
  const std::string_view status =
      parser_.parse(line, &record_) ? record_.at(LogField::kStatus) : std::string_view();
  if (!is_status(status)) {
    ++parse_errors_;
    return;
  }
  const bool is_knyar = options_.naming == LogNaming::kKnyar;
  const std::string_view host = record_.at(LogField::kHost);
  values_.clear();
  if (is_knyar) {
    values_ = {host, status};
  } else {
    std::string_view route;
    const std::string_view method = method_and_route(record_, &route);
    if (has_method_) values_.push_back(method);
    values_.push_back(status);
    if (!options_.routes.empty()) values_.push_back(route);
  }
  const std::size_t labels = options_.label_names.size();
  values_.insert(values_.end(), record_.labels.begin(), record_.labels.begin() + labels);
  Requests& requests = requests_.at(values_);
  ++requests.count;
  requests.bytes_sent += parse_plain_number(record_.at(LogField::kBytesSent)).value_or(0);
  requests.bytes_received += parse_plain_number(record_.at(LogField::kBytesReceived)).value_or(0);
  if (const auto time = parse_plain_number(record_.at(LogField::kRequestTime))) {
    const double seconds = *time * parser_.seconds_per_unit();
    if (is_knyar) {
      values_.erase(values_.begin() + 1);  // the status
      latencies_.at(values_).add(seconds, buckets_);
    } else {
      requests.seconds.add(seconds, buckets_, now);
    }
  }
  if (!is_knyar) add_upstreams(record_, status, now);
}

void AccessMetrics::add_upstreams(const LogRecord& record, std::string_view status,
                                  base::SteadyTime now) {
  Tries tries{record.at(LogField::kUpstreamAddress), record.at(LogField::kUpstreamStatus),
              record.at(LogField::kUpstreamTime), record.at(LogField::kUpstreamConnectTime)};
  const bool has_addresses = !tries.addresses.empty();
  // Without addresses the times still count, for nobody in particular.
  while (!(has_addresses ? tries.addresses : tries.times).empty()) {
    const std::string_view address = next_list_item(&tries.addresses).value_or("");
    std::string_view tried = next_list_item(&tries.statuses).value_or("");
    const auto seconds = parse_plain_number(next_list_item(&tries.times).value_or(""));
    const auto connect = parse_plain_number(next_list_item(&tries.connect_times).value_or(""));
    if (address == "-") continue;
    if (has_addresses) {
      const bool is_last = tries.addresses.empty();
      // Only of the last try the status is what the client got.
      if (!is_status(tried))
        tried = is_last && record.at(LogField::kUpstreamStatus).empty()
                    ? status
                    : std::string_view("unknown");
      ++upstream_responses_.at(std::array{address, tried}).count;
    }
    if (!seconds && !connect) continue;
    Upstream& upstream = upstreams_.at(std::array{address});
    const double unit = parser_.seconds_per_unit();
    if (seconds) upstream.seconds.add(*seconds * unit, buckets_, now);
    if (connect) upstream.connect_seconds.add(*connect * unit, buckets_, now);
  }
}

// The page ---------------------------------------------------------------------------------------

std::string AccessMetrics::name(std::string_view rest) const {
  return fmt::format("{}_{}", options_.name_space, rest);
}

void AccessMetrics::append_to(base::SteadyTime now, std::vector<base::MetricFamily>* out) const {
  options_.naming == LogNaming::kKnyar ? append_knyar(out) : append_nginxlog(now, out);
  base::MetricFamily errors =
      family(name("parse_errors_total"), "Total number of log file lines that could not be parsed",
             base::MetricType::kCounter);
  errors.samples.push_back({"", options_.fixed_labels, static_cast<double>(parse_errors_)});
  out->push_back(std::move(errors));
}

void AccessMetrics::append_knyar(std::vector<base::MetricFamily>* out) const {
  base::MetricFamily count =
      family(name("http_requests_total"), "Number of HTTP requests", base::MetricType::kCounter);
  requests_.for_each([&](const auto& series) {
    count.samples.push_back({"", series.labels, static_cast<double>(series.value.count)});
  });
  base::MetricFamily seconds = family(name("http_request_duration_seconds"), "HTTP request latency",
                                      base::MetricType::kHistogram);
  latencies_.for_each([&](const auto& series) {
    series.value.append_histogram(series.labels, buckets_, &seconds.samples);
  });
  append(std::move(count), out);
  append(std::move(seconds), out);
}

void AccessMetrics::append_nginxlog(base::SteadyTime now,
                                    std::vector<base::MetricFamily>* out) const {
  using Type = base::MetricType;
  constexpr std::string_view kTime = "Time needed by the server to handle requests";
  constexpr std::string_view kUpstreamTime = "Time needed by upstream servers to handle requests";
  constexpr std::string_view kConnectTime = "Time needed to connect to upstream servers";
  auto count = family(name("http_response_count_total"), "Amount of processed HTTP requests",
                      Type::kCounter);
  auto sent =
      family(name("http_response_size_bytes"), "Total amount of transferred bytes", Type::kCounter);
  auto received =
      family(name("http_request_size_bytes"), "Total amount of received bytes", Type::kCounter);
  auto time = family(name("http_response_time_seconds"), kTime, Type::kSummary);
  auto time_hist = family(name("http_response_time_seconds_hist"), kTime, Type::kHistogram);
  requests_.for_each([&](const auto& series) {
    const Requests& value = series.value;
    count.samples.push_back({"", series.labels, static_cast<double>(value.count)});
    if (parser_.has(LogField::kBytesSent)) {
      sent.samples.push_back({"", series.labels, value.bytes_sent});
    }
    if (parser_.has(LogField::kBytesReceived)) {
      received.samples.push_back({"", series.labels, value.bytes_received});
    }
    value.seconds.append_summary(series.labels, now, &time.samples);
    value.seconds.histogram().append_histogram(series.labels, buckets_, &time_hist.samples);
  });
  auto up = family(name("http_upstream_time_seconds"), kUpstreamTime, Type::kSummary);
  auto up_hist = family(name("http_upstream_time_seconds_hist"), kUpstreamTime, Type::kHistogram);
  auto connect = family(name("http_upstream_connect_time_seconds"), kConnectTime, Type::kSummary);
  auto connect_hist =
      family(name("http_upstream_connect_time_seconds_hist"), kConnectTime, Type::kHistogram);
  upstreams_.for_each([&](const auto& series) {
    const Upstream& value = series.value;
    value.seconds.append_summary(series.labels, now, &up.samples);
    value.seconds.histogram().append_histogram(series.labels, buckets_, &up_hist.samples);
    value.connect_seconds.append_summary(series.labels, now, &connect.samples);
    value.connect_seconds.histogram().append_histogram(series.labels, buckets_,
                                                       &connect_hist.samples);
  });
  auto responses = family(name("http_upstream_response_count_total"),
                          "Responses of upstream servers, one for each try", Type::kCounter);
  upstream_responses_.for_each([&](const auto& series) {
    responses.samples.push_back({"", series.labels, static_cast<double>(series.value.count)});
  });
  for (base::MetricFamily* made : {&count, &sent, &received, &time, &time_hist, &up, &up_hist,
                                   &connect, &connect_hist, &responses}) {
    append(std::move(*made), out);
  }
}

}  // namespace tocsin::exporters::app
