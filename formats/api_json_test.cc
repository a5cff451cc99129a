// SPDX-License-Identifier: Apache-2.0
#include "formats/api_json.h"

#include <cmath>

#include <gtest/gtest.h>

#include "model/value.h"

namespace tocsin::formats {
namespace {

using model::from_ms;
using model::Labels;

template <typename Write>
std::string json(Write write) {
  std::string out;
  base::JsonWriter writer(&out);
  write(&writer);
  return out;
}

TEST(ApiJson, TimesAreSecondsWithAtMostThreeDecimals) {
  const auto check = [](std::int64_t ms, std::string_view want) {
    EXPECT_EQ(json([ms](auto* w) { write_time(from_ms(ms), w); }), want);
  };
  check(0, "0");
  check(1435781451781, "1435781451.781");
  check(1000, "1");
  check(1100, "1.100");
  check(1007, "1.007");
  check(-1, "-0.001");
  check(-1500, "-1.500");
  check(INT64_MIN, "-9223372036854775.808");
}

TEST(ApiJson, ValuesAreStrings) {
  const auto check = [](double v, std::string_view want) {
    EXPECT_EQ(json([v](auto* w) { write_value(v, w); }), want);
  };
  check(1.5, "\"1.5\"");
  check(1e21, "\"1e+21\"");
  check(1e20, "\"100000000000000000000\"");
  check(model::stale_nan(), "\"NaN\"");
  check(-INFINITY, "\"-Inf\"");
}

TEST(ApiJson, HistogramsAreListsOfBuckets) {
  const auto check = [](const model::FloatHistogram& h, std::string_view want) {
    EXPECT_EQ(json([&h](auto* w) { write_histogram(h, w); }), want);
  };
  model::FloatHistogram h;
  check(h, R"({"count":"0","sum":"0"})");
  h.count = 8;
  h.sum = -2.5;
  h.zero_threshold = 0.6;
  h.zero_count = 1;
  h.positive_spans = {{0, 2}, {1, 1}};
  h.positive_buckets = {3, 0, 2};
  h.negative_spans = {{1, 1}};
  h.negative_buckets = {2};
  check(h, R"({"count":"8","sum":"-2.5","buckets":[[1,"-2","-1","2"],[3,"-0.6","0.6","1"],)"
           R"([0,"0.6","1","3"],[0,"4","8","2"]]})");
  model::FloatHistogram custom;
  custom.schema = model::kCustomBucketsSchema;
  custom.custom_values = {-1, 5};
  custom.positive_spans = {{0, 3}};
  custom.positive_buckets = {1, 2, 3};
  check(custom, R"({"count":"0","sum":"0","buckets":[[3,"-Inf","-1","1"],[0,"-1","5","2"],)"
                R"([0,"5","+Inf","3"]]})");
  EXPECT_EQ(json([](auto* w) { write_histogram_point(from_ms(1500), {}, w); }),
            R"([1.500,{"count":"0","sum":"0"}])");
}

TEST(ApiJson, LabelsAreAMap) {
  EXPECT_EQ(json([](auto* w) { write_labels(Labels(), w); }), "{}");
  EXPECT_EQ(
      json([](auto* w) { write_labels(Labels::of({{"b", "x\"y\n"}, {"__name__", "up"}}), w); }),
      R"({"__name__":"up","b":"x\"y\n"})");
}

TEST(ApiJson, VectorsAndSeries) {
  const Labels labels = Labels::of({{"a", "1"}});
  EXPECT_EQ(json([&labels](auto* w) {
              w->begin_array();
              write_vector_sample(labels, {from_ms(1000), 2}, w);
              write_vector_sample(Labels(), {from_ms(1500), NAN}, w);
              w->end_array();
            }),
            R"([{"metric":{"a":"1"},"value":[1,"2"]},{"metric":{},"value":[1.500,"NaN"]}])");
  const JsonPoint points[] = {{from_ms(0), 1}, {from_ms(1), 0.5}};
  EXPECT_EQ(json([&](auto* w) { write_series(labels, points, w); }),
            R"({"metric":{"a":"1"},"values":[[0,"1"],[0.001,"0.5"]]})");
  EXPECT_EQ(json([&](auto* w) { write_series(labels, {}, w); }),
            R"({"metric":{"a":"1"},"values":[]})");
}

}  // namespace
}  // namespace tocsin::formats
