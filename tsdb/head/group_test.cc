// SPDX-License-Identifier: Apache-2.0
#include "tsdb/head/group.h"

#include <bit>
#include <random>

#include <gtest/gtest.h>

#include "model/value.h"
#include "tsdb/testing/random_load.h"
#include "tsdb/testing/side_test_data.h"

namespace tocsin::tsdb {
namespace {

using storage::GroupId;
using storage::SeriesId;

// Values as they follow each other in a series: counters, fractions, markers and noise.
std::uint64_t next_value(testing::Random& random, std::uint64_t before) {
  const double value = std::bit_cast<double>(before);
  switch (random() % 8) {
    case 0:
      return before;
    case 1:
      return model::kStaleNanBits;
    case 2:
      return random();
    case 3:
      return std::bit_cast<std::uint64_t>(static_cast<double>(random() % 1'000'000) / 1000);
    default:
      return std::bit_cast<std::uint64_t>(std::floor(std::isfinite(value) ? value : 0) +
                                          static_cast<double>(random() % 1000));
  }
}

// What the journal would write for a change from `before` with a base of that exponent.
Batch::Written written_as(std::uint64_t before, std::uint8_t exponent, std::uint64_t bits) {
  Batch::Written written{0, exponent, 0, before, {}};
  Decimal base = base_of(before, exponent);
  written.token = make_token(bits, &base);
  written.exponent = base.exponent;
  return written;
}

TEST(Group, AJournalsTokenOfTheSameBaseIsTheGroupsOwn) {
  const std::uint64_t seed = testing::make_seed();
  SCOPED_TRACE(fmt::format("TOCSIN_TEST_SEED={}", seed));
  testing::Random random(seed);
  Group plain(GroupId(1), Group::Kind::kDefined, 0);
  Group helped(GroupId(1), Group::Kind::kDefined, 0);
  plain.add_slot(SeriesId(1), {});
  helped.add_slot(SeriesId(1), {});
  std::uint64_t bits = 0;
  std::uint8_t exponent = 0;  // of the journal's base, which goes on when the group closes a chunk
  for (std::int64_t t = 1; t <= 3000; ++t) {
    const std::uint64_t before = std::exchange(bits, next_value(random, bits));
    Batch::Written written = written_as(before, exponent, bits);
    exponent = written.exponent;
    // A journal that knows another value, or began anew.
    if (random() % 5 == 0) written = written_as(random(), exponent, bits);
    const auto close = [&] {
      plain.close(0, 0);
      helped.close(0, 0);
    };
    Group::Put put = plain.put(0, t, bits);
    ASSERT_EQ(helped.put(0, t, bits, &written), put);
    if (put == Group::Put::kFull) {
      close();
      put = plain.put(0, t, bits);
      ASSERT_EQ(helped.put(0, t, bits, &written), put);
    }
    ASSERT_EQ(put, Group::Put::kDone);
    ASSERT_EQ(plain.open_piece(0).own_log, helped.open_piece(0).own_log) << "at " << t;
    if (random() % 200 == 0) close();
  }
}

// Two groups of which one takes rows as a whole.
class GroupRowTest : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kSlots = 130;

  GroupRowTest() {
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      single_.add_slot(SeriesId(slot + 1), {});
      whole_.add_slot(SeriesId(slot + 1), {});
    }
  }
  // Puts samples from `first` on one by one.
  static void put_singly(Group& group, std::int64_t t_ms, const Group::Cells& cells,
                         std::uint32_t first) {
    for (std::uint32_t slot = first; slot < kSlots; ++slot) {
      if (((cells.set[slot / 64] >> (slot % 64)) & 1U) == 0) continue;
      while (group.put(slot, t_ms, cells.values[slot]) == Group::Put::kFull) group.close(0, 0);
      ASSERT_EQ(group.newest(slot).time_ms, t_ms);
    }
  }
  void put_both(std::int64_t t_ms, const Group::Cells& cells) {
    put_singly(single_, t_ms, cells, 0);
    const std::uint32_t first = whole_.put_row_of(t_ms, cells);
    full_ += first == kSlots ? 0 : 1;
    if (first != kSlots) whole_.close(0, 0);
    put_singly(whole_, t_ms, cells, first);
  }
  void expect_equal() const {
    ASSERT_EQ(single_.closed().size(), whole_.closed().size());
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      ASSERT_EQ(single_.length(slot), whole_.length(slot)) << slot;
      ASSERT_EQ(single_.newest(slot).time_ms, whole_.newest(slot).time_ms) << slot;
      ASSERT_EQ(single_.newest(slot).bits, whole_.newest(slot).bits) << slot;
      if (single_.length(slot) == 0) continue;
      ASSERT_EQ(single_.open_piece(slot).own_log, whole_.open_piece(slot).own_log) << slot;
    }
  }

  Group single_ = Group(GroupId(1), Group::Kind::kDefined, 0);
  Group whole_ = Group(GroupId(1), Group::Kind::kDefined, 0);
  int full_ = 0;
};

