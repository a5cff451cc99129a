// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "formats/exposition.h"

namespace tocsin::formats {
namespace {

using model::Labels;
using model::MetricKind;

TEST(ParseSeries, BuildsLabels) {
  const auto check = [](std::string_view series, const Labels& want) {
    const auto got = parse_series(series);
    ASSERT_TRUE(got.ok()) << series << got.status();
    EXPECT_EQ(*got, want) << series << " gave " << got->to_string();
  };
  check("up", Labels::of({{"__name__", "up"}}));
  check("up{}", Labels::of({{"__name__", "up"}}));
  check("up{job=\"node\",a=\"1\",}", Labels::of({{"__name__", "up"}, {"job", "node"}, {"a", "1"}}));
  check("up { job = \"node\" }", Labels::of({{"__name__", "up"}, {"job", "node"}}));
  check("up{a=\"\\\\ \\\" \\n \\t\"}", Labels::of({{"__name__", "up"}, {"a", "\\ \" \n \\t"}}));
  check("{\"my \\\"metric\\\"\",\"l.x\"=\"v\"}",
        Labels::of({{"__name__", "my \"metric\""}, {"l.x", "v"}}));
  check("up{a=\"\"}", Labels::of({{"__name__", "up"}}));
}

TEST(ParseSeries, RefusesWhatALabelSetCannotHold) {
  const auto check = [](std::string_view series, std::string_view want) {
    const auto got = parse_series(series);
    ASSERT_FALSE(got.ok()) << series;
    EXPECT_EQ(message(got.status()), want);
  };
  check("up{a=\"1\",a=\"2\"}", "label name \"a\" is not unique: invalid sample");
  check("up{__name__=\"x\"}", "label name \"__name__\" is not unique: invalid sample");
  check("{\"\"}", "invalid metric name or label name: \"__name__\"=\"\"");
  check("{\"\xff\"}", "invalid metric name or label name: \"__name__\"=\"\\xff\"");
  check("up{\"\"=\"1\"}", "invalid metric name or label name: \"\"=\"1\"");
  check("", "expected a series, got nothing");
  check("up 1", "expected one series, got \"up 1\"");
  check("up{a}", "expected \"=\" after the label name at byte 4 of \"up{a}\"");
}

TEST(ParseSeries, BoundsAndQuantilesAreFloats) {
  const auto check = [](std::string_view value, std::string_view want) {
    const std::string text(value);
    EXPECT_EQ(parse_series("b{le=\"" + text + "\"}", MetricKind::kHistogram)->get("le"), want);
    EXPECT_EQ(parse_series("b{quantile=\"" + text + "\"}", MetricKind::kSummary)->get("quantile"),
              want);
    EXPECT_EQ(parse_series("b{le=\"" + text + "\"}", MetricKind::kSummary)->get("le"), value);
    EXPECT_EQ(parse_series("b{le=\"" + text + "\"}")->get("le"), value);
  };
  check("1", "1.0");
  check("0", "0.0");
  check("-1", "-1.0");
  check("0.50", "0.5");
  check("10000000", "1e+07");
  check("+Inf", "+Inf");
  check("inf", "+Inf");
  check("NaN", "NaN");
  check("x", "x");
}

TEST(ParseExemplar, ReadsLabelsValueAndTime) {
  const auto exemplar = parse_exemplar("{trace_id=\"a\\\"b\"} 0.5 1.5");
  ASSERT_TRUE(exemplar.ok());
  EXPECT_EQ(exemplar->labels, Labels::of({{"trace_id", "a\"b"}}));
  EXPECT_EQ(exemplar->value, 0.5);
  EXPECT_EQ(exemplar->time, model::from_ms(1500));
  EXPECT_EQ(parse_exemplar("{} 1")->time, std::nullopt);
  for (const std::string_view bad :
       {"", "{", "{}", "{} ", "{} x", "{} 1 x", "{} 1 2 3", "{\"a\"} 1", "{a=\"1\",a=\"2\"} 1"}) {
    EXPECT_FALSE(parse_exemplar(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace tocsin::formats
