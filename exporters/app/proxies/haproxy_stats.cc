// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/proxies/haproxy_stats.h"

#include <algorithm>
#include <array>

#include "base/string_map.h"
#include "exporters/app/series_budget.h"
#include "model/value.h"

namespace tocsin::exporters::app {
namespace {

using base::MetricType;

enum Kind : std::uint8_t { kFrontend = 1, kBackend = 2, kServer = 4 };
constexpr std::string_view kKindNames[] = {"frontend", "backend", "server"};

struct Field {
  std::string_view column;
  int kinds;  // of Kind
  std::string_view name;
  MetricType type;
  std::string_view help;
  double unit = 1;
  std::string_view code = {};  // a label
};

constexpr MetricType kGauge = MetricType::kGauge;
constexpr MetricType kCounter = MetricType::kCounter;
constexpr int kAll = kFrontend | kBackend | kServer;
constexpr int kInner = kBackend | kServer;
constexpr int kOuter = kFrontend | kBackend;
constexpr double kMilli = 0.001;
constexpr std::string_view kResponses = "Total of HTTP responses.";

// The status is read apart.
constexpr Field kFields[] = {
    {"scur", kAll, "current_sessions", kGauge, "Current number of active sessions."},
    {"smax", kAll, "max_sessions", kGauge, "Maximum observed number of active sessions."},
    {"slim", kAll, "limit_sessions", kGauge, "Configured session limit."},
    {"stot", kAll, "sessions_total", kCounter, "Total number of sessions."},
    {"bin", kAll, "bytes_in_total", kCounter, "Current total of incoming bytes."},
    {"bout", kAll, "bytes_out_total", kCounter, "Current total of outgoing bytes."},
    {"dreq", kFrontend, "requests_denied_total", kCounter,
     "Total of requests denied for security."},
    {"ereq", kFrontend, "request_errors_total", kCounter, "Total of request errors."},
    {"rate", kAll, "current_session_rate", kGauge,
     "Current number of sessions per second over last elapsed second."},
    {"rate_lim", kFrontend, "limit_session_rate", kGauge,
     "Configured limit on new sessions per second."},
    {"rate_max", kFrontend, "max_session_rate", kGauge,
     "Maximum observed number of sessions per second."},
    {"rate_max", kBackend, "max_session_rate", kGauge, "Maximum number of sessions per second."},
    {"rate_max", kServer, "max_session_rate", kGauge,
     "Maximum observed number of sessions per second."},
    {"hrsp_1xx", kAll, "http_responses_total", kCounter, kResponses, 1, "1xx"},
    {"hrsp_2xx", kAll, "http_responses_total", kCounter, kResponses, 1, "2xx"},
    {"hrsp_3xx", kAll, "http_responses_total", kCounter, kResponses, 1, "3xx"},
    {"hrsp_4xx", kAll, "http_responses_total", kCounter, kResponses, 1, "4xx"},
    {"hrsp_5xx", kAll, "http_responses_total", kCounter, kResponses, 1, "5xx"},
    {"hrsp_other", kAll, "http_responses_total", kCounter, kResponses, 1, "other"},
    {"req_tot", kFrontend, "http_requests_total", kCounter, "Total HTTP requests."},
    {"comp_in", kOuter, "compressor_bytes_in_total", kCounter,
     "Number of HTTP response bytes fed to the compressor"},
    {"comp_out", kOuter, "compressor_bytes_out_total", kCounter,
     "Number of HTTP response bytes emitted by the compressor"},
    {"comp_byp", kOuter, "compressor_bytes_bypassed_total", kCounter,
     "Number of bytes that bypassed the HTTP compressor"},
    {"comp_rsp", kOuter, "http_responses_compressed_total", kCounter,
     "Number of HTTP responses that were compressed"},
    {"conn_tot", kFrontend, "connections_total", kCounter, "Total number of connections"},
    {"qcur", kBackend, "current_queue", kGauge,
     "Current number of queued requests not assigned to any server."},
    {"qcur", kServer, "current_queue", kGauge,
     "Current number of queued requests assigned to this server."},
    {"qmax", kBackend, "max_queue", kGauge,
     "Maximum observed number of queued requests not assigned to any server."},
    {"qmax", kServer, "max_queue", kGauge,
     "Maximum observed number of queued requests assigned to this server."},
    {"econ", kInner, "connection_errors_total", kCounter, "Total of connection errors."},
    {"eresp", kInner, "response_errors_total", kCounter, "Total of response errors."},
    {"wretr", kInner, "retry_warnings_total", kCounter, "Total of retry warnings."},
    {"wredis", kInner, "redispatch_warnings_total", kCounter, "Total of redispatch warnings."},
    {"weight", kBackend, "weight", kGauge, "Total weight of the servers in the backend."},
    {"weight", kServer, "weight", kGauge, "Current weight of the server."},
    {"act", kBackend, "current_server", kGauge, "Current number of active servers"},
    {"chkfail", kServer, "check_failures_total", kCounter, "Total number of failed health checks."},
    {"downtime", kServer, "downtime_seconds_total", kCounter, "Total downtime in seconds."},
    {"lbtot", kInner, "server_selected_total", kCounter,
     "Total number of times a server was selected, either for new sessions, or when "
     "re-dispatching."},
    {"check_duration", kServer, "check_duration_seconds", kGauge,
     "Previously run health check duration, in seconds", kMilli},
    {"cli_abrt", kInner, "client_aborts_total", kCounter,
     "Total number of data transfers aborted by the client."},
    {"srv_abrt", kInner, "server_aborts_total", kCounter,
     "Total number of data transfers aborted by the server."},
    {"qtime", kInner, "http_queue_time_average_seconds", kGauge,
     "Avg. HTTP queue time for last 1024 successful connections.", kMilli},
    {"ctime", kInner, "http_connect_time_average_seconds", kGauge,
     "Avg. HTTP connect time for last 1024 successful connections.", kMilli},
    {"rtime", kInner, "http_response_time_average_seconds", kGauge,
     "Avg. HTTP response time for last 1024 successful connections.", kMilli},
    {"ttime", kInner, "http_total_time_average_seconds", kGauge,
     "Avg. HTTP total time for last 1024 successful connections.", kMilli},
};

std::string_view kind_name(Kind kind) {
  return kKindNames[kind == kFrontend ? 0 : kind == kBackend ? 1 : 2];
}

// "UP 1/3" is up, though on its way down; "DOWN", "MAINT (via x)", "NOLB", "STOP" are not.
bool is_up(std::string_view status) {
  for (const std::string_view up : {"UP", "OPEN", "no check", "DRAIN"}) {
    if (status.starts_with(up)) return true;
  }
  return false;
}

class Table {
 public:
  Table(const LabelPairs& labels, std::vector<base::MetricFamily>* out)
      : labels_(labels), families_(out) {}

