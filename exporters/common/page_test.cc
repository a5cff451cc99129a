// SPDX-License-Identifier: Apache-2.0
#include "exporters/common/page.h"

#include <gtest/gtest.h>

#include "formats/text_writer.h"

namespace tocsin::exporters {
namespace {

using base::MetricFamily;
using base::MetricType;

TEST(PageTest, FamiliesAndSamplesAreSortedJoinedAndWithoutDoubles) {
  std::vector<MetricFamily> families = {
      {"b", "B.", MetricType::kGauge, {{"", {{"cpu", "2"}}, 1}, {"", {{"cpu", "10"}}, 2}}},
      {"empty", "No samples.", MetricType::kGauge, {}},
      {"a", "A.", MetricType::kCounter, {{"", {}, 3}}},
      {"b", "Other.", MetricType::kGauge, {{"", {{"cpu", "2"}}, 9}, {"", {{"cpu", "1"}}, 4}}},
  };
  EXPECT_EQ(tidy_families(&families), 1U);
  std::string text;
  formats::write_text(families, &text);
  EXPECT_EQ(text,
            "# HELP a A.\n# TYPE a counter\na 3\n"
            "# HELP b B.\n# TYPE b gauge\n"
            "b{cpu=\"1\"} 4\nb{cpu=\"10\"} 2\nb{cpu=\"2\"} 1\n");
}

TEST(PageTest, BucketsKeepTheirOrder) {
  std::vector<MetricFamily> families = {{"h",
                                         "",
                                         MetricType::kHistogram,
                                         {{"_bucket", {{"le", "2"}}, 1},
                                          {"_bucket", {{"le", "10"}}, 1},
                                          {"_sum", {}, 1},
                                          {"_count", {}, 1}}}};
  EXPECT_EQ(tidy_families(&families), 0U);
  EXPECT_EQ(families[0].samples[0].labels[0].second, "2");
}

}  // namespace
}  // namespace tocsin::exporters
