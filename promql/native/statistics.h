// SPDX-License-Identifier: Apache-2.0
//
// What one native histogram tells of its observations, and the trim operators.
//
// Inside a bucket observations are taken as spread evenly: on a logarithmic scale in exponential
// buckets, on a linear one in custom buckets and the zero bucket. The zero bucket of a histogram
// with buckets on one side only lies on that side. The first custom bucket begins at 0 when it ends
// above.
// Values; pure functions.
#pragma once

#include "model/histogram_buckets.h"

namespace tocsin::promql::native {

// NaN observations are in the count but in no bucket; they show as a NaN sum.
enum class NanEffect { kNone, kResultIsNan, kSkewedHigher };
struct Quantile {
  double value = 0;
  NanEffect nan = NanEffect::kNone;
};
// As upstream: -Inf below 0, +Inf above 1, NaN for an empty histogram.
Quantile quantile(double q, const model::FloatHistogram& h);

// Whether fewer observations are in buckets than were counted. An infinite one of each sign makes a
// NaN sum too.
bool has_nan_observations(const model::FloatHistogram& h);

// The part of the observations in (lower, upper].
double fraction(double lower, double upper, const model::FloatHistogram& h);

// Of the population, each observation at the middle of its bucket.
double variance(const model::FloatHistogram& h);

// h </ bound keeps what is at or below it, h >/ bound what is above. Count and sum are estimated
// anew when something is cut off.
enum class Keep { kBelow, kAbove };
model::FloatHistogram trim(const model::FloatHistogram& h, double bound, Keep keep);

}  // namespace tocsin::promql::native
