// SPDX-License-Identifier: Apache-2.0
#include "tsdb/notes/note_store.h"

#include <random>

#include <gtest/gtest.h>

#include "base/time.h"

namespace tocsin::tsdb {
namespace {

using model::Exemplar;
using model::Metadata;
using storage::SeriesId;

Exemplar exemplar(std::int64_t t, double value, std::string_view trace = "abc") {
  return {model::Labels::of({{"trace_id", trace}}), value, base::from_ms(t)};
}

Metadata metadata(std::string_view help) {
  return {model::MetricKind::kCounter, std::string(help), "seconds"};
}

std::string text(const NoteStore& store, std::uint64_t id) {
  std::string out;
  for (const Exemplar& e : store.exemplars(SeriesId(id), INT64_MIN, INT64_MAX)) {
    out += fmt::format("{}:{} ", base::to_ms(*e.time), e.value);
  }
  return out;
}

TEST(NoteStore, JudgesExemplarsAsPrometheusDoes) {
  const Exemplar newest = exemplar(1000, 5);
  const auto check = [&](const Exemplar& e, StatusCode code, std::string_view error) {
    const auto verdict = judge_exemplar(e, &newest);
    EXPECT_EQ(verdict.status().code(), code);
    EXPECT_EQ(message(verdict.status()), error);
  };
  EXPECT_EQ(*judge_exemplar(newest, &newest), ExemplarVerdict::kDrop);
  EXPECT_EQ(*judge_exemplar(newest, nullptr), ExemplarVerdict::kTake);
  check(exemplar(1001, 1), StatusCode::kOk, "");
  check(exemplar(1000, 6), StatusCode::kOk, "");
  check(exemplar(1000, 5, "abd"), StatusCode::kOk, "");
  check(exemplar(1000, 5, "abb"), StatusCode::kOutOfRange, "out of order exemplar");
  check(exemplar(1000, 4), StatusCode::kOutOfRange, "out of order exemplar");
  check(exemplar(999, 9), StatusCode::kOutOfRange, "out of order exemplar");
  check(exemplar(2000, 1, std::string(120, 'x')), StatusCode::kOk, "");
  check(exemplar(2000, 1, std::string(121, 'x')), StatusCode::kInvalidArgument,
        "label length for exemplar exceeds maximum of 128 UTF-8 characters");
  std::string wide;
  for (int i = 0; i < 120; ++i) wide += "\u00e9";
  check(exemplar(2000, 1, wide), StatusCode::kOk, "");
}

TEST(NoteStore, AnExemplarWithoutATimeOfItsOwnIsTakenOnce) {
  NoteStore store;
  store.set_max_exemplars(10);
  const auto assumed = [](std::int64_t t, double value) {
    Exemplar e = exemplar(t, value);
    e.assumed_time = true;
    return e;
  };
  const auto verdict = [&](const Exemplar& e) { return *store.check(SeriesId(1), e, nullptr); };
  store.apply({SeriesId(1), assumed(1000, 5)});
  EXPECT_EQ(verdict(assumed(2000, 5)), ExemplarVerdict::kDrop);
  EXPECT_EQ(verdict(assumed(2000, 6)), ExemplarVerdict::kTake);
  EXPECT_EQ(verdict(exemplar(2000, 5)), ExemplarVerdict::kTake) << "it says itself that it is new";
  const Exemplar pending = assumed(1500, 6);
  EXPECT_EQ(*store.check(SeriesId(1), assumed(2000, 6), &pending), ExemplarVerdict::kDrop);

  NoteStore again;
  again.set_max_exemplars(10);
  ASSERT_TRUE(again.decode(*store.encode_if_changed()).ok());
  EXPECT_EQ(*again.check(SeriesId(1), assumed(3000, 5), nullptr), ExemplarVerdict::kDrop);
}

TEST(NoteStore, TheOldestExemplarsMakeWay) {
  NoteStore store;
  EXPECT_EQ(*store.check(SeriesId(1), exemplar(1, 1), nullptr), ExemplarVerdict::kDrop);
  store.set_max_exemplars(3);
  for (std::int64_t t = 1; t <= 3; ++t) {
    store.apply({SeriesId(1), exemplar(t, 1)});
    store.apply({SeriesId(2), exemplar(t, 2)});
  }
  EXPECT_EQ(text(store, 1), "3:1 ");
  EXPECT_EQ(text(store, 2), "2:2 3:2 ");
  store.set_max_exemplars(1);
  EXPECT_EQ(text(store, 1), "");
  EXPECT_EQ(text(store, 2), "3:2 ");
  store.remove(SeriesId(2));
  EXPECT_EQ(store.stats().exemplars, 0U);
}

TEST(NoteStore, EqualMetadataIsKeptOnceAndBounded) {
  NoteStore store;
  store.set_max_metadata_bytes(1000);
  for (std::uint64_t id = 1; id <= 100; ++id) store.apply({SeriesId(id), metadata("one")});
  const std::uint64_t bytes = store.stats().metadata_bytes;
  EXPECT_LT(bytes, 300U);
  store.apply({SeriesId(1), metadata(std::string(900, 'x'))});
  EXPECT_EQ(store.stats().metadata_dropped, 1U);
  EXPECT_EQ(store.metadata(SeriesId(1))->help, "one");
  store.apply({SeriesId(1), metadata("two")});
  EXPECT_EQ(store.metadata(SeriesId(1))->help, "two");
  EXPECT_TRUE(store.has(SeriesId(2), metadata("one")));
  const std::vector<SeriesId> ids{SeriesId(3), SeriesId(1), SeriesId(2), SeriesId(1000)};
  EXPECT_EQ(store.distinct_metadata(ids),
            (std::vector<Metadata>{metadata("one"), metadata("two")}));
  for (std::uint64_t id = 1; id <= 100; ++id) store.remove(SeriesId(id));
  EXPECT_EQ(store.stats().metadata_bytes, 0U);
}

TEST(NoteStore, ComesBackFromItsFileAndRefusesDamage) {
  NoteStore store;
  store.set_max_exemplars(100);
  store.set_max_metadata_bytes(100'000);
  EXPECT_EQ(store.encode_if_changed(), std::nullopt);
  for (std::int64_t t = 1; t <= 20; ++t) {
    store.apply({SeriesId(static_cast<std::uint64_t>(t % 3)), exemplar(t, 1)});
    store.apply({SeriesId(static_cast<std::uint64_t>(t)), metadata(fmt::format("help {}", t % 4))});
  }
  const std::string bytes = *store.encode_if_changed();
  EXPECT_EQ(store.encode_if_changed(), std::nullopt);
  const auto fresh = [] {
    auto made = std::make_unique<NoteStore>();
    made->set_max_exemplars(100);
    made->set_max_metadata_bytes(100'000);
    return made;
  };
  const auto again = fresh();
  ASSERT_TRUE(again->decode(bytes).ok());
  for (std::uint64_t id = 0; id < 3; ++id) EXPECT_EQ(text(*again, id), text(store, id));
  EXPECT_EQ(again->metadata(SeriesId(7)), store.metadata(SeriesId(7)));
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_EQ(fresh()->decode(damaged).code(), StatusCode::kDataLoss) << at;
  }
}

TEST(Note, DamagedBytesAreAnErrorOrANote) {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    std::mt19937_64 random(seed);
    std::string bytes;
    put_note({SeriesId(1), exemplar(5, 1.5)}, &bytes);
    put_note({SeriesId(1), metadata("help")}, &bytes);
    for (std::uint64_t n = 1 + random() % 3; n > 0; --n) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    ByteReader in(bytes);
    Note note;
    while (in.ok() && !in.at_end()) read_note(&in, &note);
  }
}

}  // namespace
}  // namespace tocsin::tsdb
