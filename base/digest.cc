// SPDX-License-Identifier: Apache-2.0
//
// The digests of hash.h. Apart from its other functions, so that a program which only needs those
// does not load OpenSSL.
#include <openssl/evp.h>

#include "base/check.h"
#include "base/hash.h"

namespace tocsin::base {
namespace {

template <std::size_t kSize>
std::array<std::uint8_t, kSize> digest(std::string_view data, const EVP_MD* algorithm) {
  std::array<std::uint8_t, kSize> result{};
  unsigned size = 0;
  CHECK(EVP_Digest(data.data(), data.size(), result.data(), &size, algorithm, nullptr) == 1);
  CHECK(size == kSize);
  return result;
}

}  // namespace

std::array<std::uint8_t, 16> md5(std::string_view data) { return digest<16>(data, EVP_md5()); }

std::array<std::uint8_t, 20> sha1(std::string_view data) { return digest<20>(data, EVP_sha1()); }

std::array<std::uint8_t, 32> sha256(std::string_view data) {
  return digest<32>(data, EVP_sha256());
}

}  // namespace tocsin::base
