// SPDX-License-Identifier: Apache-2.0
//
// Hashes and text encodings of bytes; digests come from OpenSSL.
//
// Pure functions of values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tocsin::base {

std::array<std::uint8_t, 16> md5(std::string_view data);
// For protocols that have it (WebSocket); nothing is safe with it.
std::array<std::uint8_t, 20> sha1(std::string_view data);
std::array<std::uint8_t, 32> sha256(std::string_view data);
// xxHash64 with seed 0.
std::uint64_t xxhash64(std::string_view data);
// FNV-1a 64; pass the last result to continue.
std::uint64_t fnv1a64(std::string_view data, std::uint64_t hash = 0xcbf29ce484222325ULL);

// 128 bits that two texts share only by accident: a name for bytes too long to keep. Not for
// storage (it may change) and not against an attacker who knows the seed.
struct Hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
};
Hash128 hash128(std::string_view data, Hash128 seed);
// Mixes `next` into `hash`; the order matters. Spreads over all bits only what is a hash already:
// at least one of the two must be.
Hash128 combine(Hash128 hash, Hash128 next);

std::string to_hex(std::string_view bytes);  // lower case
std::string base64_encode(std::string_view bytes);
StatusOr<std::string> base64_decode(std::string_view text);

// Random bytes from the system for identifiers and boundaries; a random UUIDv4 as text.
std::uint64_t random_u64();
std::string random_uuid();

}  // namespace tocsin::base
