// SPDX-License-Identifier: Apache-2.0
//
// A value is a line, for a text with a length followed by its bytes, for a collection by its items.
// Collections that are not complete yet are frames on a stack, so that hostile nesting costs what
// Limits::depth allows and no stack of the program.
#include "exporters/redis/resp.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/check.h"

namespace tocsin::exporters {
namespace {

using Kind = RespValue::Kind;

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

Status bad(std::string_view what) { return data_loss("the server does not speak RESP: {}", what); }

RespValue simple(Kind kind, std::string_view text) {
  RespValue value;
  value.kind = kind;
  value.text = text;
  return value;
}

}  // namespace

std::optional<std::int64_t> RespValue::as_integer() const {
  if (kind == Kind::kInteger) return integer;
  return kind == Kind::kText ? parse_number<std::int64_t>(text) : std::nullopt;
}

std::optional<double> RespValue::as_number() const {
  if (kind == Kind::kInteger) return static_cast<double>(integer);
  if (kind == Kind::kDouble) return number;
  return kind == Kind::kText ? parse_number<double>(text) : std::nullopt;
}

const RespValue* RespValue::at(std::string_view key) const {
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].kind == Kind::kText && items[i].text == key) return &items[i + 1];
  }
  return nullptr;
}

RespParser::RespParser() : RespParser(Limits()) {}
RespParser::RespParser(Limits limits) : limits_(limits) {}

RespValue RespParser::take() {
  CHECK(value_.has_value());
  RespValue value = *std::move(value_);
  value_.reset();
  bytes_ = 0;
  return value;
}

Status RespParser::charge(std::size_t bytes) {
  bytes_ += bytes;
  if (bytes_ <= limits_.value_bytes) return ok();
  return resource_exhausted("a reply takes more than {} bytes", limits_.value_bytes);
}

StatusOr<std::size_t> RespParser::feed(std::string_view bytes) {
  std::size_t used = 0;
  while (used < bytes.size() && !value_) {
    const std::string_view rest = bytes.substr(used);
    if (state_ == State::kBulk) {
      const std::size_t part = std::min(bulk_missing_, rest.size());
      bulk_.text.append(rest.substr(0, part));
      bulk_missing_ -= part;
      used += part;
      if (bulk_missing_ == 0) state_ = State::kBulkEnd;
      continue;
    }
    const std::size_t end = rest.find('\n');
    const std::string_view part = rest.substr(0, end);
    if (line_.size() + part.size() > limits_.line_bytes) return bad("a line is too long");
    used += std::min(part.size() + 1, rest.size());
    if (end == std::string_view::npos) {
      line_.append(part);
      continue;
    }
    std::string whole;
    if (!line_.empty()) whole = std::exchange(line_, {}).append(part);
    std::string_view line = whole.empty() ? part : std::string_view(whole);
    if (!line.ends_with('\r')) return bad("a line does not end with CRLF");
    line.remove_suffix(1);
    if (state_ == State::kBulkEnd) {
      if (!line.empty()) return bad("a text is longer than announced");
      state_ = State::kLine;
      RETURN_IF_ERROR(complete(std::exchange(bulk_, {})));
    } else {
      RETURN_IF_ERROR(take_line(line));
    }
  }
  return used;
}

Status RespParser::take_line(std::string_view line) {
  if (line.empty()) return bad("an empty line");
  const std::string_view rest = line.substr(1);
  RespValue value;
  switch (line[0]) {
    case '+':
    case '(':  // a number of any length
      return complete(simple(Kind::kText, rest));
    case '-':
      return complete(simple(Kind::kError, rest));
    case ':': {
      const std::optional<std::int64_t> number = parse_number<std::int64_t>(rest);
      if (!number) return bad("a bad integer");
      value.kind = Kind::kInteger;
      value.integer = *number;
      return complete(std::move(value));
    }
    case ',': {
      const std::optional<double> number = parse_number<double>(rest);
      if (!number) return bad("a bad double");
      value.kind = Kind::kDouble;
      value.number = *number;
      return complete(std::move(value));
    }
    case '#':
      if (rest != "t" && rest != "f") return bad("a bad boolean");
      value.kind = Kind::kBoolean;
      value.integer = rest == "t" ? 1 : 0;
      return complete(std::move(value));
    case '_':
      return complete(std::move(value));
    case '$':
    case '=':
      return begin_bulk(rest, Kind::kText);
    case '!':
      return begin_bulk(rest, Kind::kError);
    case '*':
    case '~':
    case '%':
    case '|':
    case '>':
      return begin_collection(line[0], rest);
    default:
      return bad("an unknown type");
  }
}

Status RespParser::begin_bulk(std::string_view length, Kind kind) {
  const std::optional<std::int64_t> announced = parse_number<std::int64_t>(length);
  if (!announced || *announced < -1) return bad("a bad length");
  if (*announced == -1) return complete({});
  const auto size = static_cast<std::size_t>(*announced);
  // Charged when it is complete; what could not be is refused now.
  if (size > limits_.value_bytes - bytes_) return charge(limits_.value_bytes + 1);
  bulk_ = simple(kind, {});
  bulk_missing_ = size;
  state_ = size == 0 ? State::kBulkEnd : State::kBulk;
  return ok();
}

Status RespParser::begin_collection(char type, std::string_view count) {
  const std::optional<std::int64_t> announced = parse_number<std::int64_t>(count);
  if (!announced || *announced < -1) return bad("a bad count");
  if (*announced == -1) return complete({});
  if (static_cast<std::size_t>(*announced) > limits_.value_bytes) {
    return charge(limits_.value_bytes + 1);
  }
  Frame frame;
  frame.value.kind = Kind::kArray;
  frame.missing = static_cast<std::size_t>(*announced);
  if (type == '%' || type == '|') frame.missing *= 2;
  if (type == '|') frame.purpose = Purpose::kAttribute;
  if (type == '>') frame.purpose = Purpose::kPush;
  if (frame.purpose == Purpose::kPush && !frames_.empty()) return bad("a push inside a value");
  if (frames_.size() >= limits_.depth) {
    return resource_exhausted("a reply is nested more than {} deep", limits_.depth);
  }
  frames_.push_back(std::move(frame));
  // Ends the frame at once when it is empty.
  return frames_.back().missing == 0 ? complete({}) : ok();
}

// Puts a value where it belongs, and the collections that it ends where they belong. A frame with
// nothing missing is ended without taking a value.
Status RespParser::complete(RespValue value) {
  RETURN_IF_ERROR(charge(sizeof(RespValue) + value.text.size()));
  if (!frames_.empty() && frames_.back().missing != 0) {
    frames_.back().value.items.push_back(std::move(value));
    --frames_.back().missing;
  } else if (frames_.empty()) {
    value_ = std::move(value);
    return ok();
  }
  while (!frames_.empty() && frames_.back().missing == 0) {
    Frame done = std::move(frames_.back());
    frames_.pop_back();
    if (done.purpose != Purpose::kItem) {
      if (frames_.empty()) bytes_ = 0;
      return ok();
    }
    if (frames_.empty()) {
      value_ = std::move(done.value);
      return ok();
    }
    frames_.back().value.items.push_back(std::move(done.value));
    --frames_.back().missing;
  }
  return ok();
}

void append_command(std::span<const std::string_view> words, std::string* out) {
  out->append(fmt::format("*{}\r\n", words.size()));
  for (const std::string_view word : words) {
    out->append(fmt::format("${}\r\n", word.size())).append(word).append("\r\n");
  }
}

}  // namespace tocsin::exporters
