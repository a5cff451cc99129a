// SPDX-License-Identifier: Apache-2.0
//
// Quantiles and fractions of classic histograms: cumulative counts by upper bound ("le").
//
// Values; pure functions.
#pragma once

#include <vector>

namespace tocsin::promql::functions {

struct Bucket {
  double upper_bound = 0;
  double count = 0;  // cumulative
};

// What had to be repaired because a larger bucket held less than a smaller one.
struct Repair {
  bool forced = false;
  double min_bound = 0;
  double max_bound = 0;
  double max_difference = 0;
};

// Both sort and merge `buckets` in place. NaN without an +Inf bucket or without observations.
double bucket_quantile(double q, std::vector<Bucket>* buckets, Repair* repair);
double bucket_fraction(double lower, double upper, std::vector<Bucket>* buckets);

}  // namespace tocsin::promql::functions
