// SPDX-License-Identifier: Apache-2.0
//
// LineFormat: a log_format of nginx, compiled once, that takes lines apart without copying.
//
// A format is texts and variables in turn. The value of a variable ends at the first place where the
// text behind it stands; the text at the end of the format must end the line. The lists of servers
// that were asked ($upstream_...) have separators with spaces, which do not end them.
// A value. Errors: kInvalidArgument for formats that leave open where a value ends. Reads no further
// than the line; does not throw.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "exporters/app/logs/parse/log_record.h"

namespace tocsin::exporters::app {

class LineFormat {
 public:
  // `labels`: variables that the record's labels are, in this order.
  static StatusOr<LineFormat> compile(std::string_view format,
                                      const std::vector<std::string>& labels);

  // False when the line is not of this format; the record is then undefined.
  bool match(std::string_view line, LogRecord* record) const;
  bool has(LogField field) const { return has_[static_cast<std::size_t>(field)]; }

  // The parts of a format: what is before the first variable, and each variable with the text
  // behind it.
  struct Part {
    std::string variable;
    std::string text;
  };
  struct Parts {
    std::string prefix;
    std::vector<Part> parts;
  };
  static StatusOr<Parts> split(std::string_view format);
  // Whether a value of the variable may hold the separators of a list.
  static bool is_list(std::string_view variable);

 private:
  struct Step {
    std::string text;
    bool is_list = false;
    LogSlot slot;
  };

  std::string prefix_;
  std::vector<Step> steps_;
  std::array<bool, kLogFields> has_{};
};

inline constexpr std::string_view kCommonLogFormat =
    R"($remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent)";
inline constexpr std::string_view kCombinedLogFormat =
    R"($remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent )"
    R"("$http_referer" "$http_user_agent")";

}  // namespace tocsin::exporters::app
