// SPDX-License-Identifier: Apache-2.0
//
// RowChanges: one series' samples over consecutive rows, as the rows where its value changes.
//
// What the writer of runs takes and what merging moves around: the change logs of the head become
// this without a double in between, and 70 % of all samples repeat the one before. Values; every
// decimal in it gives exactly the bits that were appended.
// Threads: confined. Errors: none.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tocsin::tsdb {

inline constexpr unsigned kMaxExponent = 22;  // 10^22 is the largest power that a double holds

// mantissa / 10^exponent, by one correctly rounded division. REQUIRES: exponent <= kMaxExponent.
std::uint64_t decimal_bits(std::int64_t mantissa, unsigned exponent);
// Finds a mantissa that gives back exactly `bits`, trying `hint` first and then all exponents.
bool find_decimal(std::uint64_t bits, unsigned hint, std::int64_t* mantissa, unsigned* exponent);

struct Change {
  static constexpr std::uint8_t kRaw = 0x40;     // word: the bits of the value
  static constexpr std::uint8_t kAbsent = 0x41;  // no sample; word 0

  std::uint32_t row = 0;  // the first row
  std::uint8_t kind = 0;  // kRaw, kAbsent, or the exponent of a decimal with mantissa `word`
  std::uint64_t word = 0;

  bool same_value(const Change& other) const { return kind == other.kind && word == other.word; }
};

// Bits of a change that is not absent.
std::uint64_t bits_of(const Change& change);

struct RowChanges {
  std::uint32_t rows = 0;
  std::vector<Change> changes;         // ascending by row, the first at row 0 when rows is not 0
  std::vector<std::int64_t> start_ms;  // one per row; empty: none

  void clear();
  // Appends rows with one value.
  void append(std::uint32_t count, std::uint8_t kind, std::uint64_t word);
  void append_absent(std::uint32_t count) { append(count, Change::kAbsent, 0); }
  // Appends rows with this value, as a decimal when it has one.
  void append_bits(std::uint32_t count, std::uint64_t bits);
  // Appends rows [begin, end) of `other`; start timestamps are filled up with 0 where one has none.
  void append(const RowChanges& other, std::uint32_t begin, std::uint32_t end);
  // Appends doubles; rows whose bit is 0 are absent (empty: none is).
  void append(std::span<const double> values, std::span<const std::uint64_t> present);

  std::uint32_t count_present() const;
  // The first row with a sample, and the row after the last one; equal when there is none.
  std::uint32_t first_present() const;
  std::uint32_t end_present() const;
  // The row after change `at`.
  std::uint32_t end_of(std::size_t at) const {
    return at + 1 < changes.size() ? changes[at + 1].row : rows;
  }
  // The change that row belongs to. REQUIRES: row < rows.
  std::size_t find(std::uint32_t row) const;
};

}  // namespace tocsin::tsdb
