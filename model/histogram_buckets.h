// SPDX-License-Identifier: Apache-2.0
//
// The buckets of float histograms, without their spans: by index, or in the order of their bounds.
//
// Bucket i of an exponential histogram holds (2^((i-1)/2^schema), 2^(i/2^schema)], mirrored on the
// negative side; bucket i of custom ones ends at custom_values[i], the last at +Inf. The zero bucket
// covers [-zero_threshold, zero_threshold].
// Values; pure functions. They take any histogram, also one that validate() refuses.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/histogram.h"

namespace tocsin::model {

inline bool has_custom_buckets(const FloatHistogram& h) { return h.schema == kCustomBucketsSchema; }

struct IndexedBucket {
  std::int32_t index = 0;
  double count = 0;
};
// Ascending by index; empty buckets may be left out.
using BucketSide = std::vector<IndexedBucket>;

BucketSide expand(const std::vector<HistogramSpan>& spans, const std::vector<double>& counts);
// The reverse; spans are as long as they can be.
void compress(const BucketSide& side, std::vector<HistogramSpan>* spans,
              std::vector<double>* counts);
// Index of the bucket that holds bucket `index` in a schema that is lower by `steps`.
inline std::int32_t lower_index(std::int32_t index, unsigned steps) {
  return steps == 0 ? index : ((index - 1) >> steps) + 1;
}
BucketSide lower_resolution(const BucketSide& side, unsigned steps);
// Largest value in bucket `index` of the positive side.
double exponential_bound(std::int32_t schema, std::int32_t index);

// Bounds that both have, ascending, and the bucket of `to` that holds bucket `index` of `from`.
std::vector<double> common_bounds(const std::vector<double>& a, const std::vector<double>& b);
BucketSide to_bounds(const BucketSide& side, const std::vector<double>& from,
                     const std::vector<double>& to);

struct ZeroBucket {
  double threshold = 0;
  double count = 0;
};
// The zero bucket widened to at least `threshold`: it takes in whole buckets, so it ends above
// `threshold` when that lies inside a bucket that is not empty.
ZeroBucket widen_zero_bucket(const FloatHistogram& h, double threshold);
// Removes the buckets that such a zero bucket has taken in. Only for exponential schemas.
void remove_below(double threshold, std::int32_t schema, BucketSide* side);

struct Bucket {
  double lower = 0;
  double upper = 0;
  bool lower_inclusive = false;
  bool upper_inclusive = true;
  double count = 0;
};
// Those with a count, ascending by bounds, the zero bucket among them. Buckets that reach into the
// zero bucket are cut off at it with kCutAtZero.
enum class Overlap { kKeep, kCutAtZero };
void ordered_buckets(const FloatHistogram& h, Overlap overlap, std::vector<Bucket>* out);

// Whether a counter was reset between `before` and `now`: a count went down, or the layout changed
// in a way that only a restart explains. A hint of `now` decides without looking.
bool detect_reset(const FloatHistogram& now, const FloatHistogram& before);

// As Prometheus prints it: "{count:3, sum:4, [-1,-0.5):1, (1,2]:2}".
std::string to_string(const FloatHistogram& h);

}  // namespace tocsin::model
