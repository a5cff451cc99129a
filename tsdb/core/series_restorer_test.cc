// SPDX-License-Identifier: Apache-2.0
#include "tsdb/core/series_restorer.h"

#include <string>

#include <gtest/gtest.h>

namespace tocsin::tsdb {
namespace {

using model::Labels;
using storage::SeriesId;

NamedSeries series(std::uint64_t id, std::uint64_t text) {
  return {SeriesId(id), Labels::of({{"__name__", "m"}, {"i", std::to_string(text)}})};
}

TEST(SeriesRestorer, FewAndManySeriesArriveInTheIndex) {
  for (const std::uint64_t count : {0, 1, 5000, 150000}) {
    SeriesIndex index(1'000'000);
    SeriesRestorer restorer(index);
    for (std::uint64_t id = 1; id <= count; ++id) {
      ASSERT_TRUE(restorer.add(series(id, id)).ok());
    }
    ASSERT_TRUE(restorer.finish().ok());
    EXPECT_EQ(index.size(), count);
    if (count != 0) {
      EXPECT_EQ(index.find(series(0, count).labels), SeriesId(count));
    }
  }
}

TEST(SeriesRestorer, AnErrorEndsItWhereverItIs) {
  constexpr std::uint64_t kCount = 150'000;
  for (const std::uint64_t wrong : {std::uint64_t{2}, kCount / 2, kCount}) {
    SeriesIndex index(1'000'000);
    SeriesRestorer restorer(index);
    Status status;
    for (std::uint64_t id = 1; id <= kCount && status.ok(); ++id) {
      status = restorer.add(series(id, id == wrong ? 1 : id));
    }
    EXPECT_EQ(restorer.finish().code(), StatusCode::kDataLoss) << wrong;
  }
}

TEST(SeriesRestorer, MayBeGivenUp) {
  SeriesIndex index(1'000'000);
  SeriesRestorer restorer(index);
  for (std::uint64_t id = 1; id <= 50'000; ++id) {
    ASSERT_TRUE(restorer.add(series(id, id)).ok());
  }
}

}  // namespace
}  // namespace tocsin::tsdb
