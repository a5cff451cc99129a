// SPDX-License-Identifier: Apache-2.0
//
// RESP, the protocol of Redis, versions 2 and 3: RespParser makes values of what a server sends,
// in pieces of any size; append_command() writes what it is asked.
//
// The parser trusts nobody: a value has a limit of depth and one of the memory it takes, whatever
// lengths it announces.
//
// Values. Threads: confined.
// Errors: kDataLoss for what is no RESP, kResourceExhausted above a limit; the parser is then only
// good to be destroyed. An error that the server replies is a value. Does not throw.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tocsin::exporters {

struct RespValue {
  enum class Kind { kNull, kText, kError, kInteger, kDouble, kBoolean, kArray };

  Kind kind = Kind::kNull;
  std::int64_t integer = 0;      // of kInteger; 1 or 0 of kBoolean
  double number = 0;             // of kDouble
  std::string text;              // of kText and kError
  std::vector<RespValue> items;  // of kArray; a map is its keys and values in turn, as in RESP2

  bool is_array() const { return kind == Kind::kArray; }
  bool is_error() const { return kind == Kind::kError; }
  // Text of a text, "" for anything else.
  std::string_view as_text() const { return kind == Kind::kText ? text : std::string_view(); }
  // The number of an integer, or of a text that is one.
  std::optional<std::int64_t> as_integer() const;
  // The number of an integer, a double, or a text that is one.
  std::optional<double> as_number() const;
  // The value after the key in a map; nullptr when it is not there.
  const RespValue* at(std::string_view key) const;
};

class RespParser {
 public:
  struct Limits {
    std::size_t depth = 16;
    std::size_t line_bytes = 64 << 10;    // simple texts, errors and lengths
    std::size_t value_bytes = 32U << 20;  // memory of one whole value
  };

  RespParser();
  explicit RespParser(Limits limits);

  // Takes bytes until a value is whole or they are used up; returns how many it took.
  StatusOr<std::size_t> feed(std::string_view bytes);
  bool has_value() const { return value_.has_value(); }
  // REQUIRES: has_value(). The parser is then ready for the next one.
  RespValue take();

 private:
  enum class State { kLine, kBulk, kBulkEnd };
  enum class Purpose { kItem, kAttribute, kPush };  // of a collection; only items are shown
  struct Frame {
    RespValue value;
    std::size_t missing = 0;
    Purpose purpose = Purpose::kItem;
  };

  Status take_line(std::string_view line);
  Status begin_bulk(std::string_view length, RespValue::Kind kind);
  Status begin_collection(char type, std::string_view count);
  Status complete(RespValue value);
  Status charge(std::size_t bytes);

  const Limits limits_;
  State state_ = State::kLine;
  std::string line_;  // a line that came in part
  RespValue bulk_;
  std::size_t bulk_missing_ = 0;
  std::vector<Frame> frames_;
  std::size_t bytes_ = 0;  // charged for the value so far
  std::optional<RespValue> value_;
};

// Appends a command of these words.
void append_command(std::span<const std::string_view> words, std::string* out);

}  // namespace tocsin::exporters
