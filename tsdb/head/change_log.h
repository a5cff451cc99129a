// SPDX-License-Identifier: Apache-2.0
//
// The change log: the samples of one series over the rows of its group, where a repeated value
// costs nothing.
//
//   log   = token*
//   token = varint(code << 1 | gap) [varint(skipped rows), when gap] extra
//   code 0 stale    the staleness marker
//   code 1 raw      extra: the 64 bits of the value (NaN payloads, -0, Inf, no decimal below 2^53)
//   code 2 absent   no sample
//   code 3 decimal  extra: exponent u8, zigzag varint of the mantissa; becomes the new base
//   code 4+z        zigzag z = mantissa - mantissa of the base, same exponent; becomes the new base
//
// After 0 and 1 the base is 0 with the exponent of before. So the base is a function of the last
// value and of that exponent, base_of(), and a writer need not store it.
// A token stands for its row and for the rows up to the next token. Its row is the one after the
// last token's (the first: row 0) plus the skipped rows. Before the first token rows are absent.
// How many rows a log has is kept beside it. A decimal is mantissa / 10^exponent by DIVISION, which
// is correctly rounded: a multiplication by 10^-exponent is not. Values and pure functions; the
// journal writes the same codes without gaps. docs/formats/tsdb_journal.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {

struct Decimal {
  std::int64_t mantissa = 0;
  std::uint8_t exponent = 0;
  friend bool operator==(const Decimal&, const Decimal&) = default;
};

inline constexpr std::uint8_t kMaxDecimalExponent =
    22;  // 10^22 is the largest power that a double holds

// The decimal that gives exactly `bits` back, preferring `exponent_hint`, then the smallest
// exponent.
std::optional<Decimal> to_decimal(std::uint64_t bits, std::uint8_t exponent_hint);
// REQUIRES: exponent <= kMaxDecimalExponent.
std::uint64_t from_decimal(Decimal decimal);

enum class TokenCode : std::uint8_t { kStale = 0, kRaw = 1, kAbsent = 2, kDecimal = 3, kDelta = 4 };

// One token without its gap.
struct Token {
  std::uint64_t code = 0;
  std::uint8_t extra_size = 0;
  char extra[11] = {};
};

Token make_absent_token();
// The base after a token of `bits`, where `exponent` is that of the base.
Decimal base_of(std::uint64_t bits, std::uint8_t exponent);
// The token that stands for a sample of `bits`; moves `base`.
Token make_token(std::uint64_t bits, Decimal* base);
// Reads what follows `code`. Returns the bits of the sample, nothing for an absent token; moves
// `base`. Damaged bytes fail the reader.
std::optional<std::uint64_t> read_token(std::uint64_t code, ByteReader* reader, Decimal* base);

// Writes a varint to `out`; returns its size, at most 10.
std::uint8_t write_varint(std::uint64_t value, char* out);

inline constexpr std::size_t kMaxTokenBytes = 32;

// Writes the token for `row` to `out`; returns its size. `next_row` is the row after the last
// token's; moves it. REQUIRES: row >= *next_row; kMaxTokenBytes of space.
std::size_t write_token(const Token& token, std::uint32_t row, std::uint32_t* next_row, char* out);

// Samples of rows [begin, end) of a log of `length` rows: out->floats gets end - begin values
// (unspecified where absent) and out->present a bitmap; both are appended to, so pieces can be put
// one behind the other.
struct DecodedRows {
  std::vector<double> floats;
  std::vector<std::uint64_t> present;  // bit i of word i / 64 belongs to floats[i]

  std::uint32_t count_present() const;
  // Appends `rows` rows, all of one value or (nullopt) absent.
  void append(std::uint32_t rows, std::optional<std::uint64_t> bits);
};
// Returns false for a damaged log. REQUIRES: begin <= end.
bool decode_rows(std::string_view log, std::uint32_t length, std::uint32_t begin, std::uint32_t end,
                 DecodedRows* out);

}  // namespace tocsin::tsdb