  Status read_head(const std::vector<std::string>& head) {
    for (std::size_t i = 0; i < head.size(); ++i) {
      std::string_view name = head[i];
      if (i == 0 && name.starts_with("# ")) name.remove_prefix(2);
      columns_.emplace(name, i);
    }
    for (const std::string_view needed : {"pxname", "svname", "type", "status"}) {
      if (!columns_.contains(needed)) return data_loss("this is no CSV of HAProxy's statistics");
    }
    return ok();
  }

  // False for a row that is neither a frontend, a backend nor a server (a listening socket).
  bool is_shown(const std::vector<std::string>& row) const { return kind_of(row).has_value(); }

  // Returns how many fields do not parse.
  std::uint64_t add(const std::vector<std::string>& row) {
    const Kind kind = *kind_of(row);
    LabelPairs labels = labels_;
    const auto add_label = [&](std::string_view name, std::string value) {
      SeriesBudget::cut_value(&value);
      labels.emplace_back(name, std::move(value));
    };
    add_label(kind == kFrontend ? "frontend" : "backend", std::string(text(row, "pxname")));
    if (kind == kServer) add_label("server", std::string(text(row, "svname")));
    std::uint64_t failures = 0;
    for (const Field& field : kFields) {
      if ((field.kinds & kind) == 0) continue;
      const std::string_view given = text(row, field.column);
      if (given.empty()) continue;
      const StatusOr<double> value = model::parse_float(given);
      if (!value.ok()) {
        ++failures;
        continue;
      }
      show(kind, field, labels, *value * field.unit);
    }
    if (kind == kFrontend) return failures;
    const std::string help =
        fmt::format("Current health status of the {} (1 = UP, 0 = DOWN).", kind_name(kind));
    show(kind, {"", 0, "up", kGauge, help}, labels, is_up(text(row, "status")));
    return failures;
  }

