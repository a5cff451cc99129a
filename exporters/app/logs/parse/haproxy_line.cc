// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/parse/haproxy_line.h"

namespace tocsin::exporters::app {
namespace {

// Takes the text before the next `end` off `rest`, and that; false when there is none.
bool take(std::string_view* rest, char end, std::string_view* out) {
  const std::size_t size = rest->find(end);
  if (size == std::string_view::npos) return false;
  *out = rest->substr(0, size);
  rest->remove_prefix(size + 1);
  return true;
}

// "109", "+109" (with option logasap); "" for "-1".
std::string_view amount(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  return text.starts_with('-') ? std::string_view() : text;
}

bool parse_timers(std::string_view timers, LogRecord* record) {
  std::string_view waited, queued, connect, response;
  if (!take(&timers, '/', &waited) || !take(&timers, '/', &queued) ||
      !take(&timers, '/', &connect) || !take(&timers, '/', &response)) {
    return false;
  }
  record->set(LogField::kRequestTime, amount(timers));
  record->set(LogField::kUpstreamConnectTime, amount(connect));
  record->set(LogField::kUpstreamTime, amount(response));
  return true;
}

}  // namespace

bool parse_haproxy_line(std::string_view line, LogRecord* record) {
  record->clear();
  // The date in brackets ends with milliseconds; the "[pid]:" of syslog is not followed by a space.
  std::string_view rest = line, skipped, server, timers, status, bytes, frontend;
  const std::size_t date = line.find("] ");
  if (date == std::string_view::npos || line.rfind('[', date) == std::string_view::npos) {
    return false;
  }
  rest.remove_prefix(date + 2);
  if (!take(&rest, ' ', &frontend) || !take(&rest, ' ', &server) || !take(&rest, ' ', &timers) ||
      !take(&rest, ' ', &status) || !take(&rest, ' ', &bytes)) {
    return false;
  }
  if (!parse_timers(timers, record)) return false;
  // Cookies, how it ended, connections, queues.
  for (int i = 0; i < 5; ++i) {
    if (!take(&rest, ' ', &skipped)) return false;
  }
  // Captured headers stand in braces; quotes inside them are escaped by HAProxy.
  const std::size_t quote = rest.find('"');
  if (quote == std::string_view::npos || rest.size() < quote + 2 || !rest.ends_with('"')) {
    return false;
  }
  record->set(LogField::kRequest, rest.substr(quote + 1, rest.size() - quote - 2));
  record->set(LogField::kStatus, status);
  record->set(LogField::kBytesSent, amount(bytes));
  // "~" marks a frontend with TLS.
  record->set(LogField::kHost,
              frontend.ends_with('~') ? frontend.substr(0, frontend.size() - 1) : frontend);
  if (!server.ends_with("/<NOSRV>") && !server.ends_with("/<STATS>")) {
    record->set(LogField::kUpstreamAddress, server);
    record->set(LogField::kUpstreamStatus, status);
  }
  return true;
}

}  // namespace tocsin::exporters::app
