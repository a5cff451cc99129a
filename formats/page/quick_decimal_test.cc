// SPDX-License-Identifier: Apache-2.0
#include "formats/page/quick_decimal.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tocsin::formats::page {
namespace {

// The text with what must be readable behind it.
std::string padded(const std::string& text) { return text + "\n" + std::string(64, '7'); }

// Whether the number was taken; then it is what strtod makes of it.
bool check(const std::string& text) {
  const std::string line = padded(text);
  double value = 0;
  const char* const end = read_quick_decimal(line.data(), &value);
  if (end == nullptr || *end != '\n') return false;
  EXPECT_EQ(end - line.data(), static_cast<std::ptrdiff_t>(text.size())) << text;
  EXPECT_EQ(std::bit_cast<std::uint64_t>(value),
            std::bit_cast<std::uint64_t>(std::strtod(text.c_str(), nullptr)))
      << text;
  return true;
}

TEST(QuickDecimal, TakesWhatPagesAreFullOf) {
  for (const char* text : {"0",
                           "-0",
                           "1",
                           "7",
                           "12345678",
                           "123456789",
                           "9007199254740992",
                           "0.5",
                           "-0.25",
                           "3.14159",
                           "1.7013264e+09",
                           "1.7013264e9",
                           "1e22",
                           "1E5",
                           "123e-4",
                           "0.000001",
                           "1048576",
                           "99.99",
                           "0000000000000001",
                           "1234567890123456",
                           "4.2949672e+09",
                           "0.1",
                           "2.5e-07"}) {
    EXPECT_TRUE(check(text)) << text;
  }
}

TEST(QuickDecimal, LeavesTheRestAlone) {
  for (const char* text : {"",
                           "-",
                           "+",
                           "+1",
                           ".5",
                           "5.",
                           "1.e5",
                           "e5",
                           "1e",
                           "1e+",
                           "NaN",
                           "Inf",
                           "-Inf",
                           "0x10",
                           "1_000",
                           "1e23",
                           "1e-300",
                           "9007199254740993",
                           "0.12345678901234567890",
                           "12345678901234567890123456789",
                           "1 ",
                           "1\t",
                           "1\r",
                           "1 1234",
                           "--1",
                           "1..2",
                           "1e5.5",
                           "1e00005",
                           "1,5"}) {
    EXPECT_FALSE(check(text)) << text;
  }
}

TEST(QuickDecimal, EqualsStrtodForRandomNumbers) {
  constexpr std::uint64_t kSeed = 5;
  std::mt19937_64 random(kSeed);
  int taken = 0;
  for (int i = 0; i < 400'000; ++i) {
    std::string text;
    switch (i % 5) {
      case 0:
        text = std::to_string(random() >> (random() % 64));
        break;
      case 1:
        text = fmt::format("{}", std::bit_cast<double>(random()));
        break;
      case 2:
        text = fmt::format("{:.{}f}", static_cast<double>(random() % 100'000'000) / 4096,
                           random() % 18);
        break;
      case 3:
        text = fmt::format("{}.{}e{}", random() % 10, random() >> (random() % 60 + 4),
                           static_cast<int>(random() % 60) - 30);
        break;
      default:
        text = fmt::format("{}", static_cast<double>(random() % 1'000'000) / 1000);
    }
    taken += check(text) ? 1 : 0;
    if (HasFailure()) FAIL() << "seed " << kSeed << " step " << i;
  }
  EXPECT_GT(taken, 150'000);
}

TEST(QuickDecimal, SurvivesAnyBytes) {
  constexpr std::uint64_t kSeed = 6;
  constexpr std::string_view kBytes = "0123456789.eE+-\n \t\xff\x80x9";
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 200'000; ++i) {
    std::string text(random() % 30, ' ');
    for (char& c : text) c = kBytes[random() % kBytes.size()];
    // What is taken must be a number by itself.
    const std::string line = padded(text);
    double value = 0;
    const char* const end = read_quick_decimal(line.data(), &value);
    if (end == nullptr) continue;
    const std::string number(line.data(), end);
    char* stop = nullptr;
    const double expected = std::strtod(number.c_str(), &stop);
    ASSERT_EQ(*stop, '\0') << number << " seed " << kSeed << " step " << i;
    ASSERT_EQ(std::bit_cast<std::uint64_t>(value), std::bit_cast<std::uint64_t>(expected))
        << number << " seed " << kSeed << " step " << i;
  }
}

}  // namespace
}  // namespace tocsin::formats::page
