// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

// Here and not in the build: a definition on the command line would spoil the shared precompiled
// header for every other folder.
#define SPDLOG_FMT_EXTERNAL
#include <atomic>
#include <memory>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/json.h"
#include "base/time.h"

namespace tocsin::base::log {
namespace {

constexpr std::array<std::string_view, 4> kLevelNames = {"debug", "info", "warn", "error"};

// The process has one standard error, hence one log; set up before other threads start.
struct Output {
  Output() : logger("tocsin", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger.set_pattern("%v");
    logger.set_level(spdlog::level::trace);  // levels are decided here, not there
  }

  spdlog::logger logger;
  std::atomic<Level> level{Level::kInfo};
  std::atomic<Format> format{Format::kLogfmt};
  std::atomic<std::uint64_t> error_lines{0};
};

Output& output() {
  // Never destroyed: other statics may log while the process ends.
  static Output* const kOutput = new Output;
  return *kOutput;
}

std::string rfc3339(Timestamp t) {
  const auto day = std::chrono::floor<std::chrono::days>(t);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss<Duration> clock(t - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::string source_text(const std::source_location& where) {
  std::string_view file = where.file_name();
  const std::size_t slash = file.rfind('/');
  if (slash != std::string_view::npos) file.remove_prefix(slash + 1);
  return fmt::format("{}:{}", file, where.line());
}

bool needs_quotes(std::string_view value) {
  if (value.empty()) return true;
  return std::any_of(value.begin(), value.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= ' ' || c == '"' || c == '=' || c == '\\' || byte == 0x7F;
  });
}

void append_logfmt(std::string_view key, std::string_view value, std::string* line) {
  if (!line->empty()) *line += ' ';
  // A key cannot be quoted: what would end it becomes an underscore.
  for (char c : key) {
    const bool breaks = static_cast<unsigned char>(c) <= ' ' || c == '=' || c == '"';
    *line += breaks ? '_' : c;
  }
  *line += '=';
  if (needs_quotes(value)) {
    JsonWriter(line).string(value);  // the escapes of logfmt are those of JSON
  } else {
    *line += value;
  }
}

// Calls `add(key, value)` for every field of a line, in order.
template <typename Add>
void for_each_field(Level level, std::string_view event, Fields fields,
                    const std::source_location& where, Add add) {
  add("time", rfc3339(SystemClock().now()));
  add("level", kLevelNames.at(static_cast<std::size_t>(level)));
  add("source", source_text(where));
  add("msg", event);
  for (const Field& field : fields) add(field.key, field.value);
}

template <typename Value, std::size_t kSize>
StatusOr<Value> parse_name(std::string_view what, std::string_view text,
                           const std::array<std::string_view, kSize>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (text == names[i]) return static_cast<Value>(i);
  }
  return invalid_argument("unrecognized {} {}", what, text);
}

}  // namespace

void configure(const Options& options) {
  output().level = options.level;
  output().format = options.format;
}

StatusOr<Level> parse_level(std::string_view text) {
  return parse_name<Level>("log level", text, kLevelNames);
}

StatusOr<Format> parse_format(std::string_view text) {
  return parse_name<Format>("log format", text, std::array<std::string_view, 2>{"logfmt", "json"});
}

void write(Level level, std::string_view event, Fields fields, const std::source_location& where) {
  Output& out = output();
  if (level == Level::kError) out.error_lines.fetch_add(1, std::memory_order_relaxed);
  if (level < out.level.load(std::memory_order_relaxed)) return;
  std::string line;
  if (out.format.load(std::memory_order_relaxed) == Format::kJson) {
    JsonWriter json(&line);
    json.begin_object();
    for_each_field(level, event, fields, where,
                   [&](std::string_view key, std::string_view value) { json.field(key, value); });
    json.end_object();
  } else {
    for_each_field(level, event, fields, where, [&](std::string_view key, std::string_view value) {
      append_logfmt(key, value, &line);
    });
  }
  out.logger.log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  if (level == Level::kError) out.logger.flush();
}

std::uint64_t error_lines() { return output().error_lines.load(std::memory_order_relaxed); }

}  // namespace tocsin::base::log
