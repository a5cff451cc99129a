// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

#include "base/record_log.h"

namespace tocsin::base {
namespace {

template <std::size_t kSize>
std::string hex(const std::array<std::uint8_t, kSize>& digest) {
  return to_hex(std::string(digest.begin(), digest.end()));
}

TEST(Hash, DigestsMatchPublishedVectors) {
  EXPECT_EQ(hex(md5("")), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(hex(md5("abc")), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hex(sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Hash, XxHash64MatchesPublishedVectors) {
  EXPECT_EQ(xxhash64(""), 0xef46db3751d8e999ULL);
  EXPECT_EQ(xxhash64("a"), 0xd24ec4f1a98c6e5bULL);
  EXPECT_EQ(xxhash64("abc"), 0x44bc2cf5ad770999ULL);
  EXPECT_EQ(xxhash64("Nobody inspects the spammish repetition"), 0xfbcea83c8a378bf1ULL);
}

TEST(Hash, Fnv1aContinues) {
  EXPECT_EQ(fnv1a64(""), 0xcbf29ce484222325ULL);
  EXPECT_EQ(fnv1a64("a"), 0xaf63dc4c8601ec8cULL);
  EXPECT_EQ(fnv1a64("foobar"), 0x85944171f73967e8ULL);
  EXPECT_EQ(fnv1a64("bar", fnv1a64("foo")), fnv1a64("foobar"));
}

// One bit at a time, from the definition.
std::uint32_t slow_crc32c(std::string_view data) {
  std::uint32_t crc = ~0U;
  for (char c : data) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0);
  }
  return ~crc;
}

TEST(Hash, Crc32cMatchesTheDefinitionAndContinues) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);  // RFC 3720, B.4
  std::mt19937 random(7);
  std::string data;
  for (std::size_t size = 0; size < 70; ++size) {
    EXPECT_EQ(crc32c(data), slow_crc32c(data)) << size;
    const std::size_t cut = size == 0 ? 0 : random() % size;
    const std::string_view view = data;
    EXPECT_EQ(crc32c(view.substr(cut), crc32c(view.substr(0, cut))), crc32c(data)) << size;
    data += static_cast<char>(random());
  }
  for (const std::size_t size : {3071U, 3072U, 3073U, 3080U, 6143U, 6144U, 20'000U}) {
    while (data.size() < size) data += static_cast<char>(random());
    data.resize(size);
    EXPECT_EQ(crc32c(data), slow_crc32c(data)) << size;
    EXPECT_EQ(crc32c(std::string_view(data).substr(5), crc32c(data.substr(0, 5))), crc32c(data));
  }
}

TEST(Hash, Base64) {
  const auto check = [](std::string_view bytes, std::string_view text) {
    EXPECT_EQ(base64_encode(bytes), text);
    const StatusOr<std::string> decoded = base64_decode(text);
    ASSERT_TRUE(decoded.ok()) << text;
    EXPECT_EQ(*decoded, bytes);
  };
  check("", "");
  check("f", "Zg==");
  check("fo", "Zm8=");
  check("foo", "Zm9v");
  check("foobar", "Zm9vYmFy");
  check("\xFB\xFF\xFE", "+//+");
  for (const char* bad : {"Z", "Zg=", "Zg", "Z===", "Zm9v!AAA", "Z=g=", "Zm 9"}) {
    EXPECT_FALSE(base64_decode(bad).ok()) << bad;
  }
}

TEST(Hash, HexIsLowerCase) { EXPECT_EQ(to_hex(std::string("\x00\x0F\xA0", 3)), "000fa0"); }

TEST(Hash, Hash128DependsOnEveryByteTheLengthAndTheSeed) {
  const Hash128 seed{1, 2};
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
  std::set<std::uint64_t> high;
  std::set<std::uint64_t> low;
  const auto add = [&](std::string_view text, Hash128 with) {
    const Hash128 hash = hash128(text, with);
    EXPECT_EQ(hash, hash128(std::string(text), with));
    EXPECT_TRUE(seen.emplace(hash.high, hash.low).second) << text.size();
    high.insert(hash.high);
    low.insert(hash.low);
  };
  for (std::size_t size = 0; size <= 200; ++size) {
    std::string text(size, '\0');
    add(text, seed);
    for (std::size_t at = 0; at < size; ++at) {
      for (const char c : {'\1', '\x80'}) {
        text[at] = c;
        add(text, seed);
      }
      text[at] = '\0';
    }
  }
  add("text", {2, 1});
  add("text", {1, 3});
  add("text", {0, 2});
  // Each half alone tells them apart too.
  EXPECT_EQ(high.size(), seen.size());
  EXPECT_EQ(low.size(), seen.size());
}

TEST(Hash, CombineDependsOnTheOrder) {
  const Hash128 a = hash128("a", {});
  const Hash128 b = hash128("b", {});
  EXPECT_NE(combine(a, b), combine(b, a));
  EXPECT_NE(combine(combine({}, a), b), combine(combine({}, b), a));
  EXPECT_NE(combine(a, a), a);
}

TEST(Hash, RandomUuidsAreVersion4AndDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string uuid = random_uuid();
    ASSERT_EQ(uuid.size(), 36U);
    for (std::size_t dash : {8, 13, 18, 23}) EXPECT_EQ(uuid[dash], '-') << uuid;
    EXPECT_EQ(uuid[14], '4') << uuid;
    EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos) << uuid;
    EXPECT_TRUE(seen.insert(uuid).second);
  }
  EXPECT_NE(random_u64(), random_u64());
}

}  // namespace
}  // namespace tocsin::base
