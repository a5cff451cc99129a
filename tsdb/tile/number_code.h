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
//   code = head u8 (kept; 8 more: no negative class; high half: low bits that all numbers have 0 and
//          that are left out) | classes varint | nibbles, low half first: per class, ascending, the
//          places left out before it and the length of its code
//   list = the numbers' codes and low bits, lowest first, padded to a byte
// A code may have many lists, each of which is read alone. With one class its code has no bits. Pure
// functions; the decoder takes hostile bytes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {

// Numbers of a list at most.
inline constexpr std::size_t kMaxList = 256;

// Makes the code of some numbers and writes lists of them. Confined; used again and again.
class NumberEncoder {
 public:
  // Counts the numbers and returns how many bytes code and numbers will take, nearly.
  std::size_t plan(std::span<const std::uint64_t> values);
  // Writes the code of the numbers planned last. False, with nothing written, when there are too many
  // classes.
  bool write_code(std::string* out);
  // REQUIRES: the code was written, and is that of these and maybe more numbers.
  void write_list(std::span<const std::uint64_t> values, std::string* out) const;

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
  unsigned shift_ = 0;
  std::vector<Class> classes_;  // ascending by symbol
  std::vector<std::uint32_t> by_symbol_;
};

// Large: it has its tables inside, so that making one takes no memory.
class NumberDecoder {
 public:
  struct List {
    std::string_view bits;
    std::span<std::uint64_t> out;
  };
  static constexpr std::size_t kMaxLists = 4;

  // Reads a code; false when it is damaged.
  bool open(ByteReader* in);
  // Reads up to kMaxLists lists of up to kMaxList numbers side by side, which takes little longer than
  // one of them. False when the bits of one end early or late.
  bool read(std::span<const List> lists) const;

 private:
  static constexpr unsigned kMaxLength = 11;
  static constexpr std::size_t kMaxClasses = 512;
  struct Entry {
    std::uint8_t length;
    std::uint8_t bits;  // with the low bits
    std::uint16_t index;
  };
  struct Base {
    std::uint64_t magnitude;
    std::uint64_t low_mask;
    std::uint64_t sign;  // 0 or all ones
  };
  struct Cursor;
  bool fill_table(std::span<const std::uint8_t> lengths);
  template <unsigned kPerLoad>
  void step(Cursor* cursor) const;
  std::uint64_t take(Cursor* cursor) const;
  template <std::size_t kLists, unsigned kPerLoad>
  bool side_by_side(Cursor* cursors, std::size_t count) const;
  template <unsigned kPerLoad>
  bool read_with(std::span<Cursor> cursors) const;

  // Not initialised: most of it is not used.
  std::array<Entry, 1U << kMaxLength> table_;
  std::array<Base, kMaxClasses> bases_;
  unsigned table_bits_ = 0;
  unsigned longest_ = 0;  // bits of a number
  unsigned shift_ = 0;
};

}  // namespace tocsin::tsdb
