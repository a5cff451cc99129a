// SPDX-License-Identifier: Apache-2.0
#include "tsdb/head/token_arena.h"

#include <gtest/gtest.h>

#include "tsdb/testing/random_load.h"
#include "tsdb/testing/side_test_data.h"

namespace tocsin::tsdb {
namespace {

struct Log : TokenLog {
  std::string bytes;
};

std::string copy_of(const TokenArena& arena, const Log& log) {
  std::string out = "before";
  arena.copy(log, &out);
  return out.substr(6);
}

TEST(TokenArena, LogsOfEverySizeAreWhatWasAppended) {
  TokenArena arena;
  std::vector<Log> logs(TokenArena::kMaxLog + 1);
  for (std::size_t size = 0; size < logs.size(); ++size) {
    // Written in two parts, so that pieces begin at any place of a token.
    Log& log = logs[size];
    for (std::size_t i = 0; i < size; ++i) log.bytes.push_back(static_cast<char>(size * 31 + i));
    const std::string_view bytes = log.bytes;
    arena.append(&log, bytes.substr(0, size / 3));
    arena.append(&log, bytes.substr(size / 3));
    ASSERT_EQ(log.size, size);
  }
  for (const Log& log : logs) ASSERT_EQ(copy_of(arena, log), log.bytes) << log.size;
}

TEST(TokenArena, EqualsStringsUnderRandomUse) {
  const std::uint64_t seed = testing::make_seed();
  SCOPED_TRACE(fmt::format("TOCSIN_TEST_SEED={}", seed));
  testing::Random random(seed);
  TokenArena arena;
  std::vector<Log> logs(40);
  for (int i = 0; i < 50'000; ++i) {
    Log& log = logs[random() % logs.size()];
    std::string token(random() % 40, '\0');
    for (char& c : token) c = static_cast<char>(random());
    if (log.size + token.size() > TokenArena::kMaxLog || random() % 50 == 0) {
      arena.release(log);
      log = {};
    }
    arena.append(&log, token);
    log.bytes += token;
    ASSERT_EQ(copy_of(arena, log), log.bytes);
  }
  for (const Log& log : logs) ASSERT_EQ(copy_of(arena, log), log.bytes);
}

TEST(TokenArena, MemoryOfReleasedLogsIsUsedAgain) {
  TokenArena arena;
  const std::string token(10, 'x');
  std::vector<Log> logs(100);
  const auto fill = [&] {
    for (int round = 0; round < 30; ++round) {
      for (Log& log : logs) arena.append(&log, token);
    }
  };
  fill();
  const std::size_t bytes = arena.memory_bytes();
  EXPECT_LT(bytes, logs.size() * 30 * token.size() * 3 / 2) << "links, and a last block";
  for (Log& log : logs) {
    arena.release(log);
    log = {};
  }
  fill();
  EXPECT_EQ(arena.memory_bytes(), bytes);
}

TEST(TokenArena, ShortLogsNeedNoPiece) {
  TokenArena arena;
  Log log;
  arena.append(&log, std::string(TokenLog::kTail, 'x'));
  EXPECT_EQ(arena.memory_bytes(), 0U);
  arena.append(&log, "y");
  EXPECT_NE(arena.memory_bytes(), 0U);
  EXPECT_EQ(copy_of(arena, log), std::string(TokenLog::kTail, 'x') + "y");
}

}  // namespace
}  // namespace tocsin::tsdb
