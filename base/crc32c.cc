// SPDX-License-Identifier: Apache-2.0
//
// CRC-32C, reflected polynomial 0x82F63B78: eight bytes per instruction where the processor has
// SSE4.2, else four tables ("slicing by four"). An instruction waits for the one before, but three
// can be under way: long texts are taken as three strands of equal length. The checksum of a text
// behind another is that of the first, moved on by as many zero bytes, xor that of the second from 0;
// moving on is linear, so tables by byte do it.
#include <array>
#include <bit>
#include <cstring>

#include "base/record_log.h"

#ifdef __x86_64__
#include <nmmintrin.h>
#endif

namespace tocsin::base {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78U;
using Tables = std::array<std::array<std::uint32_t, 256>, 4>;

constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][i] = crc;
  }
  for (std::size_t t = 1; t < 4; ++t) {
    for (std::size_t i = 0; i < 256; ++i) {
      const std::uint32_t previous = tables[t - 1][i];
      tables[t][i] = (previous >> 8) ^ tables[0][previous & 0xFF];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

std::uint32_t extend_by_table(std::uint32_t crc, const char* data, std::size_t size) {
  static_assert(std::endian::native == std::endian::little);
  for (; size >= 4; data += 4, size -= 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, data, sizeof word);
    word ^= crc;
    crc = kTables[3][word & 0xFF] ^ kTables[2][(word >> 8) & 0xFF] ^
          kTables[1][(word >> 16) & 0xFF] ^ kTables[0][word >> 24];
  }
  for (; size > 0; ++data, --size) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<unsigned char>(*data)) & 0xFF];
  }
  return crc;
}

#if defined(__x86_64__)
constexpr std::size_t kStrand = 1024;

constexpr std::uint32_t product(const std::array<std::uint32_t, 32>& matrix, std::uint32_t bits) {
  std::uint32_t result = 0;
  for (std::size_t i = 0; bits != 0; ++i, bits >>= 1U) result ^= (bits & 1U) != 0 ? matrix[i] : 0;
  return result;
}

// What kStrand zero bytes make of each byte of a checksum.
constexpr Tables make_zeros_tables() {
  std::array<std::uint32_t, 32> matrix{};  // of one zero bit
  for (std::size_t i = 0; i < 32; ++i)
    matrix[i] = i == 0 ? kPolynomial : std::uint32_t{1} << (i - 1);
  for (std::size_t bits = 1; bits < kStrand * 8; bits *= 2) {
    std::array<std::uint32_t, 32> squared{};
    for (std::size_t i = 0; i < 32; ++i) squared[i] = product(matrix, matrix[i]);
    matrix = squared;
  }
  Tables tables{};
  for (std::size_t t = 0; t < 4; ++t) {
    for (std::uint32_t i = 0; i < 256; ++i) tables[t][i] = product(matrix, i << (8 * t));
  }
  return tables;
}

constexpr Tables kZeros = make_zeros_tables();

std::uint32_t behind_strand(std::uint64_t crc) {
  return kZeros[0][crc & 0xFF] ^ kZeros[1][(crc >> 8) & 0xFF] ^ kZeros[2][(crc >> 16) & 0xFF] ^
         kZeros[3][(crc >> 24) & 0xFF];
}

std::uint64_t load(const char* data) {
  std::uint64_t word = 0;
  std::memcpy(&word, data, sizeof word);
  return word;
}

__attribute__((target("sse4.2"))) std::uint32_t extend_by_instruction(std::uint32_t crc,
                                                                      const char* data,
                                                                      std::size_t size) {
  std::uint64_t wide = crc;
  for (; size >= 3 * kStrand; data += 3 * kStrand, size -= 3 * kStrand) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i < kStrand; i += 8) {
      wide = _mm_crc32_u64(wide, load(data + i));
      second = _mm_crc32_u64(second, load(data + kStrand + i));
      third = _mm_crc32_u64(third, load(data + 2 * kStrand + i));
    }
    wide = behind_strand(behind_strand(wide) ^ second) ^ third;
  }
  for (; size >= 8; data += 8, size -= 8) wide = _mm_crc32_u64(wide, load(data));
  auto narrow = static_cast<std::uint32_t>(wide);
  for (; size > 0; ++data, --size) {
    narrow = _mm_crc32_u8(narrow, static_cast<unsigned char>(*data));
  }
  return narrow;
}
#endif

}  // namespace

std::uint32_t crc32c(std::string_view data, std::uint32_t crc) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return ~extend_by_instruction(~crc, data.data(), data.size());
#endif
  return ~extend_by_table(~crc, data.data(), data.size());
}

}  // namespace tocsin::base
