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
  const functions::SeriesWindows windows = reader.windows(c, stale, nullptr);
  std::string out;
  for (std::size_t i = 0; i < windows.lo.size(); ++i) {
    for (std::uint32_t k = windows.lo[i]; k < windows.hi[i]; ++k) {
      if (k > windows.lo[i]) out += " ";
      if (!windows.histograms.empty() && windows.histograms[k] != nullptr) {
        constexpr std::string_view kHints[] = {"h", "h-reset", "h-follows", "h-gauge"};
        out += kHints[static_cast<std::size_t>(windows.histograms[k]->reset_hint)];
        continue;
      }
      out += model::is_stale(windows.values[k]) ? "s" : model::format_float(windows.values[k]);
    }
    out += "|";
  }
  return out;
}

TEST(WindowReader, LeftEndIsOpenRightEndClosed) {
  WindowReader reader(kEnds, 10);
  EXPECT_EQ(dump(reader, column({0, 1, 10, 11, 20, 31}, {1, 2, 3, 4, 5, 6}), StaleMarkers::kRemove),
            "2 3|4 5||");
  WindowReader wide(kEnds, 25);
  EXPECT_EQ(dump(wide, column({0, 10, 20}, {1, 2, 3}), StaleMarkers::kRemove), "1 2|1 2 3|2 3|");
}

TEST(WindowReader, RowsOfASharedColumn) {
  const auto times = std::make_shared<const storage::TimestampColumn>(
      storage::TimestampColumn{{5, 10, 15, 20, 25, 30}});
  WindowReader reader(kEnds, 10);
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
  WindowReader reader(kEnds, 10);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(dump(reader, column({i % 10 + 1, 20}, {1, 2}), StaleMarkers::kRemove), "1|2||");
  }
}

TEST(WindowReader, StaleMarkers) {
  WindowReader reader(kEnds, 10);
  const storage::SeriesColumn c = column({5, 10, 15}, {1, model::stale_nan(), 3});
  EXPECT_EQ(dump(reader, c, StaleMarkers::kRemove), "1|3||");
  EXPECT_EQ(dump(reader, c, StaleMarkers::kKeep), "1 s|3||");
}

model::FloatHistogram histogram(double count) {
  model::FloatHistogram h;
  h.count = count;
  return h;
}

TEST(WindowReader, HistogramsAmongFloats) {
  storage::SeriesColumn c = column({5, 10, 15, 20, 25}, {0, 2, 0, 0, 0});
  c.histograms = {{0, histogram(3)}, {2, histogram(4)}, {3, histogram(1)}, {4, histogram(1)}};
  c.histograms[3].second.sum = model::stale_nan();
  WindowReader reader(kEnds, 10);
  EXPECT_EQ(dump(reader, c, StaleMarkers::kKeep), "h 2|h h|s|");
  EXPECT_EQ(dump(reader, c, StaleMarkers::kRemove), "h 2|h h||");
  WindowReader detecting(kEnds, 10, ResetHints::kDetected);
  EXPECT_EQ(dump(detecting, c, StaleMarkers::kRemove), "h 2|h-follows h-reset||");
}

}  // namespace
}  // namespace tocsin::promql::eval
