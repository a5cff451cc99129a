// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/series_budget.h"

#include <gtest/gtest.h>

#include "model/labels.h"

namespace tocsin::exporters::app {
namespace {

using Verdict = SeriesBudget::Verdict;

TEST(SeriesBudget, FoldsWhatIsAboveTheLimitAndKeepsWhatIsKnown) {
  SeriesBudget budget(2);
  LabelPairs a{{"path", "/a"}}, b{{"path", "/b"}}, c{{"path", "/c"}};
  EXPECT_EQ(budget.admit("requests", &a), Verdict::kNew);
  EXPECT_EQ(budget.admit("requests", &b), Verdict::kNew);
  EXPECT_EQ(budget.admit("requests", &c), Verdict::kFolded);
  EXPECT_EQ(c, (LabelPairs{{"path", "other"}}));
  EXPECT_EQ(budget.admit("requests", &a), Verdict::kKnown);
  EXPECT_EQ(a, (LabelPairs{{"path", "/a"}}));
  EXPECT_EQ(budget.size(), 2U);
  EXPECT_EQ(budget.dropped(), 1U);
}

TEST(SeriesBudget, ReleaseMakesRoom) {
  SeriesBudget budget(1);
  LabelPairs a{{"path", "/a"}}, b{{"path", "/b"}};
  EXPECT_EQ(budget.admit("requests", &a), Verdict::kNew);
  budget.release("requests", a);
  EXPECT_EQ(budget.admit("requests", &b), Verdict::kNew);
  EXPECT_EQ(budget.admit("requests", &a), Verdict::kFolded);
}

TEST(SeriesBudget, TellsMetricsAndLabelsApartWhoseTextsRunTogether) {
  SeriesBudget budget(10);
  LabelPairs a{{"a", "bc"}}, b{{"ab", "c"}}, c{{"a", "bc"}}, none;
  EXPECT_EQ(budget.admit("m", &a), Verdict::kNew);
  EXPECT_EQ(budget.admit("m", &b), Verdict::kNew);
  EXPECT_EQ(budget.admit("n", &c), Verdict::kNew);
  EXPECT_EQ(budget.admit("n", &none), Verdict::kKnown);
}

TEST(SeriesBudget, CutsValuesBetweenCharacters) {
  const auto cut = [](std::string value) {
    SeriesBudget::cut_value(&value);
    return value;
  };
  const std::size_t max = SeriesBudget::kMaxValueBytes;
  EXPECT_EQ(cut("short"), "short");
  EXPECT_EQ(cut(std::string(max, 'x')), std::string(max, 'x'));
  EXPECT_EQ(cut(std::string(max + 1, 'x')), std::string(max, 'x'));
  // The euro sign has three bytes.
  EXPECT_EQ(cut(std::string(max - 1, 'x') + "\xE2\x82\xAC"), std::string(max - 1, 'x'));
  EXPECT_EQ(cut(std::string(max - 3, 'x') + "\xE2\x82\xAC" + "y"),
            std::string(max - 3, 'x') + "\xE2\x82\xAC");
  EXPECT_EQ(cut("a\xFFz"), "a?z");
  EXPECT_TRUE(model::is_utf8(cut(std::string(1000, '\x80'))));
}

}  // namespace
}  // namespace tocsin::exporters::app
