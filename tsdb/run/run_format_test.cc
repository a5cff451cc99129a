// SPDX-License-Identifier: Apache-2.0
#include "tsdb/run/run_format.h"

#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tsdb/run/run_directory.h"

namespace tocsin::tsdb {
namespace {

RunRecord example() {
  RunRecord run;
  run.info = {
      RunId(0x0102030405060708), 3, -5, std::numeric_limits<std::int64_t>::max(), 10, 20, 30, 40};
  run.directory_parts = 1;
  run.columns = 200;
  run.tiles = 70'000;
  run.name_parts = 2;
  return run;
}

TEST(RunFormat, RunRecordsComeBack) {
  const RunRecord run = example();
  const auto decoded = decode_run(run_key(run.info.id), encode_run(run));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->info.id, run.info.id);
  EXPECT_EQ(decoded->info.tier, 3);
  EXPECT_EQ(decoded->info.min_ms, -5);
  EXPECT_EQ(decoded->info.max_ms, run.info.max_ms);
  EXPECT_EQ(decoded->info.series, 10U);
  EXPECT_EQ(decoded->info.samples, 20U);
  EXPECT_EQ(decoded->info.bytes, 30U);
  EXPECT_EQ(decoded->directory_parts, 1U);
  EXPECT_EQ(decoded->columns, 200U);
  EXPECT_EQ(decoded->tiles, 70'000U);
  EXPECT_EQ(decoded->name_parts, 2U);
  EXPECT_EQ(decoded->info.created_ms, 40);
}

TEST(RunFormat, CutOrUnknownRowsAreDataLoss) {
  const RunRecord run = example();
  const std::string key = run_key(run.info.id);
  const std::string value = encode_run(run);
  for (std::size_t size = 0; size < value.size(); ++size) {
    EXPECT_EQ(decode_run(key, value.substr(0, size)).status().code(), StatusCode::kDataLoss)
        << size;
  }
  EXPECT_EQ(decode_run(key, value + "x").status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(decode_run("run/", value).status().code(), StatusCode::kDataLoss);
  EXPECT_FALSE(decode_journal("").ok());
  EXPECT_FALSE(decode_number("\xff").ok());
  EXPECT_FALSE(run_of_sample_key("short").ok());
}

TEST(RunFormat, JournalPositionsComeBack) {
  const JournalPosition position{5, 1ULL << 40U};
  EXPECT_EQ(*decode_journal(encode_journal(position)), position);
  EXPECT_EQ(*decode_number(encode_number(300)), 300U);
}

TEST(RunFormat, KeysSortByTierRunKindAndNumber) {
  RunInfo run;
  run.tier = 1;
  run.id = RunId(255);
  const std::vector<std::string> keys = {run_begin(1, RunId(255)),
                                         sample_key(run, FrameKind::kTile, 0),
                                         sample_key(run, FrameKind::kTile, 256),
                                         sample_key(run, FrameKind::kTimes, 1),
                                         sample_key(run, FrameKind::kDirectory, 0xffffffffU),
                                         run_end(1, RunId(255)),
                                         run_begin(2, RunId(1))};
  for (std::size_t i = 1; i < keys.size(); ++i) EXPECT_LT(keys[i - 1], keys[i]) << i;
  const auto parsed = run_of_sample_key(keys[3]);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->tier, 1);
  EXPECT_EQ(parsed->id, RunId(255));
}

TEST(RunDirectory, ComesBackInParts) {
  RunDirectory directory;
  for (std::uint32_t i = 0; i < 40'000; ++i) {
    directory.ids.push_back(i * 3 + 1);
    directory.positions.push_back((i * 7919U) % 40'000U);
  }
  directory.ids.push_back(directory.ids.back());  // one series twice
  directory.positions.push_back(0xffffffffU);
  const std::vector<std::string> parts = encode_directory(directory);
  EXPECT_EQ(parts.size(), 3U);
  RunDirectory decoded;
  for (const std::string& part : parts) ASSERT_TRUE(append_directory_part(part, &decoded).ok());
  EXPECT_EQ(decoded.ids, directory.ids);
  EXPECT_EQ(decoded.positions, directory.positions);
  EXPECT_TRUE(decoded.contains(storage::SeriesId(4)));
  EXPECT_FALSE(decoded.contains(storage::SeriesId(5)));
  EXPECT_FALSE(decoded.contains(storage::SeriesId((1ULL << 32U) + 4)));
  EXPECT_EQ(append_directory_part(parts[0], &decoded).code(), StatusCode::kDataLoss)
      << "not ascending";
}

}  // namespace
}  // namespace tocsin::tsdb
