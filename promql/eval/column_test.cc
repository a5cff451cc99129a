// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/column.h"

#include <gtest/gtest.h>

namespace tocsin::promql::eval {
namespace {

OutSeries series(std::string_view name, std::vector<std::pair<std::size_t, double>> samples) {
  OutSeries s;
  s.labels = model::Labels::of({{"__name__", name}});
  s.column = Column(130);
  for (const auto& [i, v] : samples) s.column.put(i, v);
  return s;
}

TEST(Bitmap, SetOperationsOverWordBorders) {
  Bitmap a(130);
  for (std::size_t i : {0U, 63U, 64U, 129U}) a.set(i);
  EXPECT_EQ(a.count(), 4U);
  EXPECT_EQ(a.first(), 0U);
  Bitmap b(130, true);
  EXPECT_TRUE(b.all());
  b.subtract(a);
  EXPECT_EQ(b.count(), 126U);
  EXPECT_FALSE(b.intersects(a));
  b.invert();
  EXPECT_EQ(b.count(), 4U) << "bits beyond the size stay clear";
  std::vector<std::size_t> seen;
  b.for_each([&](std::size_t i) { seen.push_back(i); });
  EXPECT_EQ(seen, (std::vector<std::size_t>{0, 63, 64, 129}));
  a.clear(0);
  b &= a;
  EXPECT_EQ(b.first(), 63U);
  EXPECT_EQ(Bitmap(130).first(), 130U);
  EXPECT_FALSE(Bitmap(130).any());
}

TEST(MergeSameLabels, JoinsWhatDoesNotOverlap) {
  VectorSet set;
  set.push_back(series("a", {{1, 10}}));
  set.push_back(series("b", {{1, 20}}));
  set.push_back(series("a", {{2, 30}, {129, 40}}));
  set[2].drop_name = true;
  ASSERT_TRUE(merge_same_labels(&set).ok());
  ASSERT_EQ(set.size(), 2U);
  EXPECT_EQ(set[0].column.present.count(), 3U);
  EXPECT_EQ(set[0].column.values[129], 40);
  EXPECT_FALSE(set[0].drop_name) << "the first step says it";
  set.push_back(series("a", {{0, 50}}));
  set[2].drop_name = true;
  ASSERT_TRUE(merge_same_labels(&set).ok());
  EXPECT_TRUE(set[0].drop_name);
  set.push_back(series("b", {{1, 0}}));
  EXPECT_EQ(message(merge_same_labels(&set)),
            "vector cannot contain metrics with the same labelset");
}

TEST(WithoutMetric, DropsWhatDescribesTheMetric) {
  const model::Labels labels = model::Labels::of(
      {{"__name__", "a"}, {"__type__", "counter"}, {"__unit__", "s"}, {"l", "1"}});
  EXPECT_EQ(without_metric(labels), model::Labels::of({{"l", "1"}}));
}

}  // namespace
}  // namespace tocsin::promql::eval
