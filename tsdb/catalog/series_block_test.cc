// SPDX-License-Identifier: Apache-2.0
#include "tsdb/catalog/series_block.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tsdb/catalog/catalog_keys.h"
#include "tsdb/index/series_index.h"

namespace tocsin::tsdb {
namespace {

using model::Labels;
using storage::SeriesId;

SeriesRows some_rows(SeriesIndex* index, std::vector<Labels>* all, std::mt19937_64& random) {
  std::vector<SeriesId> ids;
  for (std::uint64_t i = 0; i < 1 + random() % 300; ++i) {
    std::vector<std::pair<std::string, std::string>> labels = {
        {"__name__", "m" + std::to_string(random() % 20)},
        {"instance", "i" + std::to_string(random() % 5)}};
    if (random() % 2 == 0) labels.emplace_back("le", std::to_string(random() % 50));
    if (random() % 50 == 0) labels.emplace_back("long", std::string(random() % 400, 'x') + "y");
    const Labels made = Labels::from(labels);
    const auto resolved = index->resolve(made);
    if (!resolved->created) continue;
    ids.push_back(resolved->id);
    all->push_back(made);
  }
  return index->rows(ids);
}

Labels labels_of(const SeriesRows& rows, const SeriesRows::Row& row) {
  std::string encoded;
  merge_labels(rows, row, &encoded);
  EXPECT_EQ(row.tag, series_tag(encoded));
  return Labels::from_encoded(std::move(encoded));
}

TEST(SeriesBlock, ComesBackAsItWas) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    SeriesIndex index(100'000);
    std::vector<Labels> labels;
    const SeriesRows rows = some_rows(&index, &labels, random);
    const StatusOr<SeriesRows> read = decode_block(encode_block(rows));
    ASSERT_TRUE(read.ok()) << read.status();
    ASSERT_EQ(read->rows.size(), labels.size());
    for (std::size_t i = 0; i < labels.size(); ++i) {
      ASSERT_EQ(labels_of(*read, read->rows[i]), labels[i]);
      ASSERT_EQ(find_row(*read, read->rows[i].id), &read->rows[i]);
    }
    EXPECT_EQ(find_row(*read, 0), nullptr);
    EXPECT_EQ(find_row(*read, 5000), nullptr);
  }
}

TEST(SeriesBlock, DamageIsAnErrorAndNeverACrash) {
  std::mt19937_64 random(7);
  SeriesIndex index(100'000);
  std::vector<Labels> labels;
  const std::string good = encode_block(some_rows(&index, &labels, random));
  for (std::size_t size = 0; size < good.size(); size += 7) {
    EXPECT_EQ(decode_block(good.substr(0, size)).status().code(), StatusCode::kDataLoss);
  }
  for (int i = 0; i < 500; ++i) {
    std::string bad = good;
    bad[random() % bad.size()] ^= static_cast<char>(1 + random() % 255);
    EXPECT_FALSE(decode_block(bad).ok());
  }
}

// With a right checksum the structure must add up: every number is within its table.
TEST(SeriesBlock, ForgedStructureIsRefusedOrReadsWithinBounds) {
  std::mt19937_64 random(8);
  SeriesIndex index(100'000);
  std::vector<Labels> labels;
  SeriesRows rows = some_rows(&index, &labels, random);
  rows.rows[0].target = 1'000'000;
  EXPECT_EQ(decode_block(encode_block(rows)).status().code(), StatusCode::kDataLoss);
  rows.rows[0].target = 0;
  rows.members[0] = 1'000'000;
  EXPECT_EQ(decode_block(encode_block(rows)).status().code(), StatusCode::kDataLoss);
  rows.members[0] = 0;
  ASSERT_TRUE(decode_block(encode_block(rows)).ok());
  rows.pair_ends.pop_back();
  EXPECT_EQ(decode_block(encode_block(rows)).status().code(), StatusCode::kDataLoss);
}

TEST(RowsBuilder, PutsRowsOfSeveralTogether) {
  std::mt19937_64 random(9);
  SeriesIndex index(100'000);
  std::vector<Labels> labels;
  RowsBuilder builder;
  std::size_t pairs = 0;
  for (int i = 0; i < 3; ++i) {
    const SeriesRows rows = some_rows(&index, &labels, random);
    pairs += rows.pair_ends.size();
    for (const SeriesRows::Row& row : rows.rows) builder.add(rows, row);
  }
  const SeriesRows all = builder.take();
  ASSERT_EQ(all.rows.size(), labels.size());
  EXPECT_LT(all.pair_ends.size(), pairs);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    ASSERT_EQ(labels_of(all, all.rows[i]), labels[i]);
  }
}

TEST(CatalogKeys, SortAsTheirPartsDoAndComeApart) {
  using std::string_literals::operator""s;
  EXPECT_EQ(day_of(0), 0);
  EXPECT_EQ(day_of(kDayMs - 1), 0);
  EXPECT_EQ(day_of(-1), -1);
  EXPECT_EQ(day_of(-kDayMs), -1);
  EXPECT_LT(day_of(INT64_MIN), day_of(INT64_MAX));
  EXPECT_LT(day_key(-5), day_key(0));
  EXPECT_LT(day_key(0), day_key(5));
  EXPECT_EQ(day_in_key(day_key(-5)), -5);
  for (const std::string& name : {"a"s, "ab"s, "a\0"s, "a\0b"s, "\0"s, "\xc3\xbc"s}) {
    for (const std::string& value : {"v"s, "\0"s, "\1\2"s}) {
      const std::string key = pair_key(3, name, value);
      EXPECT_TRUE(key.starts_with(pairs_prefix(3, name)));
      const auto pair = pair_in_key(key);
      ASSERT_TRUE(pair);
      EXPECT_EQ(pair->name, name);
      EXPECT_EQ(pair->value, value);
    }
  }
  EXPECT_FALSE(pair_key(3, "a\0b"s, "v").starts_with(pairs_prefix(3, "a")));
  EXPECT_FALSE(pair_in_key(pairs_prefix(3) + "abc"));
}

}  // namespace
}  // namespace tocsin::tsdb
