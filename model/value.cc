// SPDX-License-Identifier: Apache-2.0
//
// All text forms come from the shortest digits that std::to_chars finds ("d.ddde+XX"), laid out as
// Go does; to_chars' own fixed form prints values from 2^53 with more digits than the shortest.
#include "model/value.h"

#include <algorithm>
#include <charconv>

#include <fast_float/fast_float.h>

#include "model/labels.h"

namespace tocsin::model {
namespace {

// A finite value as 0.DIGITS * 10^point.
struct Decimal {
  bool negative = false;
  int point = 0;
  std::size_t count = 0;
  char digits[24] = {};

  std::string_view text() const { return {digits, count}; }
};

Decimal shortest(double v) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), v, std::chars_format::scientific);
  Decimal result;
  const char* p = buffer;
  if (*p == '-') {
    result.negative = true;
    ++p;
  }
  for (; *p != 'e'; ++p) {
    if (*p != '.') result.digits[result.count++] = *p;
  }
  ++p;
  if (*p == '+') ++p;
  std::from_chars(p, end.ptr, result.point);
  ++result.point;
  return result;
}

void append_fixed(const Decimal& d, std::string* out) {
  if (d.negative) out->push_back('-');
  const std::string_view digits = d.text();
  if (d.point <= 0) {
    if (digits == "0") {
      out->push_back('0');
      return;
    }
    out->append("0.").append(static_cast<std::size_t>(-d.point), '0').append(digits);
    return;
  }
  const auto point = static_cast<std::size_t>(d.point);
  if (point >= d.count) {
    out->append(digits).append(point - d.count, '0');
    return;
  }
  out->append(digits.substr(0, point)).append(1, '.').append(digits.substr(point));
}

void append_scientific(double v, std::string* out) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), v, std::chars_format::scientific);
  out->append(buffer, end.ptr);
}

bool append_special(double v, std::string* out) {
  if (std::isfinite(v)) [[likely]]
    return false;
  out->append(std::isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
  return true;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex_digit(char c) {
  const char lower = static_cast<char>(c | 0x20);
  return is_digit(c) || (lower >= 'a' && lower <= 'f');
}

// `text` is compared without case; `lower` is lower case.
bool equal_fold(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((text[i] | 0x20) != lower[i]) return false;
  }
  return true;
}

Status syntax_error(std::string_view text) {
  return invalid_argument("strconv.ParseFloat: parsing {}: invalid syntax", go_quote(text));
}
Status range_error(std::string_view text) {
  return invalid_argument("strconv.ParseFloat: parsing {}: value out of range", go_quote(text));
}

// mantissa 'p' [sign] digits, with at least one digit on each side; std::from_chars is laxer.
bool is_hex_float(std::string_view body) {
  std::size_t i = 0;
  std::size_t digits = 0;
  bool dot = false;
  for (; i < body.size(); ++i) {
    if (body[i] == '.' && !dot) {
      dot = true;
    } else if (is_hex_digit(body[i])) {
      ++digits;
    } else {
      break;
    }
  }
  if (digits == 0 || i == body.size() || (body[i] | 0x20) != 'p') return false;
  ++i;
  if (i < body.size() && (body[i] == '+' || body[i] == '-')) ++i;
  return i < body.size() &&
         std::all_of(body.begin() + static_cast<std::ptrdiff_t>(i), body.end(), is_digit);
}

// `body` is what follows "0x".
StatusOr<double> parse_hex(std::string_view body, bool negative, std::string_view text) {
  if (!is_hex_float(body)) return syntax_error(text);
  double value = 0;
  const char* const end = body.data() + body.size();
  const auto result = std::from_chars(body.data(), end, value, std::chars_format::hex);
  if (result.ec == std::errc::result_out_of_range) {
    // An exponent this far down is an underflow, which is not an error.
    const std::size_t p = body.find_first_of("pP");
    if (body[p + 1] != '-') return range_error(text);
    value = 0;
  } else if (result.ec != std::errc() || result.ptr != end) {
    return syntax_error(text);
  }
  return negative ? -value : value;
}

}  // namespace

StatusOr<double> parse_float(std::string_view text) {
  std::string_view body = text;
  bool negative = false;
  bool has_sign = false;
  if (!body.empty() && (body[0] == '+' || body[0] == '-')) {
    negative = body[0] == '-';
    has_sign = true;
    body.remove_prefix(1);
  }
  if (body.empty()) return syntax_error(text);
  if (!is_digit(body[0]) && body[0] != '.') {
    if (equal_fold(body, "inf") || equal_fold(body, "infinity")) {
      return negative ? -INFINITY : INFINITY;
    }
    if (!has_sign && equal_fold(body, "nan")) return normal_nan();
    return syntax_error(text);
  }
  if (body.size() > 1 && body[0] == '0' && (body[1] | 0x20) == 'x') {
    return parse_hex(body.substr(2), negative, text);
  }
  double value = 0;
  const char* const end = body.data() + body.size();
  const auto result = fast_float::from_chars(body.data(), end, value);
  if (result.ptr != end || result.ec == std::errc::invalid_argument) return syntax_error(text);
  if (std::isinf(value)) return range_error(text);
  return negative ? -value : value;
}

void append_float(double v, std::string* out) {
  constexpr double kExactIntegers = 9007199254740992.0;  // 2^53
  char buffer[24];
  if (v > -kExactIntegers && v < kExactIntegers && (v != 0 || !std::signbit(v))) {
    const auto integer = static_cast<std::int64_t>(v);
    if (static_cast<double>(integer) == v) {
      const auto end = std::to_chars(buffer, buffer + sizeof(buffer), integer);
      out->append(buffer, end.ptr);
      return;
    }
  }
  if (append_special(v, out)) return;
  const double magnitude = std::fabs(v);
  if (magnitude >= 1e-6 && magnitude < kExactIntegers) {
    // Here to_chars' own fixed form has the shortest digits, too.
    char fixed[40];
    out->append(fixed,
                std::to_chars(fixed, fixed + sizeof(fixed), v, std::chars_format::fixed).ptr);
  } else if (magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21)) {
    append_scientific(v, out);
  } else {
    append_fixed(shortest(v), out);
  }
}

std::string format_float(double v) {
  std::string out;
  append_float(v, &out);
  return out;
}

std::string format_float_g(double v) {
  std::string out;
  if (append_special(v, &out)) return out;
  const Decimal d = shortest(v);
  // Go's shortest %g changes to an exponent as if its precision were 6.
  const int exponent = d.point - 1;
  if (exponent < -4 || exponent >= 6) {
    append_scientific(v, &out);
  } else {
    append_fixed(d, &out);
  }
  return out;
}

std::string format_float_e(double v) {
  std::string out;
  if (!append_special(v, &out)) append_scientific(v, &out);
  return out;
}

std::string format_float_f(double v) {
  std::string out;
  if (!append_special(v, &out)) append_fixed(shortest(v), &out);
  return out;
}

std::optional<bool> parse_go_bool(std::string_view text) {
  constexpr std::string_view kTrue[] = {"1", "t", "T", "TRUE", "true", "True"};
  constexpr std::string_view kFalse[] = {"0", "f", "F", "FALSE", "false", "False"};
  if (std::find(std::begin(kTrue), std::end(kTrue), text) != std::end(kTrue)) return true;
  if (std::find(std::begin(kFalse), std::end(kFalse), text) != std::end(kFalse)) return false;
  return std::nullopt;
}

}  // namespace tocsin::model
