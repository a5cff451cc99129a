// SPDX-License-Identifier: Apache-2.0
#include "promql/native/statistics.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "promql/functions/numbers.h"

namespace tocsin::promql::native {

using functions::kInf;
using functions::kNan;
using model::Bucket;
using model::FloatHistogram;

namespace {

bool is_linear(const FloatHistogram& h, const Bucket& bucket) {
  return model::has_custom_buckets(h) || (bucket.lower <= 0 && bucket.upper >= 0);
}

// The zero bucket without the side on which the histogram has no buckets.
void bias_zero_bucket(const FloatHistogram& h, Bucket* bucket) {
  if (model::has_custom_buckets(h) || bucket->lower >= 0 || bucket->upper <= 0) return;
  if (h.negative_buckets.empty() && !h.positive_buckets.empty()) bucket->lower = 0;
  if (h.positive_buckets.empty() && !h.negative_buckets.empty()) bucket->upper = 0;
}

// The value below which the fraction `part` of the bucket lies. REQUIRES: finite bounds.
double value_at(const FloatHistogram& h, const Bucket& bucket, double part) {
  if (is_linear(h, bucket)) return bucket.lower + (bucket.upper - bucket.lower) * part;
  const double low = std::log2(std::fabs(bucket.lower));
  const double high = std::log2(std::fabs(bucket.upper));
  if (bucket.lower > 0) return std::exp2(low + (high - low) * part);
  return -std::exp2(high + (low - high) * (1 - part));
}

// The reverse. REQUIRES: v between finite bounds.
double part_below(const FloatHistogram& h, const Bucket& bucket, double v) {
  if (is_linear(h, bucket)) return (v - bucket.lower) / (bucket.upper - bucket.lower);
  const double low = std::log2(std::fabs(bucket.lower));
  const double high = std::log2(std::fabs(bucket.upper));
  const double at = std::log2(std::fabs(v));
  return v > 0 ? (at - low) / (high - low) : 1 - (at - high) / (low - high);
}

// The bucket in which the rank falls, and how many observations up to its end. From above the rank
// counts from the largest one down.
struct Found {
  Bucket bucket;
  double count = 0;
  std::vector<Bucket> rest;  // what comes after it
};
Found find_rank(const FloatHistogram& h, double rank, bool from_above) {
  std::vector<Bucket> buckets;
  model::ordered_buckets(h, model::Overlap::kCutAtZero, &buckets);
  if (from_above) std::reverse(buckets.begin(), buckets.end());
  Found found;
  auto next = buckets.begin();
  while (next != buckets.end()) {
    found.bucket = *next++;
    found.count += found.bucket.count;
    if (found.count >= rank) break;
  }
  found.rest.assign(next, buckets.end());
  return found;
}

// Observations at or below v.
double rank_of(const FloatHistogram& h, const std::vector<Bucket>& buckets, double v) {
  double rank = 0;
  for (Bucket bucket : buckets) {
    bias_zero_bucket(h, &bucket);
    // Upstream takes any bucket around zero for a zero bucket here, of custom ones the positive
    // part.
    if (model::has_custom_buckets(h) && bucket.lower <= 0 && bucket.upper >= 0) bucket.lower = 0;
    if (v <= bucket.lower) return rank;
    if (v < bucket.upper) {
      if (std::isinf(bucket.lower)) return bucket.count;
      if (std::isinf(bucket.upper)) return rank;
      return rank + bucket.count * part_below(h, bucket, v);
    }
    rank += bucket.count;
  }
  return rank;
}

}  // namespace

bool has_nan_observations(const FloatHistogram& h) {
  if (!std::isnan(h.sum)) return false;
  // In the order of upstream, whose last bits decide.
  std::vector<Bucket> buckets;
  model::ordered_buckets(h, model::Overlap::kCutAtZero, &buckets);
  double count = 0;
  for (const Bucket& bucket : buckets) count += bucket.count;
  return count < h.count;
}

Quantile quantile(double q, const FloatHistogram& h) {
  if (q < 0) return {-kInf};
  if (q > 1) return {kInf};
  if (h.count == 0 || std::isnan(q)) return {kNan};
  // The nearer end is exact; with NaN observations only the rank from below means something.
  const bool has_nan = std::isnan(h.sum);
  const bool from_above = !has_nan && q >= 0.5;
  double rank = (from_above ? 1 - q : q) * h.count;
  auto [bucket, count, rest] = find_rank(h, rank, from_above);
  bias_zero_bucket(h, &bucket);
  if (model::has_custom_buckets(h)) {
    if (std::isinf(bucket.lower) && bucket.lower < 0) {
      if (bucket.upper <= 0) return {bucket.upper};
      bucket.lower = 0;
    } else if (std::isinf(bucket.upper)) {
      return {bucket.lower};
    }
  }
  count = std::min(count, h.count);
  if (has_nan && count < rank) return {kNan, NanEffect::kResultIsNan};
  if (count < rank) return {bucket.upper};
  rank = from_above ? count - rank : rank - (count - bucket.count);
  if (!has_nan) return {value_at(h, bucket, rank / bucket.count)};
  // Counting what is in all buckets, upstream moves on to the last one and interpolates there.
  for (const Bucket& after : rest) {
    bucket = after;
    count += after.count;
  }
  return {value_at(h, bucket, rank / bucket.count),
          count < h.count ? NanEffect::kSkewedHigher : NanEffect::kNone};
}

double fraction(double lower, double upper, const FloatHistogram& h) {
  if (h.count == 0 || std::isnan(lower) || std::isnan(upper)) return kNan;
  if (lower >= upper) return 0;
  std::vector<Bucket> buckets;
  model::ordered_buckets(h, model::Overlap::kCutAtZero, &buckets);
  double count = h.count;  // of what is in buckets
  if (std::isnan(h.sum)) {
    count = 0;
    for (const Bucket& bucket : buckets) count += bucket.count;
  }
  const double high = std::min(rank_of(h, buckets, upper), count);
  return (high - std::min(rank_of(h, buckets, lower), count)) / h.count;
}

double variance(const FloatHistogram& h) {
  const double mean = h.sum / h.count;
  functions::KahanSum squares;
  std::vector<Bucket> buckets;
  model::ordered_buckets(h, model::Overlap::kCutAtZero, &buckets);
  for (const Bucket& bucket : buckets) {
    double middle = 0;  // of the zero bucket
    if (model::has_custom_buckets(h)) {
      middle = (bucket.upper + bucket.lower) / 2;
    } else if (bucket.lower > 0 || bucket.upper < 0) {
      middle = std::copysign(std::sqrt(bucket.upper * bucket.lower), bucket.upper);
    }
    const double delta = middle - mean;
    squares.add(bucket.count * delta * delta);
  }
  return (squares.sum + squares.compensation) / h.count;
}

namespace {

// What is left of a bucket: how much, and the value that stands for all of it.
struct Rest {
  double count = 0;
  double middle = 0;
};

class Trimmer {
 public:
  Trimmer(const FloatHistogram& h, double bound, Keep keep) : h_(h), bound_(bound), keep_(keep) {}

