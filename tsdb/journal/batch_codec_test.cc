// SPDX-License-Identifier: Apache-2.0
#include "tsdb/journal/batch_codec.h"

#include <bit>
#include <random>

#include <gtest/gtest.h>

#include "model/value.h"

namespace tocsin::tsdb {
namespace {

using storage::GroupId;
using storage::SeriesId;

std::uint64_t bits_of(double v) { return std::bit_cast<std::uint64_t>(v); }

void add_samples(std::vector<Batch::Sample> samples, Batch* batch) {
  batch->ops.push_back({Batch::OpKind::kSamples, batch->samples.size(), samples.size()});
  batch->samples.insert(batch->samples.end(), samples.begin(), samples.end());
}

void add_definition(GroupId group, std::vector<SeriesId> members, Batch* batch) {
  batch->ops.push_back({Batch::OpKind::kDefine, batch->definitions.size(), 1});
  batch->definitions.push_back({group, std::move(members)});
}

void add_row(GroupId group, std::int64_t t, const std::vector<std::optional<double>>& values,
             Batch* batch) {
  batch->ops.push_back({Batch::OpKind::kRow, batch->rows.size(), 1});
  Batch::Row row{group,
                 t,
                 false,
                 static_cast<std::uint32_t>(values.size()),
                 batch->set.size(),
                 batch->values.size()};
  batch->set.resize(row.set_at + (row.members + 63) / 64);
  for (std::uint32_t i = 0; i < row.members; ++i) {
    if (values[i]) batch->mark_set(row, i);
    batch->values.push_back(bits_of(values[i].value_or(0)));
  }
  batch->rows.push_back(row);
}

// What a batch means, as text: definitions that the codec adds are left out.
std::string describe(const Batch& batch) {
  std::string out;
  for (const auto& series : batch.new_series) {
    out += fmt::format("series {} {}\n", series.id.value(), series.labels.to_string());
  }
  for (const Batch::Sample& s : batch.samples) {
    out += fmt::format("sample {} {} {:x}\n", s.id.value(), s.time_ms, s.bits);
  }
  for (const Batch::Row& row : batch.rows) {
    out += fmt::format("row {} {}{}", row.group.value(), row.time_ms, row.stale ? " stale" : "");
    for (std::uint32_t i = 0; i < row.members; ++i) {
      if (!batch.is_set(row, i)) {
        out += " _";
      } else {
        out += row.stale ? " s" : fmt::format(" {:x}", batch.values[row.values_at + i]);
      }
    }
    out += "\n";
  }
  return out;
}

TEST(BatchCodec, EveryOperationComesBack) {
  BatchCodec writer;
  BatchCodec reader;
  Batch batch;
  batch.new_series.push_back(
      {SeriesId(7), model::Labels::of({{"__name__", "up"}, {"job", "a\xff"}})});
  add_definition(GroupId(3), {SeriesId(7), SeriesId(2), SeriesId(900)}, &batch);
  add_samples({{SeriesId(7), -5, bits_of(0.1)},
               {SeriesId(1), INT64_MAX, model::kStaleNanBits},
               {SeriesId(UINT64_MAX), INT64_MIN, bits_of(-0.0)}},
              &batch);
  add_row(GroupId(3), 1000, {1.5, std::nullopt, 1e300}, &batch);
  add_row(GroupId(3), 2000, {1.5, 3, 1e300}, &batch);
  Batch::Row stale = batch.rows.back();
  stale.stale = true;
  stale.time_ms = 3000;
  batch.ops.push_back({Batch::OpKind::kRow, batch.rows.size(), 1});
  batch.rows.push_back(stale);

  const StatusOr<std::string> payload = writer.encode(&batch, 42, 1);
  ASSERT_TRUE(payload.ok()) << payload.status();
  EXPECT_EQ(*BatchCodec::sequence(*payload), 42U);
  const StatusOr<Batch> decoded = reader.decode(*payload);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(describe(*decoded), describe(batch));
  EXPECT_EQ(decoded->definitions[0].members, batch.definitions[0].members);
}

TEST(BatchCodec, RepeatedRowsCostABitPerMember) {
  BatchCodec codec;
  Batch first;
  add_definition(GroupId(1), std::vector<SeriesId>(800, SeriesId(1)), &first);
  add_row(GroupId(1), 1000, std::vector<std::optional<double>>(800, 12.5), &first);
  ASSERT_TRUE(codec.encode(&first, 1, 1).ok());
  Batch again;
  add_row(GroupId(1), 2000, std::vector<std::optional<double>>(800, 12.5), &again);
  EXPECT_LT(codec.encode(&again, 2, 1)->size(), 20U);
}

TEST(BatchCodec, ASegmentCanBeReadWithoutTheOneBefore) {
  BatchCodec writer;
  Batch first;
  add_definition(GroupId(1), {SeriesId(1), SeriesId(2)}, &first);
  add_row(GroupId(1), 1000, {5, 6}, &first);
  ASSERT_TRUE(writer.encode(&first, 1, 1).ok());
  Batch second;
  add_row(GroupId(1), 2000, {5, 7}, &second);
  const StatusOr<std::string> payload = writer.encode(&second, 2, 2);
  ASSERT_TRUE(payload.ok());
  BatchCodec reader;
  EXPECT_EQ(describe(*reader.decode(*payload)), describe(second));
}

TEST(BatchCodec, RowsOfALostGroupAreCountedNotGuessed) {
  BatchCodec writer;
  Batch first;
  add_definition(GroupId(1), {SeriesId(1), SeriesId(2)}, &first);
  add_row(GroupId(1), 1000, {5, 6}, &first);
  ASSERT_TRUE(writer.encode(&first, 1, 1).ok());
  Batch second;
  add_row(GroupId(1), 2000, {5, 7}, &second);
  add_samples({{SeriesId(9), 2000, bits_of(1)}}, &second);
  BatchCodec reader;
  const StatusOr<Batch> decoded = reader.decode(*writer.encode(&second, 2, 1));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_TRUE(decoded->rows.empty());
  EXPECT_EQ(decoded->samples.size(), 1U) << "what follows the lost row is still read";
  EXPECT_EQ(reader.lost_rows(), 1U);
}

TEST(BatchCodec, ARowThatDoesNotFitItsGroupIsRefused) {
  BatchCodec codec;
  Batch batch;
  add_row(GroupId(1), 1000, {5, 6}, &batch);
  EXPECT_EQ(codec.encode(&batch, 1, 1).status().code(), StatusCode::kFailedPrecondition);
}

TEST(BatchCodec, RandomRowsComeBack) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  BatchCodec writer;
  BatchCodec reader;
  Batch define;
  std::vector<SeriesId> ids;
  for (std::uint64_t i = 0; i < 130; ++i) ids.push_back(SeriesId(random() % 1000 + 1));
  add_definition(GroupId(4), ids, &define);
  ASSERT_TRUE(reader.decode(*writer.encode(&define, 1, 1)).ok());
  std::uint64_t segment = 1;
  for (std::uint64_t sequence = 2; sequence < 300; ++sequence) {
    Batch batch;
    std::vector<std::optional<double>> values(ids.size());
    for (auto& value : values) {
      if (random() % 5 != 0)
        value = random() % 9 == 0 ? std::bit_cast<double>(random())
                                  : static_cast<double>(random() % 4) / 10;
    }
    add_row(GroupId(4), static_cast<std::int64_t>(sequence * 1000 + random() % 500), values,
            &batch);
    if (random() % 10 == 0) ++segment;
    if (random() % 20 == 0) {
      static_cast<void>(writer.encode(&batch, sequence, segment));  // a write that failed
      writer.restart();
    }
    EXPECT_EQ(describe(*reader.decode(*writer.encode(&batch, sequence, segment))), describe(batch));
  }
}

TEST(BatchCodec, DamagedBytesNeverCrash) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  BatchCodec writer;
  Batch batch;
  batch.new_series.push_back({SeriesId(7), model::Labels::of({{"a", "b"}})});
  add_definition(GroupId(3), {SeriesId(7), SeriesId(2)}, &batch);
  add_row(GroupId(3), 1000, {1.5, 4}, &batch);
  const std::string good = *writer.encode(&batch, 1, 1);
  for (int round = 0; round < 3000; ++round) {
    std::string bad = good;
    for (int i = 0; i < 3; ++i) bad[random() % bad.size()] = static_cast<char>(random());
    bad.resize(random() % (bad.size() + 1));
    BatchCodec reader;
    static_cast<void>(reader.decode(bad));
  }
}

}  // namespace
}  // namespace tocsin::tsdb