TEST_F(GroupRowTest, ARowAtOnceIsAsItsSamplesOneByOne) {
  const std::uint64_t seed = testing::make_seed();
  SCOPED_TRACE(fmt::format("TOCSIN_TEST_SEED={}", seed));
  testing::Random random(seed);
  std::vector<std::uint64_t> values(kSlots);
  std::vector<std::uint64_t> set(3);
  for (std::int64_t t = 1; t <= 1500; ++t) {
    const std::uint64_t rare = random() % 3;  // all, most or some are set
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      if (random() % 3 == 0) values[slot] = next_value(random, values[slot]);
      if (slot == 77) values[slot] = random();  // 9 bytes in the log: it is full before row 500
      const bool is_set = rare == 0 || random() % (rare * rare * 3) != 0;
      set[slot / 64] &= ~(1ULL << (slot % 64));
      set[slot / 64] |= std::uint64_t{is_set} << (slot % 64);
    }
    put_both(t, {set, values.data(), {}});
    if (t % 20 == 0) {
      ASSERT_NO_FATAL_FAILURE(expect_equal()) << "at " << t;
    }
    if (t != 100) continue;
    single_.close(0, 0);
    whole_.close(0, 0);
  }
  EXPECT_GT(full_, 0) << "a log was full in the middle of a row";
}

TEST(Group, PositionsAreReadyAgainOnlyWhenEachIsKnown) {
  Group group(GroupId(1), Group::Kind::kDefined, 0);
  group.set_members(std::make_shared<const std::vector<SeriesId>>(
      std::vector<SeriesId>{SeriesId(1), SeriesId(2)}));
  EXPECT_FALSE(group.positions().all_here);
  group.set_slot(0, group.add_slot(SeriesId(1), {5, 0}));
  group.set_slot(1, group.add_slot(SeriesId(2), {}));
  EXPECT_TRUE(group.positions().all_here);
  EXPECT_FALSE(group.positions().all_known);
  ASSERT_EQ(group.put(1, 7, 1), Group::Put::kDone);
  EXPECT_TRUE(group.positions().all_known);
  EXPECT_EQ(group.positions().newest_ms, 7);
  ASSERT_EQ(group.put(0, 9, 1), Group::Put::kDone);
  EXPECT_EQ(group.positions().newest_ms, 9);
  group.close(0, 1);
  EXPECT_EQ(group.positions().newest_ms, 9) << "a closed chunk's samples count";
  group.take_out(0, 1);
  EXPECT_FALSE(group.positions().all_here);
  group.set_members(nullptr);
  EXPECT_EQ(group.positions().newest_ms, kUnknownTime);
}

TEST(Group, HasLogsWhileRowsAreOpen) {
  for (const Group::Kind kind : {Group::Kind::kShared, Group::Kind::kPool}) {
    Group group(GroupId(1), kind, 0);
    group.add_slot(SeriesId(1), {});
    for (std::int64_t t = 10; t <= 20; t += 10) {
      EXPECT_EQ(group.token_bytes(), 0U);
      ASSERT_EQ(group.put(0, t, 1), Group::Put::kDone);
      const std::uint32_t later = group.add_slot(SeriesId(2), {});
      ASSERT_EQ(group.put(later, t, 2), Group::Put::kDone);
      EXPECT_NE(group.token_bytes(), 0U);
      const ChunkPtr chunk = group.close(0, 0);
      ASSERT_NE(chunk, nullptr);
      EXPECT_EQ(chunk->lengths[0], 1U);
      EXPECT_EQ(chunk->lengths[later], 1U);
    }
  }
}

}  // namespace
}  // namespace tocsin::tsdb