  FloatHistogram trimmed() {
    FloatHistogram out = h_;
    trim_side(out.negative_spans, true, &out.negative_buckets);
    if (h_.zero_count > 0) {
      Bucket zero{-h_.zero_threshold, h_.zero_threshold, true, true, h_.zero_count};
      bias_zero_bucket(h_, &zero);
      out.zero_count = keep(zero, finite(zero));
    }
    trim_side(out.positive_spans, false, &out.positive_buckets);
    if (!changed_) return out;
    out.count = count_.value();
    out.sum = sum_.value();
    compact(&out.negative_spans, &out.negative_buckets);
    compact(&out.positive_spans, &out.positive_buckets);
    return out;
  }

 private:
  static void compact(std::vector<model::HistogramSpan>* spans, std::vector<double>* counts) {
    model::BucketSide side = model::expand(*spans, *counts);
    std::erase_if(side, [](const model::IndexedBucket& bucket) { return bucket.count == 0; });
    model::compress(side, spans, counts);
  }

  void trim_side(const std::vector<model::HistogramSpan>& spans, bool negative,
                 std::vector<double>* counts) {
    const model::BucketSide side = model::expand(spans, *counts);
    for (std::size_t i = 0; i < side.size(); ++i) {
      if (side[i].count != 0) (*counts)[i] = take(bounds_of(side[i], negative));
    }
  }

