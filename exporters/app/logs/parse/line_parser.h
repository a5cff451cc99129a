// SPDX-License-Identifier: Apache-2.0
//
// LineParser: one of the formats of access logs behind one face.
//
// A value.
// Threads: shared; the record is the caller's.
// Errors: a line of another format is false.
#pragma once

#include <string_view>
#include <variant>

#include "exporters/app/logs/parse/haproxy_line.h"
#include "exporters/app/logs/parse/json_line.h"
#include "exporters/app/logs/parse/line_format.h"

namespace tocsin::exporters::app {

struct HaproxyHttpFormat {};

class LineParser {
 public:
  using Format = std::variant<LineFormat, JsonLine, HaproxyHttpFormat>;
  explicit LineParser(Format format) : format_(std::move(format)) {}

  bool parse(std::string_view line, LogRecord* record) const {
    if (const auto* format = std::get_if<LineFormat>(&format_)) return format->match(line, record);
    if (const auto* json = std::get_if<JsonLine>(&format_)) return json->parse(line, record);
    return parse_haproxy_line(line, record);
  }
  // Whether lines can say it; a line of JSON can say everything.
  bool has(LogField field) const {
    const auto* format = std::get_if<LineFormat>(&format_);
    return format == nullptr || format->has(field);
  }
  // What one unit of a time in a record is.
  double seconds_per_unit() const {
    return std::holds_alternative<HaproxyHttpFormat>(format_) ? 0.001 : 1;
  }

 private:
  Format format_;
};

}  // namespace tocsin::exporters::app
