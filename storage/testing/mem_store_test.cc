// SPDX-License-Identifier: Apache-2.0
#include "storage/testing/mem_store.h"

#include <string>

#include <gtest/gtest.h>

#include "model/value.h"

namespace tocsin::storage::testing {
namespace {

using model::from_ms;
using model::Labels;
using model::Matcher;

Labels series_a() { return Labels::of({{"__name__", "a"}, {"job", "x"}}); }
Labels series_b() { return Labels::of({{"__name__", "b"}, {"job", "x"}}); }

SelectHints range(std::int64_t mint, std::int64_t maxt) {
  SelectHints hints;
  hints.mint = from_ms(mint);
  hints.maxt = from_ms(maxt);
  return hints;
}

// "a{...} 1@10 2@20" per series, in the order the columns come.
std::string dump(const MemStore& store, const model::Matchers& matchers, const SelectHints& hints) {
  auto selection = store.select(matchers, hints, {});
  EXPECT_TRUE(selection.ok());
  std::string out;
  for (std::size_t b = 0; b < (*selection)->batch_count(); ++b) {
    ColumnBatch batch;
    EXPECT_TRUE((*selection)->read(b, &batch).ok());
    for (const SeriesColumn& c : batch.series) {
      out += (*selection)->labels(c.series).to_series_string();
      for (std::uint32_t row = 0; row < c.rows; ++row) {
        if (!c.has(row)) continue;
        out +=
            " " + (model::is_stale(c.floats[row]) ? "stale" : model::format_float(c.floats[row]));
        out += "@" + std::to_string(c.times->ms[c.first + row]);
      }
      out += "\n";
    }
  }
  return out;
}

model::Matchers job_x() { return {Matcher::equal("job", "x")}; }

TEST(MemStore, NothingIsVisibleBeforeCommitAndRollbackLeavesNothing) {
  MemStore store;
  auto batch = store.appender();
  ASSERT_TRUE(batch->append({}, series_a(), from_ms(10), 1).ok());
  EXPECT_EQ(dump(store, job_x(), range(0, 100)), "");
  ASSERT_TRUE(commit_and_wait(*batch).ok());
  EXPECT_EQ(dump(store, job_x(), range(0, 100)), "a{job=\"x\"} 1@10\n");
  auto dropped = store.appender();
  ASSERT_TRUE(dropped->append({}, series_b(), from_ms(10), 1).ok());
  dropped->rollback();
  EXPECT_EQ(dump(store, job_x(), range(0, 100)), "a{job=\"x\"} 1@10\n");
}

TEST(MemStore, OrderAndDuplicates) {
  MemStore store;
  auto batch = store.appender();
  auto first = batch->append({}, series_a(), from_ms(20), 1);
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(first->created);
  EXPECT_TRUE(batch->append(first->ref, {}, from_ms(20), 1).ok());
  EXPECT_EQ(batch->append(first->ref, {}, from_ms(20), 2).status().code(),
            StatusCode::kAlreadyExists);
  EXPECT_EQ(message(batch->append(first->ref, {}, from_ms(10), 2).status()), "out of order sample");
  ASSERT_TRUE(commit_and_wait(*batch).ok());
  auto next = store.appender();
  auto again = next->append({}, series_a(), from_ms(30), 2);
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->created);
  EXPECT_EQ(again->ref, first->ref);
  EXPECT_EQ(next->append(SeriesRef(77), {}, from_ms(30), 2).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(next->append({}, Labels(), from_ms(30), 2).status().code(),
            StatusCode::kInvalidArgument);
  ASSERT_TRUE(commit_and_wait(*next).ok());
  EXPECT_EQ(dump(store, job_x(), range(0, 100)), "a{job=\"x\"} 1@20 2@30\n");
}

TEST(MemStore, OutOfOrderWindow) {
  MemStore store({.out_of_order_window = model::Duration(50)});
  auto batch = store.appender();
  ASSERT_TRUE(batch->append({}, series_a(), from_ms(100), 1).ok());
  ASSERT_TRUE(commit_and_wait(*batch).ok());
  auto late = store.appender();
  EXPECT_TRUE(late->append({}, series_a(), from_ms(60), 2).ok());
  EXPECT_EQ(message(late->append({}, series_a(), from_ms(40), 2).status()), "too old sample");
  EXPECT_EQ(
      message(late->append({}, series_a(), from_ms(70), 2, {.start = {}, .in_order_only = true})
                  .status()),
      "out of order sample");
  ASSERT_TRUE(commit_and_wait(*late).ok());
  EXPECT_EQ(dump(store, job_x(), range(0, 100)), "a{job=\"x\"} 2@60 1@100\n");
}

TEST(MemStore, GroupsAppendByPositionAndShareAColumn) {
  MemStore store;
  auto batch = store.appender();
  SeriesRef refs[] = {batch->append({}, series_a(), from_ms(10), 1)->ref,
                      batch->append({}, series_b(), from_ms(10), 2)->ref};
  auto group = batch->define_group({}, refs);
  ASSERT_TRUE(group.ok());
  ASSERT_TRUE(commit_and_wait(*batch).ok());
  auto next = store.appender();
  ASSERT_TRUE(next->step(*group, from_ms(20)).ok());
  EXPECT_TRUE(next->set(1, 5).ok());
  EXPECT_EQ(next->step(*group, from_ms(20)).code(), StatusCode::kOutOfRange);
  ASSERT_TRUE(next->step(*group, from_ms(30)).ok());
  EXPECT_TRUE(next->set(0, 6).ok());
  EXPECT_TRUE(next->stale_all(*group, from_ms(40)).ok());
  EXPECT_TRUE(next->stale_all(*group, from_ms(50)).ok());
  ASSERT_TRUE(commit_and_wait(*next).ok());
  EXPECT_EQ(dump(store, job_x(), range(0, 100)),
            "a{job=\"x\"} 1@10 6@30 stale@40\nb{job=\"x\"} 2@10 5@20 stale@40\n");
  auto selection = store.select(job_x(), range(0, 100), {});
  ColumnBatch columns;
  ASSERT_TRUE((*selection)->read(0, &columns).ok());
  EXPECT_EQ(columns.series[0].times, columns.series[1].times);
  EXPECT_FALSE(columns.series[0].present.empty());
  store.drop_group(*group);
  auto gone = store.appender();
  EXPECT_EQ(gone->step(*group, from_ms(60)).code(), StatusCode::kNotFound);
}

TEST(MemStore, HistogramsStartTimestampsAndLast) {
  MemStore store;
  auto batch = store.appender();
  model::Histogram h;
  h.count = 3;
  h.positive_spans = {{0, 2}};
  h.positive_deltas = {1, 1};
  ASSERT_TRUE(batch->append_histogram({}, series_a(), from_ms(10), h).ok());
  ASSERT_TRUE(batch->append({}, series_a(), from_ms(20), 4, {.start = from_ms(5)}).ok());
  ASSERT_TRUE(commit_and_wait(*batch).ok());
  auto selection = store.select(job_x(), range(0, 100), {});
  ColumnBatch columns;
  ASSERT_TRUE((*selection)->read(0, &columns).ok());
  ASSERT_EQ(columns.series[0].histograms.size(), 1U);
  EXPECT_EQ(columns.series[0].histograms[0].second.positive_buckets, (std::vector<double>{1, 2}));
  EXPECT_EQ(columns.series[0].start_ms, (std::vector<std::int64_t>{0, 5}));
  std::vector<LastValue> last;
  ASSERT_TRUE((*selection)->last(0, from_ms(25), model::Duration(5), &last).ok());
  EXPECT_FALSE(last[0].found) << "the window is open on the left";
  ASSERT_TRUE((*selection)->last(0, from_ms(25), model::Duration(6), &last).ok());
  EXPECT_EQ(last[0].value, 4);
  EXPECT_EQ((*selection)->last(0, from_ms(15), model::Duration(60), &last).code(),
            StatusCode::kUnimplemented);
}

TEST(MemStore, LabelsAndSeries) {
  MemStore store;
  auto batch = store.appender();
  ASSERT_TRUE(batch->append({}, series_a(), from_ms(10), 1).ok());
  ASSERT_TRUE(batch->append({}, series_b(), from_ms(20), 1).ok());
  ASSERT_TRUE(commit_and_wait(*batch).ok());
  LabelHints all{from_ms(0), from_ms(100), 0};
  EXPECT_EQ(store.label_names({}, all, {})->values, (std::vector<std::string>{"__name__", "job"}));
  EXPECT_EQ(store.label_values("__name__", {}, all, {})->values,
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(store.label_values("__name__", {}, {from_ms(15), from_ms(100), 0}, {})->values,
            (std::vector<std::string>{"b"}));
  auto cut = store.label_values("__name__", {}, {from_ms(0), from_ms(100), 1}, {});
  EXPECT_EQ(cut->values, (std::vector<std::string>{"a"}));
  EXPECT_TRUE(cut->truncated);
  EXPECT_EQ(store.series({job_x(), {Matcher::equal("__name__", "b")}}, all, {})->size(), 2U);
}

}  // namespace
}  // namespace tocsin::storage::testing
