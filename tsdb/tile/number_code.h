// SPDX-License-Identifier: Apache-2.0
//
// The number code: signed numbers as prefix-coded size classes followed by their low bits.
//
// What monitoring data leaves after differences (increments of counters, steps of gauges) is spread
// over a few octaves, differently for each series. A number's class is its sign and its leading
// bits, `kept` of them after the first one; classes get canonical prefix codes made from their
// counts in this very list, and the bits behind the leading ones follow as they are. Within a few
// percent of the entropy at every width, without blocks and exceptions.
//
//   numbers = head u8 (kept) | classes varint | per class, ascending: u8 gap - 1 (high half, 15:
//             varint gap - 16 follows) and code length (low half) | bits, lowest first, padded
// With one class its code has no bits. Pure functions; the decoder takes hostile bytes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {

// Makes the code of one list of numbers. Confined; reused from list to list.
class NumberEncoder {
 public:
  // Counts the numbers and returns how many bytes write() will take, nearly.
  std::size_t plan(std::span<const std::uint64_t> values);
  // REQUIRES: plan() was called last with the same values. False, with nothing written, when there
  // are too many classes for a code.
  bool write(std::span<const std::uint64_t> values, std::string* out);

 private:
  struct Class {
    std::uint32_t symbol;
    std::uint32_t count;
    unsigned length;
    std::uint32_t code;
  };
  bool make_lengths();
  void make_codes();

  unsigned kept_ = 0;
  std::vector<Class> classes_;  // ascending by symbol
  std::vector<std::uint32_t> by_symbol_;
};

class NumberDecoder {
 public:
  // Reads the head of a list that takes all of `in`, which must outlive reading; false when it is
  // damaged.
  bool open(ByteReader* in);
  // Fills `out`; false when the bits end early.
  bool read(std::span<std::uint64_t> out);
  // Whether only padding is left.
  bool at_end() const;

 private:
  static constexpr unsigned kMaxLength = 11;
  struct Entry {
    std::uint8_t length = 0;
    std::uint8_t low_bits = 0;
    std::uint16_t index = 0;
  };
  struct Base {
    std::uint64_t magnitude;
    std::uint64_t sign;  // 0 or all ones
  };
  bool fill_table(std::span<const std::pair<std::uint32_t, unsigned>> classes, unsigned kept);
  std::uint64_t peek(std::size_t bit) const;

  std::array<Entry, 1U << kMaxLength> table_;
  unsigned table_bits_ = 0;
  std::vector<Base> bases_;
  std::string_view bits_;
  std::size_t position_ = 0;  // bit
};

}  // namespace tocsin::tsdb
