// SPDX-License-Identifier: Apache-2.0
#include "net/gunzip.h"

#include <random>

#include <gtest/gtest.h>

#include "net/server/gzip.h"

namespace tocsin::net {
namespace {

std::string decoded(std::string_view input, std::uint64_t limit = 0) {
  std::string out = "what was there before";
  const Status status = gunzip(input, limit, &out);
  return status.ok() ? out : "! " + std::string(message(status));
}

TEST(Gunzip, DecodesOneMemberOrSeveral) {
  EXPECT_EQ(decoded(gzip("")), "");
  EXPECT_EQ(decoded(gzip("page")), "page");
  EXPECT_EQ(decoded(gzip("one ") + gzip(std::string(100'000, 'x')) + gzip("")),
            "one " + std::string(100'000, 'x'));
  std::mt19937_64 random(1);
  std::string noise(300'000, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  EXPECT_TRUE(decoded(gzip(noise) + gzip("tail")) == noise + "tail");
}

TEST(Gunzip, KeepsToItsLimit) {
  EXPECT_EQ(decoded(gzip("1234567890"), 10), "1234567890");
  EXPECT_EQ(decoded(gzip("12345678901"), 10), "! body size limit exceeded");
  EXPECT_EQ(decoded(gzip("123456") + gzip("78901"), 10), "! body size limit exceeded");
  EXPECT_EQ(decoded(gzip(std::string(64 << 20, '\0')), 1 << 20), "! body size limit exceeded");
}

TEST(Gunzip, SaysWhatIsWrong) {
  const std::string good = gzip(std::string(5000, 'x'));
  EXPECT_EQ(decoded(""), "! unexpected EOF");
  EXPECT_EQ(decoded(good.substr(0, 20)), "! unexpected EOF");
  EXPECT_EQ(decoded("not gzip at all").substr(0, 8), "! gzip: ");
  EXPECT_EQ(decoded(good + "tail").substr(0, 8), "! gzip: ");
  std::string damaged = good;
  damaged[damaged.size() - 6] ^= 1;  // the checksum
  EXPECT_EQ(decoded(damaged).substr(0, 8), "! gzip: ");
}

TEST(Gunzip, SurvivesDamage) {
  const std::string good = gzip("some text that is worth it, some text that is worth it");
  std::mt19937_64 random(2);
  for (int i = 0; i < 20'000; ++i) {
    std::string bad = good.substr(0, good.size() - random() % 3);
    for (int j = 0; j < 3; ++j) bad[random() % bad.size()] = static_cast<char>(random());
    std::string out;
    const bool good_still = gunzip(bad, 1000, &out).ok();
    EXPECT_TRUE(!good_still || out.size() <= 1000);
  }
}

}  // namespace
}  // namespace tocsin::net
