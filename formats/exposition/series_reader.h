// SPDX-License-Identifier: Apache-2.0
//
// SeriesReader finds the parts of name{label="value",...}: the one grammar behind the page parsers,
// parse_series and parse_exemplar.
//
// The parts go to a visitor; with one that does nothing the compiler leaves only the scan.
// Confined.
// Errors: read* return nullptr, `error` says where and what was expected.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "model/labels.h"

namespace tocsin::formats::exposition {

enum class Dialect {
  kText,        // blanks between tokens, commas optional, newlines inside quotes
  kOpenMetrics  // none of these
};

enum CharClass : std::uint8_t { kLetter = 1, kDigit = 2, kColon = 4 };

inline constexpr std::array<std::uint8_t, 256> kClasses = [] {
  std::array<std::uint8_t, 256> table{};
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = kLetter;
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = kDigit;
  table['_'] = kLetter;
  table[':'] = kColon;
  return table;
}();

inline bool is_class(char c, unsigned classes) {
  return (kClasses[static_cast<unsigned char>(c)] & classes) != 0;
}
inline const char* skip_class(const char* p, const char* end, unsigned classes) {
  while (p != end && is_class(*p, classes)) ++p;
  return p;
}
inline const char* skip_blanks(const char* p, const char* end) {
  while (p != end && (*p == ' ' || *p == '\t')) ++p;
  return p;
}
inline std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

struct ReadError {
  const char* at = nullptr;
  std::string_view expected;
};

// Does nothing with the parts.
struct IgnoreParts {
  void metric(std::string_view) {}
  void label(std::string_view, std::string_view) {}
};

// Visitor: metric(raw_name), label(raw_name, raw_value); raw is without quotes, with escapes.
template <Dialect kDialect, typename Visitor>
class SeriesReader {
 public:
  SeriesReader(const char* end, Visitor& visitor) : end_(end), visitor_(visitor) {}

  // Reads a series at `p` and returns its end. REQUIRES: p != end.
  const char* read(const char* p) {
    bool named = false;
    if (is_class(*p, kLetter | kColon)) {
      const char* name_end = skip_class(p, end_, kLetter | kDigit | kColon);
      visitor_.metric(between(p, name_end));
      named = true;
      p = blanks(name_end);
      if (p == end_ || *p != '{') return name_end;
    } else if (*p != '{') {
      return fail(p, "a metric name, \"{\" or \"#\"");
    }
    const char* const open = p;
    p = read_labels(p + 1, &named, true);
    if (p != nullptr && !named) return fail(open, "a metric name before or in the braces");
    return p;
  }

  // Reads what follows a "{" up to and with the "}". A quoted string alone is the metric's name,
  // which is refused when it has one (`*named`) or may not have one.
  const char* read_labels(const char* p, bool* named, bool may_be_named) {
    for (;;) {
      p = blanks(p);
      if (p != end_ && *p == '}') return p + 1;
      std::string_view name;
      const char* const name_begin = p;
      p = read_label_name(p, &name);
      if (p == nullptr) return nullptr;
      p = blanks(p);
      if (p == end_ || *p != '=') {
        const bool ends = p != end_ && (*p == ',' || *p == '}');
        if (!ends || *name_begin != '"' || !may_be_named)
          return fail(p, "\"=\" after the label name");
        if (*named) return fail(name_begin, "one metric name only");
        *named = true;
        visitor_.metric(name);
        if (*p++ == '}') return p;
        continue;
      }
      p = read_label_value(blanks(p + 1), name);
      if (p == nullptr) return nullptr;
      p = blanks(p);
      if (p != end_ && *p == ',') {
        ++p;
      } else if (kDialect == Dialect::kOpenMetrics && (p == end_ || *p != '}')) {
        return fail(p, "\",\" or \"}\" after the label value");
      }
    }
  }

  // Reads a quoted string at `p` ("), with `*text` the raw text inside; nullptr without an error
  // set.
  const char* read_quoted(const char* p, std::string_view* text, bool* all_ascii) const {
    const char* const begin = ++p;
    *all_ascii = true;
    while ((p = skip_plain(p)) != end_) {
      const char c = *p;
      if (c == '"') {
        *text = between(begin, p);
        return p + 1;
      }
      if (c == '\\') {
        if (++p == end_ || *p == '\n') return nullptr;
      } else if (c == '\n' && kDialect == Dialect::kOpenMetrics) {
        return nullptr;
      } else {
        *all_ascii = *all_ascii && static_cast<signed char>(c) >= 0;
      }
      ++p;
    }
    return nullptr;
  }

  const ReadError& error() const { return error_; }

 private:
  static constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
  static constexpr std::uint64_t kHighs = 0x8080808080808080ULL;

  // The high bit of each zero byte; bytes above the first zero byte may be wrong.
  static std::uint64_t zero_bytes(std::uint64_t word) { return (word - kOnes) & ~word & kHighs; }

  const char* blanks(const char* p) const {
    return kDialect == Dialect::kText ? skip_blanks(p, end_) : p;
  }

  // Skips to the next quote, backslash, newline or byte that is not ASCII, eight at a time.
  const char* skip_plain(const char* p) const {
    if constexpr (std::endian::native == std::endian::little) {
      while (end_ - p >= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, p, sizeof(word));
        const std::uint64_t stops = zero_bytes(word ^ (kOnes * '"')) |
                                    zero_bytes(word ^ (kOnes * '\\')) |
                                    zero_bytes(word ^ (kOnes * '\n')) | (word & kHighs);
        if (stops != 0) return p + std::countr_zero(stops) / 8;
        p += 8;
      }
    }
    while (p != end_ && *p != '"' && *p != '\\' && *p != '\n' && static_cast<signed char>(*p) >= 0)
      ++p;
    return p;
  }

  const char* read_label_name(const char* p, std::string_view* name) {
    if (p != end_ && is_class(*p, kLetter)) {
      const char* name_end = skip_class(p, end_, kLetter | kDigit);
      *name = between(p, name_end);
      return name_end;
    }
    bool all_ascii = true;
    const char* after = p != end_ && *p == '"' ? read_quoted(p, name, &all_ascii) : nullptr;
    return after != nullptr ? after : fail(p, "a label name or \"}\"");
  }

  const char* read_label_value(const char* p, std::string_view name) {
    std::string_view value;
    bool all_ascii = true;
    const char* after = p != end_ && *p == '"' ? read_quoted(p, &value, &all_ascii) : nullptr;
    if (after == nullptr) return fail(p, "a quoted label value");
    if (!all_ascii && !model::is_utf8(value)) return fail(p, "a label value in UTF-8");
    visitor_.label(name, value);
    return after;
  }

  const char* fail(const char* at, std::string_view expected) {
    error_ = {at, expected};
    return nullptr;
  }

  const char* end_;
  Visitor& visitor_;
  ReadError error_;
};

// Replaces \n and \\ and, where `quotes`, \" in `raw`; other escapes stay as they are.
enum class Escapes { kLabelValue, kHelp };
std::string unescape(std::string_view raw, Escapes escapes);

// The value of a sample, which is never hexadecimal. False when `text` is no float.
bool read_float(std::string_view text, double* value);

}  // namespace tocsin::formats::exposition
