// SPDX-License-Identifier: Apache-2.0
#include "tsdb/head/change_log.h"

#include <bit>
#include <cstdlib>
#include <cstring>

#include "base/check.h"
#include "model/value.h"

namespace tocsin::tsdb {
namespace {

constexpr double kPowers[kMaxDecimalExponent + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr double kMantissaEnd = 9007199254740992.0;  // 2^53: every integer below is a double

constexpr std::uint64_t code_of(TokenCode code) { return static_cast<std::uint64_t>(code); }

// Leaves `out` alone when there is none.
bool decimal_at(double value, std::uint8_t exponent, Decimal* out) {
  if (exponent == 0) {  // most values are integers: no division
    if (!(std::fabs(value) < kMantissaEnd)) return false;
    const auto whole = static_cast<std::int64_t>(value);
    if (static_cast<double>(whole) != value) return false;
    *out = {whole, 0};
    return true;
  }
  const double wanted = value * kPowers[exponent];
  if (!(std::fabs(wanted) < kMantissaEnd)) return false;
  // To the nearest integer; what is rounded wrongly does not give the value back. Above 2^52 there
  // are only integers.
  const double half = std::fabs(wanted) < kMantissaEnd / 2 ? std::copysign(0.5, wanted) : 0;
  const auto scaled = static_cast<double>(static_cast<std::int64_t>(wanted + half));
  if (std::fabs(scaled) >= kMantissaEnd) return false;
  if (std::bit_cast<std::uint64_t>(scaled / kPowers[exponent]) !=
      std::bit_cast<std::uint64_t>(value)) {
    return false;
  }
  *out = {static_cast<std::int64_t>(scaled), exponent};
  return true;
}

}  // namespace

std::uint8_t write_varint(std::uint64_t value, char* out) {
  std::uint8_t size = 0;
  while (value >= 0x80) {
    out[size++] = static_cast<char>(value | 0x80U);
    value >>= 7U;
  }
  out[size++] = static_cast<char>(value);
  return size;
}

std::optional<Decimal> to_decimal(std::uint64_t bits, std::uint8_t exponent_hint) {
  const auto value = std::bit_cast<double>(bits);
  if (!std::isfinite(value) || bits == std::bit_cast<std::uint64_t>(-0.0)) return std::nullopt;
  Decimal decimal;
  if (decimal_at(value, exponent_hint, &decimal)) return decimal;
  for (std::uint8_t exponent = 0; exponent <= kMaxDecimalExponent; ++exponent) {
    if (std::fabs(value * kPowers[exponent]) >= kMantissaEnd) break;
    if (decimal_at(value, exponent, &decimal)) return decimal;
  }
  return std::nullopt;
}

std::uint64_t from_decimal(Decimal decimal) {
  return std::bit_cast<std::uint64_t>(static_cast<double>(decimal.mantissa) /
                                      kPowers[decimal.exponent]);
}

Decimal base_of(std::uint64_t bits, std::uint8_t exponent) {
  const auto value = std::bit_cast<double>(bits);
  Decimal decimal{0, exponent};
  if (!std::isfinite(value) || bits == std::bit_cast<std::uint64_t>(-0.0)) return decimal;
  static_cast<void>(decimal_at(value, exponent, &decimal));
  return decimal;
}

Token make_absent_token() {
  Token token;
  token.code = code_of(TokenCode::kAbsent);
  return token;
}

Token make_token(std::uint64_t bits, Decimal* base) {
  Token token;
  if (bits == model::kStaleNanBits) {
    token.code = code_of(TokenCode::kStale);
    base->mantissa = 0;
    return token;
  }
  const std::optional<Decimal> decimal = to_decimal(bits, base->exponent);
  if (!decimal) {
    token.code = code_of(TokenCode::kRaw);
    std::memcpy(token.extra, &bits, sizeof(bits));
    token.extra_size = sizeof(bits);
    base->mantissa = 0;
    return token;
  }
  if (decimal->exponent == base->exponent) {
    token.code = code_of(TokenCode::kDelta) + zigzag(static_cast<std::uint64_t>(decimal->mantissa) -
                                                     static_cast<std::uint64_t>(base->mantissa));
  } else {
    token.code = code_of(TokenCode::kDecimal);
    token.extra[0] = static_cast<char>(decimal->exponent);
    token.extra_size = static_cast<std::uint8_t>(
        1 + write_varint(zigzag(static_cast<std::uint64_t>(decimal->mantissa)), token.extra + 1));
  }
  *base = *decimal;
  return token;
}

std::optional<std::uint64_t> read_token(std::uint64_t code, ByteReader* reader, Decimal* base) {
  if (code >= code_of(TokenCode::kDelta)) {
    base->mantissa = static_cast<std::int64_t>(static_cast<std::uint64_t>(base->mantissa) +
                                               unzigzag(code - code_of(TokenCode::kDelta)));
    return from_decimal(*base);
  }
  switch (static_cast<TokenCode>(code)) {
    case TokenCode::kStale:
      base->mantissa = 0;
      return model::kStaleNanBits;
    case TokenCode::kRaw:
      base->mantissa = 0;
      return reader->fixed<std::uint64_t>();
    case TokenCode::kDecimal: {
      const std::uint8_t exponent = reader->byte();
      if (exponent > kMaxDecimalExponent) {
        reader->fail();
        return std::nullopt;
      }
      *base = {reader->signed_varint(), exponent};
      return from_decimal(*base);
    }
    default:
      return std::nullopt;  // kAbsent
  }
}

std::size_t write_token(const Token& token, std::uint32_t row, std::uint32_t* next_row, char* out) {
  DCHECK(row >= *next_row);
  const std::uint32_t skipped = row - *next_row;
  std::size_t size = write_varint(token.code << 1U | (skipped != 0 ? 1U : 0U), out);
  if (skipped != 0) size += write_varint(skipped, out + size);
  std::memcpy(out + size, token.extra, token.extra_size);
  *next_row = row + 1;
  return size + token.extra_size;
}

std::uint32_t DecodedRows::count_present() const {
  int count = 0;
  for (const std::uint64_t word : present) count += std::popcount(word);
  return static_cast<std::uint32_t>(count);
}

void DecodedRows::append(std::uint32_t rows, std::optional<std::uint64_t> bits) {
  if (rows == 0) return;
  const std::size_t first = floats.size();
  floats.resize(first + rows, bits ? std::bit_cast<double>(*bits) : 0);
  present.resize((floats.size() + 63) / 64);
  if (!bits) return;
  for (std::size_t i = first; i < floats.size();) {
    const std::size_t in_word = std::min<std::size_t>(64 - i % 64, floats.size() - i);
    const std::uint64_t ones = in_word == 64 ? ~0ULL : (1ULL << in_word) - 1;
    present[i / 64] |= ones << (i % 64);
    i += in_word;
  }
}

bool decode_rows(std::string_view log, std::uint32_t length, std::uint32_t begin, std::uint32_t end,
                 DecodedRows* out) {
  const std::uint32_t stop = std::min(length, end);
  ByteReader reader(log);
  Decimal base;
  std::optional<std::uint64_t> current;
  std::uint32_t row = 0;       // rows before it are settled
  std::uint32_t next_row = 0;  // after the last token
  const auto settle = [&](std::uint32_t until) {
    const std::uint32_t from = std::max(row, begin);
    until = std::min(until, stop);
    if (until > from) out->append(until - from, current);
    row = std::max(row, until);
  };
  while (!reader.at_end() && next_row < stop) {
    const std::uint64_t head = reader.varint();
    const std::uint64_t skipped = (head & 1U) != 0 ? reader.varint() : 0;
    if (!reader.ok() || skipped >= length) return false;
    const std::uint64_t token_row = next_row + skipped;
    if (token_row >= length) return false;
    settle(static_cast<std::uint32_t>(token_row));
    current = read_token(head >> 1U, &reader, &base);
    if (!reader.ok()) return false;
    next_row = static_cast<std::uint32_t>(token_row) + 1;
  }
  settle(stop);
  if (end > std::max(stop, begin)) out->append(end - std::max(stop, begin), std::nullopt);
  return true;
}

}  // namespace tocsin::tsdb
