// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/parse/log_record.h"

#include <algorithm>

namespace tocsin::exporters::app {
namespace {

struct Known {
  std::string_view variable;
  LogField field;
};

// Of several variables for one field the first here is the best.
constexpr std::array kKnown = {
    Known{"request", LogField::kRequest},
    Known{"request_method", LogField::kMethod},
    Known{"request_uri", LogField::kPath},
    Known{"uri", LogField::kPath},
    Known{"document_uri", LogField::kPath},
    Known{"status", LogField::kStatus},
    Known{"body_bytes_sent", LogField::kBytesSent},
    Known{"bytes_sent", LogField::kBytesSent},
    Known{"request_length", LogField::kBytesReceived},
    Known{"request_time", LogField::kRequestTime},
    Known{"upstream_addr", LogField::kUpstreamAddress},
    Known{"upstream_status", LogField::kUpstreamStatus},
    Known{"upstream_response_time", LogField::kUpstreamTime},
    Known{"upstream_connect_time", LogField::kUpstreamConnectTime},
    Known{"server_name", LogField::kHost},
    Known{"host", LogField::kHost},
    Known{"http_host", LogField::kHost},
};

// Powers of ten that a double holds exactly.
constexpr std::array<double, 19> kTens = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                          1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

}  // namespace

std::optional<LogField> log_field(std::string_view variable) {
  for (const Known& known : kKnown) {
    if (known.variable == variable) return known.field;
  }
  return std::nullopt;
}

std::vector<std::string_view> log_variables() {
  std::vector<std::string_view> out;
  for (const Known& known : kKnown) out.push_back(known.variable);
  return out;
}

LogSlots::LogSlots(const std::vector<std::string>& variables,
                   const std::vector<std::string>& labels)
    : slots_(variables.size()) {
  for (const Known& known : kKnown) {
    bool& has = has_[static_cast<std::size_t>(known.field)];
    const auto it = std::find(variables.begin(), variables.end(), known.variable);
    if (has || it == variables.end()) continue;
    has = true;
    slots_[static_cast<std::size_t>(it - variables.begin())].field = known.field;
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto it = std::find(variables.begin(), variables.end(), labels[i]);
    if (it == variables.end()) {
      if (!missing_) missing_ = labels[i];
    } else {
      slots_[static_cast<std::size_t>(it - variables.begin())].label = i;
    }
  }
}

std::optional<double> parse_plain_number(std::string_view text) {
  constexpr std::size_t kMaxDigits = 18;  // more do not fit into 64 bits
  if (text.empty() || text.size() > kMaxDigits + 1) return std::nullopt;
  std::uint64_t digits = 0;
  std::size_t count = 0, point = text.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.' && point == text.size()) {
      point = i;
    } else if (c >= '0' && c <= '9') {
      digits = digits * 10 + static_cast<std::uint64_t>(c - '0');
      ++count;
    } else {
      return std::nullopt;
    }
  }
  if (count == 0 || count > kMaxDigits) return std::nullopt;
  const std::size_t places = point == text.size() ? 0 : text.size() - point - 1;
  return static_cast<double>(digits) / kTens[places];
}

std::optional<std::string_view> next_list_item(std::string_view* list) {
  if (list->empty()) return std::nullopt;
  std::size_t end = 0, next = list->size();
  for (; end < list->size(); ++end) {
    if ((*list)[end] != ',' && (*list)[end] != ' ') continue;
    const std::string_view rest = list->substr(end);
    const std::size_t separator = rest.starts_with(", ") ? 2 : rest.starts_with(" : ") ? 3 : 0;
    if (separator == 0) continue;
    next = end + separator;
    break;
  }
  const std::string_view item = list->substr(0, end);
  list->remove_prefix(next);
  return item;
}

}  // namespace tocsin::exporters::app