 private:
  std::optional<Kind> kind_of(const std::vector<std::string>& row) const {
    const std::string_view type = text(row, "type");
    if (type == "0") return kFrontend;
    if (type == "1") return kBackend;
    if (type == "2") return kServer;
    return std::nullopt;
  }

  std::string_view text(const std::vector<std::string>& row, std::string_view column) const {
    const auto it = columns_.find(column);
    return it == columns_.end() || it->second >= row.size() ? std::string_view() : row[it->second];
  }

  void show(Kind kind, const Field& field, const LabelPairs& labels, double value) {
    LabelPairs all = labels;
    if (!field.code.empty()) all.emplace_back("code", field.code);
    const std::string name = fmt::format("haproxy_{}_{}", kind_name(kind), field.name);
    families_.add({name, field.help, field.type}, std::move(all), value);
  }

  const LabelPairs& labels_;
  Families families_;
  StringMap<std::size_t> columns_;
};

}  // namespace

bool take_csv_line(std::string_view* rest, std::vector<std::string>* fields) {
  fields->clear();
  if (rest->empty()) return false;
  fields->emplace_back();
  bool is_quoted = false;
  while (!rest->empty()) {
    const char c = rest->front();
    rest->remove_prefix(1);
    if (is_quoted) {
      if (c != '"') {
        fields->back().push_back(c);
      } else if (rest->starts_with('"')) {
        fields->back().push_back('"');
        rest->remove_prefix(1);
      } else {
        is_quoted = false;
      }
    } else if (c == '\n') {
      return true;
    } else if (c == ',') {
      fields->emplace_back();
    } else if (c == '"') {
      is_quoted = true;
    } else if (c != '\r') {
      fields->back().push_back(c);
    }
  }
  return !is_quoted;
}

StatusOr<HaproxyRows> append_haproxy_stats(std::string_view csv, const LabelPairs& labels,
                                           std::size_t max_rows,
                                           std::vector<base::MetricFamily>* out) {
  std::vector<std::string> row;
  Table table(labels, out);
  if (!take_csv_line(&csv, &row)) return data_loss("this is no CSV of HAProxy's statistics");
  RETURN_IF_ERROR(table.read_head(row));
  const std::size_t columns = row.size();
  HaproxyRows result;
  std::size_t rows = 0;
  while (!csv.empty()) {
    const bool is_whole = take_csv_line(&csv, &row);
    if (row.size() == 1 && row[0].empty()) continue;  // `show stat` ends with an empty line
    // Old versions end a line without the comma that ends the head.
    if (!is_whole || row.size() + 1 < columns) {
      ++result.failures;
      continue;
    }
    if (!table.is_shown(row)) continue;
    if (rows == max_rows) {
      ++result.left_out;
      continue;
    }
    ++rows;
    result.failures += table.add(row);
  }
  return result;
}

}  // namespace tocsin::exporters::app
