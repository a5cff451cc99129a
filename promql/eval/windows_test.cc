// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/windows.h"

#include <string>

#include <gtest/gtest.h>

#include "model/value.h"

namespace tocsin::promql::eval {
namespace {

constexpr std::int64_t kEnds[] = {10, 20, 30};

storage::SeriesColumn column(std::vector<std::int64_t> ms, std::vector<double> values) {
  storage::SeriesColumn c;
  c.times =
      std::make_shared<const storage::TimestampColumn>(storage::TimestampColumn{std::move(ms)});
  c.rows = static_cast<std::uint32_t>(values.size());
  c.floats = std::move(values);
  return c;
}

// The values of each window: "1 2|3|".
std::string dump(WindowReader& reader, const storage::SeriesColumn& c, StaleMarkers stale) {
  const auto windows = reader.windows(c, stale);
  if (!windows.ok()) return std::string(message(windows.status()));
  std::string out;
  for (std::size_t i = 0; i < windows->lo.size(); ++i) {
    for (std::uint32_t k = windows->lo[i]; k < windows->hi[i]; ++k) {
      if (k > windows->lo[i]) out += " ";
      out += model::is_stale(windows->values[k]) ? "s" : model::format_float(windows->values[k]);
    }
    out += "|";
  }
  return out;
}

TEST(WindowReader, LeftEndIsOpenRightEndClosed) {
  WindowReader reader(kEnds, 10, Use::kAll);
  EXPECT_EQ(dump(reader, column({0, 1, 10, 11, 20, 31}, {1, 2, 3, 4, 5, 6}), StaleMarkers::kRemove),
            "2 3|4 5||");
  WindowReader wide(kEnds, 25, Use::kAll);
  EXPECT_EQ(dump(wide, column({0, 10, 20}, {1, 2, 3}), StaleMarkers::kRemove), "1 2|1 2 3|2 3|");
}

TEST(WindowReader, RowsOfASharedColumn) {
  const auto times = std::make_shared<const storage::TimestampColumn>(
      storage::TimestampColumn{{5, 10, 15, 20, 25, 30}});
  WindowReader reader(kEnds, 10, Use::kAll);
  storage::SeriesColumn all = column({}, {1, 2, 3, 4, 5, 6});
  all.times = times;
  EXPECT_EQ(dump(reader, all, StaleMarkers::kRemove), "1 2|3 4|5 6|");
  storage::SeriesColumn part = column({}, {7, 8, 9});
  part.times = times;
  part.first = 2;
  EXPECT_EQ(dump(reader, part, StaleMarkers::kRemove), "|7 8|9|");
  part.present = {0b101};
  EXPECT_EQ(dump(reader, part, StaleMarkers::kRemove), "|7|9|");
  EXPECT_EQ(dump(reader, all, StaleMarkers::kRemove), "1 2|3 4|5 6|");
}

TEST(WindowReader, MoreColumnsThanAreRemembered) {
  WindowReader reader(kEnds, 10, Use::kAll);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(dump(reader, column({i % 10 + 1, 20}, {1, 2}), StaleMarkers::kRemove), "1|2||");
  }
}

TEST(WindowReader, StaleMarkers) {
  WindowReader reader(kEnds, 10, Use::kAll);
  const storage::SeriesColumn c = column({5, 10, 15}, {1, model::stale_nan(), 3});
  EXPECT_EQ(dump(reader, c, StaleMarkers::kRemove), "1|3||");
  EXPECT_EQ(dump(reader, c, StaleMarkers::kKeep), "1 s|3||");
}

TEST(WindowReader, HistogramsAreRefusedOnlyWhereTheyCount) {
  storage::SeriesColumn c = column({5, 10, 35}, {0, 2, 3});
  c.histograms.emplace_back(0, model::FloatHistogram());
  WindowReader newest(kEnds, 10, Use::kNewest);
  EXPECT_EQ(dump(newest, c, StaleMarkers::kKeep), "0 2|||") << "a float is newer";
  WindowReader all(kEnds, 10, Use::kAll);
  EXPECT_EQ(dump(all, c, StaleMarkers::kRemove), "not supported yet: native histograms");
}

}  // namespace
}  // namespace tocsin::promql::eval
