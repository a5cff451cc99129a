// SPDX-License-Identifier: Apache-2.0
#include "model/labels.h"

#include <gtest/gtest.h>

#include "model/metadata.h"

namespace tocsin::model {
namespace {

TEST(Labels, AreSortedWithoutDuplicatesAndEmptyValues) {
  const Labels labels = Labels::of({{"b", "old"}, {"a", "1"}, {"c", ""}, {"b", "2"}});
  EXPECT_EQ(labels.to_string(), R"({a="1", b="2"})");
  EXPECT_EQ(labels.size(), 2U);
  EXPECT_EQ(labels, Labels::from({{"b", "2"}, {"a", "1"}}));
  EXPECT_TRUE(Labels::of({{"a", "1"}, {"a", ""}}).empty());
}

TEST(Labels, GetFindsExactNamesOnly) {
  const Labels labels = Labels::of({{"__name__", "up"}, {"job", "node"}, {"jobs", "x"}});
  EXPECT_EQ(labels.get("job"), "node");
  EXPECT_EQ(labels.get("jo"), "");
  EXPECT_EQ(labels.get("zz"), "");
  EXPECT_EQ(labels.metric_name(), "up");
  EXPECT_TRUE(labels.has("jobs"));
  EXPECT_FALSE(Labels().has("job"));
}

TEST(Labels, LongValuesSurviveTheEncoding) {
  for (const std::size_t size : {1U, 127U, 128U, 300U, 16383U, 16384U, 100000U}) {
    const std::string value(size, 'v');
    const Labels labels = Labels::of({{"a", value}, {"b", "end"}});
    EXPECT_EQ(labels.get("a"), value) << size;
    EXPECT_EQ(labels.get("b"), "end") << size;
    EXPECT_EQ(labels.size(), 2U);
  }
}

TEST(Labels, AssignSortedReplacesTheContent) {
  Labels labels = Labels::of({{"old", std::string(500, 'x')}});
  const std::string long_value(300, 'v');
  const std::vector<LabelView> parts = {{"__name__", "up"}, {"job", long_value}};
  labels.assign_sorted(parts);
  EXPECT_EQ(labels, Labels::of({{"job", long_value}, {"__name__", "up"}}));
  EXPECT_EQ(labels.hash(), Labels::of({{"job", long_value}, {"__name__", "up"}}).hash());
  labels.assign_sorted({});
  EXPECT_TRUE(labels.empty());
}

TEST(Labels, KeepAndDropSelectByName) {
  const Labels labels = Labels::of({{"__name__", "m"}, {"a", "1"}, {"b", "2"}, {"d", "4"}});
  const std::vector<std::string> names = {"a", "c", "d"};
  EXPECT_EQ(labels.keep(names), Labels::of({{"a", "1"}, {"d", "4"}}));
  EXPECT_EQ(labels.drop(names), Labels::of({{"__name__", "m"}, {"b", "2"}}));
  EXPECT_EQ(labels.keep({}), Labels());
  EXPECT_EQ(labels.drop({}), labels);
  EXPECT_EQ(labels.without_metric_name(), Labels::of({{"a", "1"}, {"b", "2"}, {"d", "4"}}));
}

TEST(Labels, OrderIsLabelByLabel) {
  // Ascending; the encoding would order "b" before "aa" by its length byte.
  const std::vector<Labels> ascending = {
      Labels(),
      Labels::of({{"a", "1"}}),
      Labels::of({{"a", "1"}, {"b", "1"}}),
      Labels::of({{"a", "10"}}),
      Labels::of({{"a", "2"}}),
      Labels::of({{"aa", "1"}}),
      Labels::of({{"b", "0"}}),
      Labels::of({{"b", "\xc3\xa4"}}),
  };
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) {
      EXPECT_EQ(ascending[i] <=> ascending[j], i <=> j) << i << " " << j;
    }
  }
}

TEST(Labels, SeriesStringIsTheSelectorNotation) {
  const auto check = [](const Labels& labels, std::string_view want) {
    EXPECT_EQ(labels.to_series_string(), want);
  };
  check(Labels(), "{}");
  check(Labels::of({{"__name__", "up"}}), "up");
  check(Labels::of({{"__name__", "up"}, {"job", "a\"b\n"}}), R"(up{job="a\"b\n"})");
  check(Labels::of({{"job", "x"}}), R"({job="x"})");
  check(Labels::of({{"__name__", "my.metric"}, {"a.b", "x"}}), R"({"my.metric", "a.b"="x"})");
}

TEST(Labels, FingerprintIsAlertmanagers) {
  // FNV-1a 64 of nothing, and of "a" 0xff "1" 0xff, computed apart.
  EXPECT_EQ(Labels().fingerprint(), 14695981039346656037ULL);
  std::uint64_t expected = 14695981039346656037ULL;
  for (const unsigned char c : {'a', '\xff', '1', '\xff'}) {
    expected = (expected ^ c) * 1099511628211ULL;
  }
  EXPECT_EQ(Labels::of({{"a", "1"}}).fingerprint(), expected);
}

TEST(Labels, HashDependsOnTheSplitBetweenNameAndValue) {
  EXPECT_NE(Labels::of({{"ab", "c"}}).hash(), Labels::of({{"a", "bc"}}).hash());
  EXPECT_EQ(Labels::of({{"a", "1"}, {"b", "2"}}).hash(),
            Labels::of({{"b", "2"}, {"a", "1"}}).hash());
}

TEST(LabelsBuilder, SetsReplacesAndRemoves) {
  LabelsBuilder builder(Labels::of({{"a", "1"}, {"c", "3"}}));
  builder.set("b", "2").set("a", "x").remove("c").remove("zz");
  EXPECT_EQ(builder.get("b"), "2");
  EXPECT_EQ(builder.get("c"), "");
  EXPECT_EQ(builder.build(), Labels::of({{"a", "x"}, {"b", "2"}}));
  builder.set("a", "");
  EXPECT_EQ(builder.build(), Labels::of({{"b", "2"}}));
  builder.set("b2", builder.get("b"));
  EXPECT_EQ(builder.build(), Labels::of({{"b", "2"}, {"b2", "2"}}));
  builder.reset(Labels());
  EXPECT_TRUE(builder.build().empty());
}

TEST(Metadata, TypeAndUnitAreLabels) {
  const Labels plain = Labels::of({{"__name__", "a"}, {"__type__", "own"}, {"b", "1"}});
  EXPECT_EQ(with_type_and_unit(plain, MetricKind::kCounter, "bytes").to_series_string(),
            R"(a{__type__="counter", __unit__="bytes", b="1"})");
  EXPECT_EQ(with_type_and_unit(plain, MetricKind::kUnknown, "s").to_series_string(),
            R"(a{__type__="own", __unit__="s", b="1"})");
  EXPECT_EQ(with_type_and_unit(plain, MetricKind::kUnknown, ""), plain);
}

TEST(Metadata, KindsHaveTheirExpositionNames) {
  EXPECT_EQ(kind_text(MetricKind::kUnknown), "unknown");
  EXPECT_EQ(kind_text(MetricKind::kGaugeHistogram), "gaugehistogram");
  EXPECT_EQ(kind_text(MetricKind::kStateset), "stateset");
}

}  // namespace
}  // namespace tocsin::model
