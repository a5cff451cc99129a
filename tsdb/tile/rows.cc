// SPDX-License-Identifier: Apache-2.0
#include "tsdb/tile/rows.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "base/check.h"

namespace tocsin::tsdb {
namespace {

constexpr std::array<double, kMaxExponent + 1> kPowers = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool decimal_at(std::uint64_t bits, unsigned exponent, std::int64_t* mantissa) {
  const double scaled = std::bit_cast<double>(bits) * kPowers[exponent];
  if (!(std::fabs(scaled) < 9.2e18)) return false;  // also NaN
  *mantissa = static_cast<std::int64_t>(std::llrint(scaled));
  return decimal_bits(*mantissa, exponent) == bits;
}

}  // namespace

std::uint64_t decimal_bits(std::int64_t mantissa, unsigned exponent) {
  return std::bit_cast<std::uint64_t>(static_cast<double>(mantissa) / kPowers[exponent]);
}

bool find_decimal(std::uint64_t bits, unsigned hint, std::int64_t* mantissa, unsigned* exponent) {
  *exponent = hint;
  if (decimal_at(bits, hint, mantissa)) return true;
  for (unsigned e = 0; e <= kMaxExponent; ++e) {
    *exponent = e;
    if (decimal_at(bits, e, mantissa)) return true;
    if (!(std::fabs(std::bit_cast<double>(bits)) * kPowers[e] < 9.2e18)) break;
  }
  return false;
}

std::uint64_t bits_of(const Change& change) {
  return change.kind == Change::kRaw
             ? change.word
             : decimal_bits(static_cast<std::int64_t>(change.word), change.kind);
}

void RowChanges::clear() {
  rows = 0;
  changes.clear();
  start_ms.clear();
}

void RowChanges::append(std::uint32_t count, std::uint8_t kind, std::uint64_t word) {
  if (count == 0) return;
  const Change change{rows, kind, word};
  if (changes.empty() || !changes.back().same_value(change)) changes.push_back(change);
  rows += count;
  if (!start_ms.empty()) start_ms.resize(rows);
}

void RowChanges::append_bits(std::uint32_t count, std::uint64_t bits) {
  unsigned exponent = 0;
  if (!changes.empty()) {
    const Change& last = changes.back();
    if (last.kind != Change::kAbsent && bits_of(last) == bits) {
      append(count, last.kind, last.word);
      return;
    }
    if (last.kind <= kMaxExponent) exponent = last.kind;
  }
  std::int64_t mantissa = 0;
  if (find_decimal(bits, exponent, &mantissa, &exponent)) {
    append(count, static_cast<std::uint8_t>(exponent), static_cast<std::uint64_t>(mantissa));
  } else {
    append(count, Change::kRaw, bits);
  }
}

void RowChanges::append(const RowChanges& other, std::uint32_t begin, std::uint32_t end) {
  DCHECK(begin <= end && end <= other.rows);
  if (begin == end) return;
  const std::uint32_t before = rows;
  for (std::size_t at = other.find(begin); at < other.changes.size(); ++at) {
    const Change& change = other.changes[at];
    if (change.row >= end) break;
    const std::uint32_t from = std::max(change.row, begin);
    append(std::min(other.end_of(at), end) - from, change.kind, change.word);
  }
  if (other.start_ms.empty()) return;
  start_ms.resize(rows);
  std::copy(other.start_ms.begin() + begin, other.start_ms.begin() + end,
            start_ms.begin() + before);
}

void RowChanges::append(std::span<const double> values, std::span<const std::uint64_t> present) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!present.empty() && ((present[i / 64] >> (i % 64)) & 1U) == 0) {
      append_absent(1);
    } else {
      append_bits(1, std::bit_cast<std::uint64_t>(values[i]));
    }
  }
}

std::uint32_t RowChanges::count_present() const {
  std::uint32_t count = 0;
  for (std::size_t at = 0; at < changes.size(); ++at) {
    if (changes[at].kind != Change::kAbsent) count += end_of(at) - changes[at].row;
  }
  return count;
}

std::uint32_t RowChanges::first_present() const {
  // Neighbours differ, so only the first change can be absent before a sample.
  if (changes.empty() || changes[0].kind != Change::kAbsent) return 0;
  return changes.size() > 1 ? changes[1].row : end_present();
}

std::uint32_t RowChanges::end_present() const {
  if (changes.empty()) return 0;
  return changes.back().kind == Change::kAbsent ? changes.back().row : rows;
}

std::size_t RowChanges::find(std::uint32_t row) const {
  const auto after = std::upper_bound(
      changes.begin(), changes.end(), row,
      [](std::uint32_t wanted, const Change& change) { return wanted < change.row; });
  return static_cast<std::size_t>(after - changes.begin()) - 1;
}

}  // namespace tocsin::tsdb
