// SPDX-License-Identifier: Apache-2.0
//
// Go's fmt: verbs, flags, width and precision over dynamic values.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "model/labels.h"
#include "model/value.h"
#include "template/text/methods.h"
#include "template/value.h"

namespace tocsin::tmpl {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{4} << 20U;
constexpr int kMaxWidth = 1000000;

using Kind = Value::Kind;

struct Flags {
  bool plus = false, minus = false, sharp = false, space = false, zero = false;
  int width = -1;
  int precision = -1;
};

std::size_t rune_count(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80;
  }));
}

std::string_view first_runes(std::string_view text, std::size_t count) {
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    const bool begins = (static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80;
    if (begins && count-- == 0) break;
  }
  return text.substr(0, i);
}

void append_utf8(std::uint32_t c, std::string* out) {
  const auto put = [out](std::uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) c = 0xFFFD;
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0U | (c >> 6U));
  } else if (c < 0x10000) {
    put(0xE0U | (c >> 12U));
    put(0x80U | ((c >> 6U) & 0x3FU));
  } else {
    put(0xF0U | (c >> 18U));
    put(0x80U | ((c >> 12U) & 0x3FU));
    put(0x80U | ((c >> 6U) & 0x3FU));
  }
  put(0x80U | (c & 0x3FU));
}

class Formatter {
 public:
  Status printf(std::string_view format, std::span<const Value> arguments);
  Status print(std::span<const Value> arguments, bool line);
  std::string take() { return std::move(out_); }

 private:
  Status one(const Value& value, char verb, const Flags& flags);
  Status container(const Value& value, char verb, const Flags& flags);
  void bad_verb(const Value& value, char verb);
  void integer(std::int64_t value, char verb, const Flags& flags);
  void character(std::int64_t value, char verb, const Flags& flags);
  void number(double value, char verb, Flags flags);
  void text(std::string_view value, char verb, const Flags& flags);
  void pad(std::string_view value, const Flags& flags);
  void pad_number(std::string_view sign, std::string_view digits, const Flags& flags);
  Status check_size() const {
    if (out_.size() <= kMaxBytes) return ok();
    return resource_exhausted("text is longer than {} bytes", kMaxBytes);
  }
  std::string_view parse_flags(std::string_view rest, Flags* flags);
  std::string_view parse_count(std::string_view rest, int* count, std::string_view bad);

  std::string out_;
  std::span<const Value> arguments_;
  std::size_t next_ = 0;
};

void Formatter::pad(std::string_view value, const Flags& flags) {
  const std::size_t length = rune_count(value);
  const std::size_t width = flags.width < 0 ? 0 : static_cast<std::size_t>(flags.width);
  const std::size_t spaces = width > length ? width - length : 0;
  if (flags.minus) {
    out_.append(value).append(spaces, ' ');
  } else {
    out_.append(spaces, flags.zero ? '0' : ' ').append(value);
  }
}

// Zeros go between the sign and the digits.
void Formatter::pad_number(std::string_view sign, std::string_view digits, const Flags& flags) {
  const std::size_t width = flags.width < 0 ? 0 : static_cast<std::size_t>(flags.width);
  const std::size_t length = sign.size() + digits.size();
  if (flags.zero && !flags.minus && width > length) {
    out_.append(sign).append(width - length, '0').append(digits);
    return;
  }
  Flags spaces = flags;
  spaces.zero = false;
  pad(std::string(sign) + std::string(digits), spaces);
}

void Formatter::integer(std::int64_t value, char verb, const Flags& flags) {
  std::string prefix = value < 0 ? "-" : (flags.plus ? "+" : (flags.space ? " " : ""));
  std::uint64_t magnitude = static_cast<std::uint64_t>(value);
  if (value < 0) magnitude = 0 - magnitude;
  std::string digits;
  switch (verb) {
    case 'b':
      digits = fmt::format("{:b}", magnitude);
      if (flags.sharp) prefix += "0b";
      break;
    case 'o':
    case 'O':
      digits = fmt::format("{:o}", magnitude);
      if (verb == 'O') prefix += "0o";
      if (flags.sharp) digits.insert(0, 1, '0');
      break;
    case 'x':
      digits = fmt::format("{:x}", magnitude);
      if (flags.sharp) prefix += "0x";
      break;
    case 'X':
      digits = fmt::format("{:X}", magnitude);
      if (flags.sharp) prefix += "0X";
      break;
    default:
      digits = std::to_string(magnitude);
      break;
  }
  Flags padding = flags;
  if (flags.precision >= 0) {
    const auto least = static_cast<std::size_t>(flags.precision);
    if (digits.size() < least) digits.insert(0, least - digits.size(), '0');
    if (flags.precision == 0 && value == 0) digits.clear();
    padding.zero = false;
  }
  pad_number(prefix, digits, padding);
}

void Formatter::character(std::int64_t value, char verb, const Flags& flags) {
  std::string text;
  const auto code = static_cast<std::uint32_t>(value);
  append_utf8(code, &text);
  if (verb == 'U') text = fmt::format("U+{:04X}", code);
  if (verb == 'q') text = "'" + text + "'";
  pad(text, flags);
}