  Bucket bounds_of(const model::IndexedBucket& bucket, bool negative) const {
    if (model::has_custom_buckets(h_)) {
      const std::vector<double>& bounds = h_.custom_values;
      const auto i = static_cast<std::size_t>(std::max(bucket.index, 0));
      return {i == 0 ? -kInf : bounds[std::min(i, bounds.size()) - 1],
              i < bounds.size() ? bounds[i] : kInf, false, true, bucket.count};
    }
    const double inner = model::exponential_bound(h_.schema, bucket.index - 1);
    const double outer = model::exponential_bound(h_.schema, bucket.index);
    return negative ? Bucket{-outer, -inner, true, false, bucket.count}
                    : Bucket{inner, outer, false, true, bucket.count};
  }

  // Nothing lies on either side of NaN; only the zero bucket is divided by it all the same.
  double take(const Bucket& bucket) {
    if (std::isnan(bound_)) return keep(bucket, {});
    if (!std::isinf(bucket.lower) && !std::isinf(bucket.upper)) return keep(bucket, finite(bucket));
    return keep(bucket, keep_ == Keep::kBelow ? unbounded_below(bucket) : unbounded_above(bucket));
  }

  double keep(const Bucket& bucket, const Rest& rest) {
    changed_ = changed_ || rest.count != bucket.count;
    count_.add(rest.count);
    if (rest.count != 0) sum_.add(rest.count * rest.middle);
    return rest.count;
  }

  double middle(const Bucket& bucket) const {
    if (is_linear(h_, bucket)) return (bucket.lower + bucket.upper) / 2;
    return std::copysign(std::sqrt(bucket.lower * bucket.upper), bucket.lower);
  }

  Rest finite(const Bucket& bucket) const {
    const bool below = keep_ == Keep::kBelow;
    if (below ? bound_ >= bucket.upper : bound_ <= bucket.lower) {
      return {bucket.count, middle(bucket)};
    }
    if (below ? bound_ <= bucket.lower : bound_ >= bucket.upper) return {};
    Bucket kept = bucket;
    (below ? kept.upper : kept.lower) = bound_;
    const double part = part_below(h_, bucket, bound_);
    // The middle of the kept piece is on the scale of the whole bucket.
    const double at = is_linear(h_, bucket) ? (kept.lower + kept.upper) / 2 : middle(kept);
    return {bucket.count * (below ? part : 1 - part), at};
  }

  // A first or last custom bucket cannot be split. What is kept of it is all, on the side of the
  // bound that is kept.
  Rest unbounded_below(const Bucket& bucket) const {
    if (std::isinf(bucket.upper)) {
      const double at = std::isinf(bucket.lower) ? 0 : bucket.lower;
      return bound_ == kInf ? Rest{bucket.count, at} : Rest{};
    }
    if (bucket.upper > 0) return finite({0, bucket.upper, false, true, bucket.count});
    if (bound_ == -kInf) return {};
    return {bucket.count, std::min(bound_, bucket.upper)};
  }
  Rest unbounded_above(const Bucket& bucket) const {
    if (bound_ == kInf) return {};
    if (std::isinf(bucket.lower)) {
      if (bound_ == -kInf) return {bucket.count, std::isinf(bucket.upper) ? 0 : bucket.upper};
      if (std::isinf(bucket.upper) || bucket.upper <= 0 || bound_ < 0) return {};
      return finite({0, bucket.upper, false, true, bucket.count});
    }
    return {bucket.count, std::max(bound_, bucket.lower)};
  }

  const FloatHistogram& h_;
  const double bound_;
  const Keep keep_;
  bool changed_ = false;
  functions::KahanSum count_, sum_;
};

}  // namespace

FloatHistogram trim(const FloatHistogram& h, double bound, Keep keep) {
  return Trimmer(h, bound, keep).trimmed();
}

}  // namespace tocsin::promql::native
