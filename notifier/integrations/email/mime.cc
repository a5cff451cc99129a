// SPDX-License-Identifier: Apache-2.0
#include "notifier/integrations/email/mime.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/time_zone.h"
#include "base/utf8.h"

namespace tocsin::notifier {
namespace {

constexpr std::string_view kWordBegin = "=?utf-8?q?";
constexpr std::string_view kWordEnd = "?=";
constexpr std::size_t kMaxWord = 75;
constexpr std::size_t kMaxLine = 76;

bool is_printable(char c) { return c >= ' ' && c <= '~'; }
bool is_plain_in_word(char c) { return is_printable(c) && c != '=' && c != '?' && c != '_'; }

void append_hex(char c, std::string* out) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  *out += '=';
  *out += kDigits[byte >> 4U];
  *out += kDigits[byte & 15U];
}

// One line of text without its end; `out` gets soft breaks where it is too long.
void append_line(std::string_view line, std::string* out) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool last = i + 1 == line.size();
    const bool space = c == ' ' || c == '\t';
    const bool plain = space ? !last : is_printable(c) && c != '=';
    const std::size_t needed = plain ? 1 : 3;
    // A soft break takes the last column.
    if (width + needed > kMaxLine - (last ? 0 : 1)) {
      *out += "=\r\n";
      width = 0;
    }
    if (plain) {
      *out += c;
    } else {
      append_hex(c, out);
    }
    width += needed;
  }
}

}  // namespace

std::string encode_header(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return is_printable(c) || c == '\t'; })) {
    return std::string(text);
  }
  std::string out(kWordBegin);
  std::size_t room = kMaxWord - kWordBegin.size() - kWordEnd.size();
  while (!text.empty()) {
    const bool plain = is_plain_in_word(text[0]);
    // Characters are not split between words.
    const std::size_t length = plain ? 1 : std::max<std::size_t>(base::utf8_length(text), 1);
    const std::size_t needed = plain ? 1 : 3 * length;
    if (needed > room) {
      out.append(kWordEnd).append("\r\n ").append(kWordBegin);
      room = kMaxWord - kWordBegin.size() - kWordEnd.size();
    }
    room -= needed;
    if (plain) {
      out += text[0] == ' ' ? '_' : text[0];
    } else {
      for (const char c : text.substr(0, length)) append_hex(c, &out);
    }
    text.remove_prefix(length);
  }
  return out.append(kWordEnd);
}

std::string quoted_printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t newline = text.find('\n');
    std::string_view line = text.substr(0, newline);
    text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
    if (newline != std::string_view::npos && line.ends_with('\r')) line.remove_suffix(1);
    append_line(line, &out);
    if (newline != std::string_view::npos) out += "\r\n";
  }
  return out;
}

std::string format_mail_date(base::Timestamp t) {
  constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const base::CivilTime c = base::TimeZone::utc().civil(t);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} +0000", kDays[c.weekday], c.day,
                     kMonths[c.month - 1], c.year, c.hour, c.minute, c.second);
}

}  // namespace tocsin::notifier