void Formatter::number(double value, char verb, Flags flags) {
  std::string digits;
  const bool negative = std::signbit(value) && !std::isnan(value);
  const double magnitude = std::fabs(value);
  if (std::isnan(value) || std::isinf(value)) {
    digits = std::isnan(value) ? "NaN" : "Inf";
    flags.zero = false;
    if (std::isinf(value)) flags.plus = true;  // Go always signs it
  } else if (flags.precision < 0 && (verb == 'v' || verb == 'g' || verb == 'G')) {
    digits = model::format_float_g(magnitude);
  } else {
    const char conversion = verb == 'v' ? 'g' : (verb == 'F' ? 'f' : verb);
    const std::string format = fmt::format("%{}.{}{}", flags.sharp ? "#" : "",
                                           flags.precision < 0 ? 6 : flags.precision, conversion);
    const int size = std::snprintf(nullptr, 0, format.c_str(), magnitude);
    digits.resize(static_cast<std::size_t>(size) + 1);
    std::snprintf(digits.data(), digits.size(), format.c_str(), magnitude);
    digits.pop_back();
  }
  if (verb == 'G') std::replace(digits.begin(), digits.end(), 'e', 'E');
  pad_number(negative ? "-" : (flags.plus ? "+" : (flags.space ? " " : "")), digits, flags);
}

void Formatter::text(std::string_view value, char verb, const Flags& flags) {
  if (flags.precision >= 0) value = first_runes(value, static_cast<std::size_t>(flags.precision));
  if (verb == 'q') {
    const bool raw = flags.sharp && value.find_first_of("`\n\r\t") == std::string_view::npos;
    return pad(raw ? fmt::format("`{}`", value) : model::go_quote(value), flags);
  }
  if (verb != 'x' && verb != 'X') return pad(value, flags);
  std::string digits;
  for (const char c : value) {
    const unsigned byte = static_cast<unsigned char>(c);
    if (flags.space && !digits.empty()) digits += ' ';
    digits += verb == 'x' ? fmt::format("{:02x}", byte) : fmt::format("{:02X}", byte);
  }
  pad(digits, flags);
}

void Formatter::bad_verb(const Value& value, char verb) {
  if (value.is_nil()) {
    out_ += fmt::format("%!{}(<nil>)", verb);
    return;
  }
  out_ += fmt::format("%!{}({}=", verb, value.type_name());
  (void)one(value, 'v', Flags{});  // a size error shows at the next check
  out_ += ")";
}

Status Formatter::container(const Value& value, char verb, const Flags& flags) {
  const char* open = value.is(Kind::kList) ? "[" : (value.is(Kind::kMap) ? "map[" : "{");
  const char* close = value.is(Kind::kStruct) ? "}" : "]";
  bool first = true;
  const auto separate = [&] {
    if (!first) out_ += " ";
    first = false;
  };
  out_ += open;
  if (value.is(Kind::kList)) {
    for (const Value& item : value.list()) {
      separate();
      RETURN_IF_ERROR(one(item, verb, flags));
    }
  } else if (value.is(Kind::kMap)) {
    for (const auto& [key, item] : value.map()) {
      separate();
      text(key, verb, flags);
      out_ += ":";
      RETURN_IF_ERROR(one(item, verb, flags));
    }
  } else {
    for (const Field& field : value.fields()) {
      separate();
      if (flags.plus) out_ += field.name + ":";
      RETURN_IF_ERROR(one(field.value, verb, flags));
    }
  }
  out_ += close;
  return ok();
}

Status Formatter::one(const Value& value, char verb, const Flags& flags) {
  RETURN_IF_ERROR(check_size());
  const auto verb_is_in = [verb](std::string_view verbs) {
    return verbs.find(verb) != std::string_view::npos;
  };
  if (verb == 'T') {
    pad(value.type_name(), flags);
    return ok();
  }
  if (value.type() != nullptr && value.type()->text && verb_is_in("vsqxX")) {
    text(value.type()->text(value), verb, flags);
    return ok();
  }
  switch (value.kind()) {
    case Kind::kNil:
      if (verb == 'v') {
        pad("<nil>", flags);
      } else {
        bad_verb(value, verb);
      }
      return ok();
    case Kind::kBool:
      if (!verb_is_in("tv")) break;
      pad(value.boolean() ? "true" : "false", flags);
      return ok();
    case Kind::kInt:
      if (!verb_is_in("vdboOxXcqU")) break;
      if (verb_is_in("cqU")) {
        character(value.integer(), verb, flags);
      } else {
        integer(value.integer(), verb, flags);
      }
      return ok();
    case Kind::kFloat:
      if (!verb_is_in("veEfFgG")) break;
      number(value.number(), verb, flags);
      return ok();
    case Kind::kString:
      if (!verb_is_in("vsqxX")) break;
      text(value.string(), verb, flags);
      return ok();
    case Kind::kTime:
      if (!verb_is_in("vsq")) break;
      text(time_text(value.time()), verb, flags);
      return ok();
    case Kind::kDuration:
      if (verb_is_in("vsq")) {
        text(model::format_go_duration(value.duration()), verb, flags);
        return ok();
      }
      if (!verb_is_in("dboOxX")) break;
      integer(value.duration().count() * 1000000, verb, flags);
      return ok();
    case Kind::kList:
    case Kind::kMap:
    case Kind::kStruct:
      return container(value, verb, flags);
    case Kind::kFunction:
      out_ += "<function>";
      return ok();
  }
  bad_verb(value, verb);
  return ok();
}

