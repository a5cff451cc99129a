// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/custom_histograms.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "model/value.h"

namespace tocsin::collector {
namespace {

constexpr auto kHistogram = model::MetricKind::kHistogram;

struct Sample {
  std::string series;
  double value = 0;
  model::MetricKind kind = kHistogram;
  bool native = false;
};

std::string spans_text(const std::vector<model::HistogramSpan>& spans) {
  std::string text;
  for (const model::HistogramSpan& span : spans) {
    text += fmt::format(" {}+{}", span.offset, span.length);
  }
  return text;
}

std::string describe(const model::FloatHistogram& h) {
  std::string text = fmt::format("schema {} count {} sum {} bounds", h.schema, h.count, h.sum);
  for (const double bound : h.custom_values) text += fmt::format(" {}", bound);
  text += " spans" + spans_text(h.positive_spans) + " counts";
  for (const double count : h.positive_buckets) text += fmt::format(" {}", count);
  return text;
}

// A line for each histogram that is made of the page.
std::string made_of(const std::vector<Sample>& page) {
  CustomHistograms histograms;
  histograms.learn(page.size(), [&](std::size_t i) -> CustomHistograms::Line {
    return {page[i].series, page[i].kind, {}, page[i].native};
  });
  std::vector<double> values;
  for (const Sample& sample : page) values.push_back(sample.value);
  std::string text;
  for (std::size_t i = 0; i < histograms.size(); ++i) {
    text += std::string(histograms.series(i)) + ": ";
    const auto made = histograms.make(i, values);
    if (!made) {
      text += "nothing\n";
    } else if (const auto* whole = std::get_if<model::Histogram>(&*made)) {
      text += "int " + describe(model::to_float(*whole)) + "\n";
    } else {
      text += "float " + describe(std::get<model::FloatHistogram>(*made)) + "\n";
    }
  }
  return text;
}

TEST(CustomHistograms, AreMadeOfBucketsCountAndSum) {
  EXPECT_EQ(
      made_of({{R"(h_bucket{a="x",le="1"})", 2},
               {R"(h_bucket{a="x",le="2.5"})", 2},
               {R"(h_bucket{le="5",a="x"})", 5},
               {R"(h_bucket{a="x",le="+Inf"})", 6},
               {R"(h_sum{a="x"})", 12.5},
               {R"(h_count{a="x"})", 6},
               {R"(h_created{a="x"})", 1},
               {"g", 7, model::MetricKind::kGauge},
               {R"(g_bucket{le="1"})", 7, model::MetricKind::kUnknown}}),
      "h{a=\"x\"}: int schema -53 count 6 sum 12.5 bounds 1 2.5 5 spans 0+1 1+2 counts 2 3 1\n");
}

TEST(CustomHistograms, WhatIsMissingIsTakenFromWhatIsThere) {
  EXPECT_EQ(made_of({{R"(h_bucket{le="1"})", 2}, {"h_count", 5}}),
            "h: int schema -53 count 5 sum 0 bounds 1 spans 0+2 counts 2 3\n");
  EXPECT_EQ(made_of({{R"(h_bucket{le="2"})", 3}, {R"(h_bucket{le="1"})", 1.5}}),
            "h: float schema -53 count 3 sum 0 bounds 1 2 spans 0+2 counts 1.5 1.5\n");
  EXPECT_EQ(made_of({{"h_count", 4}, {"h_sum", 1}}),
            "h: int schema -53 count 4 sum 1 bounds spans 0+1 counts 4\n");
  EXPECT_EQ(made_of({{R"({"h.x_count"})", 0}}),
            "{\"h.x\"}: int schema -53 count 0 sum 0 bounds spans counts\n");
}

TEST(CustomHistograms, WhatDoesNotFitIsLeftOut) {
  const std::vector<Sample> pages[] = {
      {{"h_sum", 1}},
      {{R"(h_bucket{le="1"})", 2}, {R"(h_bucket{le="2"})", 1}},
      {{R"(h_bucket{le="1"})", -1}},
      {{R"(h_bucket{le="+Inf"})", 2}, {"h_count", 3}},
      {{R"(h_bucket{le="1"})", 4}, {"h_count", 3}},
      {{R"(h_bucket{le="1"})", model::normal_nan()}},
      {{R"(h_bucket{le="-Inf"})", 1}},
  };
  for (const auto& page : pages) EXPECT_EQ(made_of(page), "h: nothing\n") << page[0].series;
}

TEST(CustomHistograms, NothingIsMadeBesideANativeOne) {
  EXPECT_EQ(made_of({{R"(h{a="1"})", 0, kHistogram, true},
                     {R"(h_count{a="1"})", 1},
                     {R"(h_count{a="2"})", 2}}),
            "h{a=\"2\"}: int schema -53 count 2 sum 0 bounds spans 0+1 counts 2\n");
}

TEST(CustomHistograms, PartsAreKnownByTheirNames) {
  EXPECT_TRUE(is_classic_part(R"(h_bucket{le="1"})", kHistogram));
  EXPECT_TRUE(is_classic_part("h_sum", kHistogram));
  EXPECT_TRUE(is_classic_part(R"({"h.x_count",a="1"})", kHistogram));
  EXPECT_FALSE(is_classic_part("h_created", kHistogram));
  EXPECT_FALSE(is_classic_part("_sum", kHistogram));
  EXPECT_FALSE(is_classic_part("h", kHistogram));
  EXPECT_FALSE(is_classic_part("h_sum", model::MetricKind::kSummary));
}

}  // namespace
}  // namespace tocsin::collector
