// SPDX-License-Identifier: Apache-2.0
//
// Structured logging: a constant event text and fields, through spdlog (the only door).
//
//   log::warn("scrape failed", {{"target", url}, {"error", message(s)}});
//
// Lines are logfmt (time= level= source= msg= key=value) or JSON, on stderr.
// Threads: shared. ERROR means that a human must act; a test that sees an unexpected one fails.
#pragma once

#include <functional>
#include <initializer_list>
#include <source_location>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tocsin::base::log {

enum class Level { kDebug, kInfo, kWarn, kError };
enum class Format { kLogfmt, kJson };

// A field's value as text: strings, numbers, booleans.
struct Field {
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  template <typename T>
    requires std::is_arithmetic_v<T>
  Field(std::string_view k, T v) : key(k), value(fmt::format("{}", v)) {}

  std::string_view key;
  std::string value;
};
using Fields = std::initializer_list<Field>;

struct Options {
  Level level = Level::kInfo;
  Format format = Format::kLogfmt;
};

// Sets level and format for the process; called once by main before other threads start.
void configure(const Options& options);
StatusOr<Level> parse_level(std::string_view text);    // debug, info, warn, error
StatusOr<Format> parse_format(std::string_view text);  // logfmt, json

void write(Level level, std::string_view event, Fields fields, const std::source_location& where);

inline void debug(std::string_view event, Fields fields = {},
                  const std::source_location& where = std::source_location::current()) {
  write(Level::kDebug, event, fields, where);
}
inline void info(std::string_view event, Fields fields = {},
                 const std::source_location& where = std::source_location::current()) {
  write(Level::kInfo, event, fields, where);
}
inline void warn(std::string_view event, Fields fields = {},
                 const std::source_location& where = std::source_location::current()) {
  write(Level::kWarn, event, fields, where);
}
inline void error(std::string_view event, Fields fields = {},
                  const std::source_location& where = std::source_location::current()) {
  write(Level::kError, event, fields, where);
}

// Lines of level ERROR written since the process started: tests compare it before and after.
std::uint64_t error_lines();

}  // namespace tocsin::base::log
