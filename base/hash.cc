// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <bit>
#include <cerrno>
#include <cstring>

#include <sys/random.h>

#include "base/check.h"

namespace tocsin::base {
namespace {

constexpr std::uint64_t kPrime1 = 0x9E3779B185EBCA87ULL;
constexpr std::uint64_t kPrime2 = 0xC2B2AE3D27D4EB4FULL;
constexpr std::uint64_t kPrime3 = 0x165667B19E3779F9ULL;
constexpr std::uint64_t kPrime4 = 0x85EBCA77C2B2AE63ULL;
constexpr std::uint64_t kPrime5 = 0x27D4EB2F165667C5ULL;

template <typename Int>
Int take_little_endian(std::string_view* data) {
  static_assert(std::endian::native == std::endian::little);
  Int value = 0;
  std::memcpy(&value, data->data(), sizeof value);
  data->remove_prefix(sizeof value);
  return value;
}

std::uint64_t xx_round(std::uint64_t lane, std::uint64_t input) {
  return std::rotl(lane + input * kPrime2, 31) * kPrime1;
}

// Mixes 32-byte stripes in four lanes and merges the lanes.
std::uint64_t xx_stripes(std::string_view* data) {
  std::array<std::uint64_t, 4> lanes = {kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
  while (data->size() >= 32) {
    for (std::uint64_t& lane : lanes) {
      lane = xx_round(lane, take_little_endian<std::uint64_t>(data));
    }
  }
  std::uint64_t hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) +
                       std::rotl(lanes[3], 18);
  for (std::uint64_t lane : lanes) hash = (hash ^ xx_round(0, lane)) * kPrime1 + kPrime4;
  return hash;
}

// Multiplies a by x and b by y and crosses the halves of the products: what differs in one lane
// before differs in both behind, so that no 64 bits decide alone whether two texts collide.
inline Hash128 mix(std::uint64_t a, std::uint64_t x, std::uint64_t b, std::uint64_t y) {
  __extension__ using Wide = unsigned __int128;
  const Wide first = static_cast<Wide>(a) * x;
  const Wide second = static_cast<Wide>(b) * y;
  return {static_cast<std::uint64_t>(first) ^ static_cast<std::uint64_t>(second >> 64U),
          static_cast<std::uint64_t>(second) ^ static_cast<std::uint64_t>(first >> 64U)};
}

inline std::uint64_t word(const char* p) {
  std::uint64_t value = 0;
  std::memcpy(&value, p, sizeof value);
  return value;
}

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void fill_random(void* out, std::size_t size) {
  // getrandom returns up to 256 bytes whole once the system has started.
  ssize_t n = -1;
  do {
    n = ::getrandom(out, size, 0);
  } while (n < 0 && errno == EINTR);
  CHECK(n == static_cast<ssize_t>(size));
}

}  // namespace

// Stripes of 32 bytes; the tail is read as a last, overlapping stripe, and the length tells it from
// a longer text.
Hash128 hash128(std::string_view data, Hash128 seed) {
  const std::uint64_t x = seed.low ^ kPrime3;
  const std::uint64_t y = seed.high ^ kPrime5;
  Hash128 hash{seed.high ^ kPrime1, seed.low ^ kPrime2};
  const auto stripe = [&hash, x, y](const char* p) {
    hash = mix(hash.high ^ word(p), x ^ word(p + 8), hash.low ^ word(p + 16), y ^ word(p + 24));
  };
  const char* p = data.data();
  std::size_t left = data.size();
  for (; left > 32; left -= 32, p += 32) stripe(p);
  if (data.size() >= 32) {
    stripe(p + left - 32);
  } else {
    std::array<char, 32> padded = {};
    if (left != 0) std::memcpy(padded.data(), p, left);
    stripe(padded.data());
  }
  return combine(combine(hash, {data.size(), seed.low}), seed);
}

Hash128 combine(Hash128 hash, Hash128 next) {
  return mix(hash.high ^ std::rotl(next.low, 32), kPrime1, hash.low ^ std::rotl(next.high, 32),
             kPrime4);
}

std::uint64_t xxhash64(std::string_view data) {
  const std::uint64_t length = data.size();
  std::uint64_t hash = (length >= 32 ? xx_stripes(&data) : kPrime5) + length;
  while (data.size() >= 8) {
    hash ^= xx_round(0, take_little_endian<std::uint64_t>(&data));
    hash = std::rotl(hash, 27) * kPrime1 + kPrime4;
  }
  if (data.size() >= 4) {
    hash ^= take_little_endian<std::uint32_t>(&data) * kPrime1;
    hash = std::rotl(hash, 23) * kPrime2 + kPrime3;
  }
  for (char c : data) {
    hash ^= static_cast<unsigned char>(c) * kPrime5;
    hash = std::rotl(hash, 11) * kPrime1;
  }
  hash = (hash ^ (hash >> 33)) * kPrime2;
  hash = (hash ^ (hash >> 29)) * kPrime3;
  return hash ^ (hash >> 32);
}

std::uint64_t fnv1a64(std::string_view data, std::uint64_t hash) {
  constexpr std::uint64_t kPrime = 0x100000001b3ULL;
  for (char c : data) hash = (hash ^ static_cast<unsigned char>(c)) * kPrime;
  return hash;
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 0xF];
  }
  return text;
}

std::string base64_encode(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += k <= count ? kBase64[(group >> (18 - 6 * k)) & 0x3F] : '=';
    }
  }
  return text;
}

StatusOr<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return invalid_argument("base64: length is not a multiple of 4");
  std::string_view digits = text;
  for (int padding = 0; padding < 2 && digits.ends_with('='); ++padding) digits.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const std::size_t value = kBase64.find(digits[i]);
    if (value == std::string_view::npos) return invalid_argument("base64: bad byte at {}", i);
    group = (group << 6 | static_cast<std::uint32_t>(value)) & 0xFFFFFF;
    // A byte is complete at the second, third and fourth digit of a group.
    if (i % 4 != 0) bytes += static_cast<char>(group >> (6 - 2 * (i % 4)) & 0xFF);
  }
  return bytes;
}

std::uint64_t random_u64() {
  std::uint64_t value = 0;
  fill_random(&value, sizeof value);
  return value;
}

std::string random_uuid() {
  std::array<char, 16> bytes{};
  fill_random(bytes.data(), bytes.size());
  bytes[6] = static_cast<char>((bytes[6] & 0x0F) | 0x40);  // version 4
  bytes[8] = static_cast<char>((bytes[8] & 0x3F) | 0x80);  // RFC 4122 variant
  std::string text = to_hex({bytes.data(), bytes.size()});
  for (std::size_t at : {20, 16, 12, 8}) text.insert(at, 1, '-');
  return text;
}

}  // namespace tocsin::base
