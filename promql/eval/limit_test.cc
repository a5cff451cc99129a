// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/limit.h"

#include <cmath>

#include <gtest/gtest.h>

#include "base/hash.h"

namespace tocsin::promql::eval {
namespace {

TEST(SampleLimits, TruncatesAndClamps) {
  const std::vector<double> k = {0.9, 1.9, 3, 100, -7};
  EXPECT_EQ(*sample_limits(k, 5), (std::vector<std::size_t>{0, 1, 3, 5, 0}));
}

TEST(SampleLimits, RefusesWhatIsNoInteger) {
  auto error = [](std::vector<double> k) {
    return std::string(message(sample_limits(k, 5).status()));
  };
  EXPECT_EQ(error({1, std::nan("")}), "Parameter value is NaN");
  EXPECT_EQ(error({-1, std::nan("")}), "Parameter value is NaN");
  EXPECT_EQ(error({1e30}), "Scalar value 1e+30 overflows int64");
  EXPECT_EQ(error({1, -1e30}), "Scalar value -1e+30 underflows int64");
}

TEST(SampleLimits, NothingWantedIsNoError) {
  EXPECT_EQ(*sample_limits(std::vector<double>{-1e30, 0.5}, 5), (std::vector<std::size_t>{0, 0}));
}

VectorSet numbered(std::size_t series, std::size_t steps) {
  VectorSet set(series);
  for (std::size_t s = 0; s < series; ++s) {
    set[s].labels = model::Labels::of({{"__name__", "m"}, {"n", std::to_string(s)}});
    set[s].column = Column(steps);
    for (std::size_t i = 0; i < steps; ++i) set[s].column.put(i, 1);
  }
  return set;
}

TEST(LimitCount, CountsSamplesNotSeries) {
  VectorSet set = numbered(3, 2);
  set[0].column.present.clear(1);
  const std::vector<Group> groups = {{{}, false, {0, 1, 2}}};
  const VectorSet kept = *limit_count(groups, std::move(set), std::vector<double>{1, 1});
  EXPECT_TRUE(kept[0].column.present.test(0));
  EXPECT_FALSE(kept[1].column.present.test(0));
  EXPECT_TRUE(kept[1].column.present.test(1));
  EXPECT_FALSE(kept[2].column.present.any());
}

TEST(LimitRatio, NegativeRatioIsTheComplement) {
  constexpr std::size_t kSeries = 1000;
  AnnotationSet annotations;
  for (const double r : {0.1, 0.5, 0.9}) {
    const VectorSet below =
        *limit_ratio(numbered(kSeries, 1), std::vector<double>{r}, {}, &annotations);
    const VectorSet above =
        *limit_ratio(numbered(kSeries, 1), std::vector<double>{r - 1}, {}, &annotations);
    std::size_t count = 0;
    for (std::size_t s = 0; s < kSeries; ++s) {
      EXPECT_NE(below[s].column.present.any(), above[s].column.present.any()) << s << " at " << r;
      count += below[s].column.present.any() ? 1 : 0;
    }
    EXPECT_NEAR(static_cast<double>(count) / kSeries, r, 0.06);
  }
  EXPECT_TRUE(annotations.entries().empty());
}

TEST(LimitRatio, WarnsBeyondOne) {
  AnnotationSet annotations;
  const VectorSet all =
      *limit_ratio(numbered(2, 2), std::vector<double>{1.5, -2}, {7, 8}, &annotations);
  EXPECT_TRUE(all[0].column.present.all());
  ASSERT_EQ(annotations.entries().size(), 2u);
  EXPECT_EQ(annotations.entries()[0].text,
            "ratio value should be between -1 and 1, got 1.5, capping to 1");
  EXPECT_EQ(annotations.entries()[1].text,
            "ratio value should be between -1 and 1, got -2, capping to -1");
  EXPECT_EQ(annotations.entries()[1].position.start, 7u);
  EXPECT_EQ(message(limit_ratio(numbered(1, 1), std::vector<double>{std::nan("")}, {}, &annotations)
                        .status()),
            "Ratio value is NaN");
}

TEST(SamplingHash, IsThatOfLengthPrefixedFields) {
  // xxHash64 of "\x01a\x01b"; fields of 255 bytes and more have 0xff and three bytes of length.
  EXPECT_EQ(sampling_hash(model::Labels::of({{"a", "b"}})),
            base::xxhash64(std::string_view("\1a\1b", 4)));
  const std::string shorter(254, 'x');
  EXPECT_EQ(sampling_hash(model::Labels::of({{"a", shorter}})),
            base::xxhash64(std::string("\1a\xfe") + shorter));
  const std::string longer(300, 'x');
  EXPECT_EQ(sampling_hash(model::Labels::of({{"a", longer}})),
            base::xxhash64(std::string("\1a\xff\x2c\1") + std::string(1, '\0') + longer));
}

}  // namespace
}  // namespace tocsin::promql::eval