// Reads a number or *, which takes an argument.
std::string_view Formatter::parse_count(std::string_view rest, int* count, std::string_view bad) {
  if (!rest.empty() && rest[0] == '*') {
    const bool usable = next_ < arguments_.size() && arguments_[next_].is(Kind::kInt) &&
                        std::abs(arguments_[next_].integer()) <= kMaxWidth;
    *count = usable ? static_cast<int>(arguments_[next_].integer()) : -1;
    if (!usable) out_ += bad;
    ++next_;
    return rest.substr(1);
  }
  while (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') {
    *count = std::min(kMaxWidth + 1, std::max(0, *count) * 10 + (rest[0] - '0'));
    rest.remove_prefix(1);
  }
  if (*count > kMaxWidth) {
    *count = -1;
    out_ += bad;
  }
  return rest;
}

std::string_view Formatter::parse_flags(std::string_view rest, Flags* flags) {
  for (; !rest.empty(); rest.remove_prefix(1)) {
    const char c = rest[0];
    if (c == '+')
      flags->plus = true;
    else if (c == '-')
      flags->minus = true;
    else if (c == '#')
      flags->sharp = true;
    else if (c == ' ')
      flags->space = true;
    else if (c == '0')
      flags->zero = true;
    else
      break;
  }
  rest = parse_count(rest, &flags->width, "%!(BADWIDTH)");
  if (flags->width < -1) {
    flags->minus = true;
    flags->width = -flags->width;
  }
  if (flags->minus) flags->zero = false;
  if (!rest.empty() && rest[0] == '.') {
    flags->precision = 0;
    rest = parse_count(rest.substr(1), &flags->precision, "%!(BADPREC)");
    if (flags->precision < 0) flags->precision = -1;
  }
  return rest;
}

Status Formatter::printf(std::string_view format, std::span<const Value> arguments) {
  arguments_ = arguments;
  while (!format.empty()) {
    const std::size_t percent = format.find('%');
    out_.append(format.substr(0, percent));
    if (percent == std::string_view::npos) break;
    Flags flags;
    format = parse_flags(format.substr(percent + 1), &flags);
    if (format.empty()) {
      out_ += "%!(NOVERB)";
      break;
    }
    const std::string_view verb = first_runes(format, 1);
    format.remove_prefix(verb.size());
    if (verb == "%") {
      out_ += "%";
    } else if (next_ >= arguments_.size()) {
      out_ += fmt::format("%!{}(MISSING)", verb);
    } else {
      RETURN_IF_ERROR(one(arguments_[next_++], verb[0], flags));
    }
    RETURN_IF_ERROR(check_size());
  }
  if (next_ >= arguments_.size()) return ok();
  out_ += "%!(EXTRA ";
  for (bool first = true; next_ < arguments_.size(); first = false) {
    const Value& extra = arguments_[next_++];
    if (!first) out_ += ", ";
    out_ += extra.type_name();
    if (extra.is_nil()) continue;
    out_ += "=";
    RETURN_IF_ERROR(one(extra, 'v', Flags{}));
  }
  out_ += ")";
  return check_size();
}

Status Formatter::print(std::span<const Value> arguments, bool line) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto is_string = [](const Value& value) { return value.is(Kind::kString); };
    const bool spaced = line || (i > 0 && !is_string(arguments[i]) && !is_string(arguments[i - 1]));
    if (i > 0 && spaced) out_ += " ";
    RETURN_IF_ERROR(one(arguments[i], 'v', Flags{}));
  }
  if (line) out_ += "\n";
  return check_size();
}

}  // namespace

StatusOr<std::string> go_printf(std::string_view format, std::span<const Value> arguments) {
  Formatter formatter;
  RETURN_IF_ERROR(formatter.printf(format, arguments));
  return formatter.take();
}

StatusOr<std::string> go_print(std::span<const Value> arguments) {
  Formatter formatter;
  RETURN_IF_ERROR(formatter.print(arguments, false));
  return formatter.take();
}

StatusOr<std::string> go_println(std::span<const Value> arguments) {
  Formatter formatter;
  RETURN_IF_ERROR(formatter.print(arguments, true));
  return formatter.take();
}

std::string Value::to_text() const {
  StatusOr<std::string> text = go_print(std::span(this, 1));
  return text.ok() ? *std::move(text) : std::string("<text too long>");
}

}  // namespace tocsin::tmpl
