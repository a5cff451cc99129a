// SPDX-License-Identifier: Apache-2.0
#include "promql/functions/classic_histogram.h"

#include <algorithm>
#include <cmath>

#include "promql/functions/numbers.h"

namespace tocsin::promql::functions {

namespace {

// Counts that differ by less come from the rounding of sums and rates.
constexpr double kSmallDelta = 1e-12;

void sort_and_merge(std::vector<Bucket>* buckets) {
  std::stable_sort(buckets->begin(), buckets->end(),
                   [](const Bucket& a, const Bucket& b) { return a.upper_bound < b.upper_bound; });
  std::size_t kept = 0;
  for (std::size_t i = 1; i < buckets->size(); ++i) {
    if ((*buckets)[i].upper_bound == (*buckets)[kept].upper_bound) {
      (*buckets)[kept].count += (*buckets)[i].count;
    } else {
      (*buckets)[++kept] = (*buckets)[i];
    }
  }
  buckets->resize(kept + 1);
}

void make_monotonic(std::vector<Bucket>* buckets, Repair* repair) {
  double previous = (*buckets)[0].count;
  for (std::size_t i = 1; i < buckets->size(); ++i) {
    Bucket& bucket = (*buckets)[i];
    if (bucket.count == previous) continue;
    if (almost_equal(previous, bucket.count, kSmallDelta)) {
      bucket.count = previous;
      continue;
    }
    if (!(bucket.count < previous)) {  // also next to NaN
      previous = bucket.count;
      continue;
    }
    if (!repair->forced) repair->min_bound = repair->max_bound = bucket.upper_bound;
    repair->forced = true;
    repair->min_bound = std::min(repair->min_bound, bucket.upper_bound);
    repair->max_bound = std::max(repair->max_bound, bucket.upper_bound);
    repair->max_difference = std::max(repair->max_difference, previous - bucket.count);
    bucket.count = previous;
  }
}

// The first bucket with at least `rank` observations, the last one at the latest. Among counts that
// are NaN it matters that it is found by halving.
std::size_t find_rank(const std::vector<Bucket>& buckets, double rank) {
  std::size_t begin = 0, end = buckets.size() - 1;
  while (begin < end) {
    const std::size_t middle = (begin + end) / 2;
    if (buckets[middle].count >= rank) {
      end = middle;
    } else {
      begin = middle + 1;
    }
  }
  return begin;
}

bool usable(const std::vector<Bucket>& buckets) {
  return !buckets.empty() && std::any_of(buckets.begin(), buckets.end(), [](const Bucket& b) {
    return std::isinf(b.upper_bound) && b.upper_bound > 0;
  });
}

}  // namespace

double bucket_quantile(double q, std::vector<Bucket>* buckets, Repair* repair) {
  if (std::isnan(q)) return kNan;
  if (q < 0) return -kInf;
  if (q > 1) return kInf;
  if (!usable(*buckets)) return kNan;
  sort_and_merge(buckets);
  make_monotonic(buckets, repair);
  if (buckets->size() < 2 || buckets->back().count == 0) return kNan;
  double rank = q * buckets->back().count;
  const std::size_t last = buckets->size() - 1;
  const std::size_t b = find_rank(*buckets, rank);
  if (b == last) return (*buckets)[last - 1].upper_bound;
  const double end = (*buckets)[b].upper_bound;
  if (b == 0 && end <= 0) return end;
  double start = 0;
  double count = (*buckets)[b].count;
  if (b > 0) {
    start = (*buckets)[b - 1].upper_bound;
    count -= (*buckets)[b - 1].count;
    rank -= (*buckets)[b - 1].count;
  }
  return start + (end - start) * (rank / count);
}

namespace {

// Observations at or below `v`, interpolated inside its bucket. The first bucket begins at 0 when
// its bound is positive. A bucket without lower bound cannot be interpolated and counts as a
// whole; of one without upper bound a share of 1 / Inf counts.
double rank_of(double v, const std::vector<Bucket>& buckets) {
  double below = 0;
  double start = buckets[0].upper_bound > 0 ? 0 : -kInf;
  for (const Bucket& b : buckets) {
    if (v <= start) return below;
    if (v < b.upper_bound) {
      if (std::isinf(start)) return b.count;
      return below + (b.count - below) * (v - start) / (b.upper_bound - start);
    }
    below = b.count;
    start = b.upper_bound;
  }
  return below;
}

}  // namespace

double bucket_fraction(double lower, double upper, std::vector<Bucket>* buckets) {
  if (!usable(*buckets)) return kNan;
  sort_and_merge(buckets);
  const double count = buckets->back().count;
  if (count == 0 || std::isnan(lower) || std::isnan(upper)) return kNan;
  if (lower >= upper) return 0;
  const double low = std::min(rank_of(lower, *buckets), count);
  const double high = std::min(rank_of(upper, *buckets), count);
  return (high - low) / count;
}

}  // namespace tocsin::promql::functions
