// SPDX-License-Identifier: Apache-2.0
//
// Native histograms for the naive evaluator: buckets in maps by index, one operation at a time.
//
// Values; pure functions. Errors: null or nothing when the buckets cannot be brought together.
#pragma once

#include <optional>
#include <string>

#include "promql/testing/naive_parts.h"

namespace tocsin::promql::testing::naive {

HistogramPtr with_hint(const model::FloatHistogram& h, model::CounterResetHint hint);
HistogramPtr scaled(const model::FloatHistogram& h, double factor);
HistogramPtr divided(const model::FloatHistogram& h, double divisor);
// With other last bits in each number that is not whole: those that are were not rounded.
HistogramPtr noisy(const model::FloatHistogram& h, const Step& step);

struct HistogramSum {
  HistogramPtr value;       // null: exponential and custom buckets
  bool collision = false;   // one was said to begin after a reset, the other not
  bool reconciled = false;  // custom bounds that differ
};
HistogramSum added(const model::FloatHistogram& a, const model::FloatHistogram& b);
HistogramSum subtracted(const model::FloatHistogram& a, const model::FloatHistogram& b);

// Whether a counter was reset between the two.
bool was_reset(const model::FloatHistogram& now, const model::FloatHistogram& before);
// Same layout and the same bits.
bool same(const model::FloatHistogram& a, const model::FloatHistogram& b);
// Nearly the same, for comparing results.
bool nearly(const model::FloatHistogram& a, const model::FloatHistogram& b, double epsilon);

HistogramPtr histogram_between(const NaiveSample& a, const NaiveSample& b, std::int64_t t,
                               bool counter, const Expr& where, const Step& step);

// What a quantile or fraction has to say of NaN observations.
enum class NanNote { kNone, kResult, kSkew, kFraction };
double histogram_quantile(double q, const model::FloatHistogram& h, NanNote* note);
double histogram_fraction(double lower, double upper, const model::FloatHistogram& h,
                          NanNote* note);
double histogram_variance(const model::FloatHistogram& h);
// Only what is below (`upper`) or above the bound.
HistogramPtr trimmed(const model::FloatHistogram& h, double bound, bool upper);

}  // namespace tocsin::promql::testing::naive
