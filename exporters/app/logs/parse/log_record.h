// SPDX-License-Identifier: Apache-2.0
//
// LogRecord: what one line of an access log says, as pieces of the line; and readers of the values
// that stand in such pieces.
//
// A value; its texts point into the line and into its own scratch space.
// Threads: confined.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::exporters::app {

// Of these metrics are made. A line that does not say one of them leaves it empty.
enum class LogField : std::uint8_t {
  kRequest,  // "GET /path?query HTTP/1.1"
  kMethod,
  kPath,
  kStatus,
  kBytesSent,
  kBytesReceived,
  kRequestTime,
  kUpstreamAddress,  // lists, see next_list_item()
  kUpstreamStatus,
  kUpstreamTime,
  kUpstreamConnectTime,
  kHost,
};
inline constexpr std::size_t kLogFields = 12;
// More variables that labels are made of.
inline constexpr std::size_t kMaxLogLabels = 8;

struct LogRecord {
  std::array<std::string_view, kLogFields> fields;
  std::array<std::string_view, kMaxLogLabels> labels;
  std::string scratch;  // of a parser that has to change what it read

  std::string_view at(LogField field) const { return fields[static_cast<std::size_t>(field)]; }
  void set(LogField field, std::string_view text) {
    fields[static_cast<std::size_t>(field)] = text;
  }
  void clear() {
    fields = {};
    labels = {};
  }
};

// The field that a variable of nginx is, as "request_time".
std::optional<LogField> log_field(std::string_view variable);
// The variables that are fields.
std::vector<std::string_view> log_variables();

// Where a variable goes: to a field, to a label, to both or nowhere.
struct LogSlot {
  std::optional<LogField> field;
  std::optional<std::size_t> label;
};

// The fields that variables of nginx are, with the label slots of `labels` ("$" left out), each
// served by the first variable that fits best: $server_name comes before $host.
class LogSlots {
 public:
  // `variables`: all that the format has, in its order.
  LogSlots(const std::vector<std::string>& variables, const std::vector<std::string>& labels);

  // One for each variable.
  const std::vector<LogSlot>& slots() const { return slots_; }
  bool has(LogField field) const { return has_[static_cast<std::size_t>(field)]; }
  // The first of `labels` that is no variable of the format.
  const std::optional<std::string>& missing() const { return missing_; }

 private:
  std::vector<LogSlot> slots_;
  std::array<bool, kLogFields> has_{};
  std::optional<std::string> missing_;
};

// A decimal number without sign or exponent, as "0.123"; nothing for other texts ("-", "").
std::optional<double> parse_plain_number(std::string_view text);

// Takes the next item off a list as nginx writes them for the servers that were asked one after
// another: "10.0.0.1:80, 10.0.0.2:80 : 10.0.1.1:80"; nothing when it is used up.
std::optional<std::string_view> next_list_item(std::string_view* list);

}  // namespace tocsin::exporters::app
