// SPDX-License-Identifier: Apache-2.0
#include "model/histogram_buckets.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/value.h"

namespace tocsin::model {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// `from` and the sums of its buckets that fall together under `index_of`, which must not descend.
template <typename F>
BucketSide regroup(const BucketSide& from, F index_of) {
  BucketSide to;
  for (const IndexedBucket& bucket : from) {
    const std::int32_t index = index_of(bucket.index);
    if (to.empty() || to.back().index != index) to.push_back({index, 0});
    to.back().count += bucket.count;
  }
  return to;
}

// Whether a bucket of `before` holds more than the same one of `now`.
bool any_decrease(const BucketSide& now, const BucketSide& before) {
  auto next = now.begin();
  for (const IndexedBucket& bucket : before) {
    if (bucket.count == 0) continue;
    while (next != now.end() && next->index < bucket.index) ++next;
    if (next == now.end() || next->index != bucket.index) return true;
    if (next->count < bucket.count) return true;
  }
  return false;
}

bool custom_reset(const FloatHistogram& now, const FloatHistogram& before) {
  const BucketSide a = expand(now.positive_spans, now.positive_buckets);
  const BucketSide b = expand(before.positive_spans, before.positive_buckets);
  if (now.custom_values == before.custom_values) return any_decrease(a, b);
  const std::vector<double> bounds = common_bounds(now.custom_values, before.custom_values);
  return any_decrease(to_bounds(a, now.custom_values, bounds),
                      to_bounds(b, before.custom_values, bounds));
}

bool side_reset(const FloatHistogram& now, const BucketSide& now_side, const FloatHistogram& before,
                BucketSide before_side) {
  remove_below(now.zero_threshold, before.schema, &before_side);
  if (before.schema == now.schema) return any_decrease(now_side, before_side);
  return any_decrease(
      now_side, lower_resolution(before_side, static_cast<unsigned>(before.schema - now.schema)));
}

void append_side(const FloatHistogram& h, Overlap overlap, bool negative,
                 std::vector<Bucket>* out) {
  const std::size_t begin = out->size();
  const BucketSide side = negative ? expand(h.negative_spans, h.negative_buckets)
                                   : expand(h.positive_spans, h.positive_buckets);
  for (const IndexedBucket& bucket : side) {
    if (bucket.count == 0) continue;
    double inner = exponential_bound(h.schema, bucket.index - 1);
    const double outer = exponential_bound(h.schema, bucket.index);
    if (overlap == Overlap::kCutAtZero) inner = std::max(inner, h.zero_threshold);
    out->push_back(negative ? Bucket{-outer, -inner, true, false, bucket.count}
                            : Bucket{inner, outer, false, true, bucket.count});
  }
  if (negative) std::reverse(out->begin() + static_cast<std::ptrdiff_t>(begin), out->end());
}

void append_custom(const FloatHistogram& h, std::vector<Bucket>* out) {
  const auto bounds = static_cast<std::int32_t>(h.custom_values.size());
  for (const IndexedBucket& bucket : expand(h.positive_spans, h.positive_buckets)) {
    if (bucket.count == 0 || bucket.index < 0 || bucket.index > bounds) continue;
    const auto i = static_cast<std::size_t>(bucket.index);
    const double lower = i == 0 ? -kInfinity : h.custom_values[i - 1];
    const double upper = bucket.index == bounds ? kInfinity : h.custom_values[i];
    out->push_back({lower, upper, i == 0, true, bucket.count});
  }
}

}  // namespace

BucketSide expand(const std::vector<HistogramSpan>& spans, const std::vector<double>& counts) {
  BucketSide side;
  side.reserve(counts.size());
  std::int32_t index = 0;
  for (const HistogramSpan& span : spans) {
    index += span.offset;
    for (std::uint32_t k = 0; k < span.length && side.size() < counts.size(); ++k, ++index) {
      side.push_back({index, counts[side.size()]});
    }
  }
  return side;
}

void compress(const BucketSide& side, std::vector<HistogramSpan>* spans,
              std::vector<double>* counts) {
  spans->clear();
  counts->clear();
  counts->reserve(side.size());
  std::int32_t next = 0;
  for (const IndexedBucket& bucket : side) {
    if (spans->empty() || bucket.index != next) {
      spans->push_back({spans->empty() ? bucket.index : bucket.index - next, 0});
    }
    ++spans->back().length;
    counts->push_back(bucket.count);
    next = bucket.index + 1;
  }
}

BucketSide lower_resolution(const BucketSide& side, unsigned steps) {
  return regroup(side, [&](std::int32_t index) { return lower_index(index, steps); });
}

double exponential_bound(std::int32_t schema, std::int32_t index) {
  constexpr double kMax = std::numeric_limits<double>::max();
  if (schema <= 0) {
    const std::int64_t exponent = std::int64_t{index} << -schema;
    if (exponent == 1024) return kMax;
    return std::ldexp(1.0, static_cast<int>(std::clamp<std::int64_t>(exponent, -2000, 2000)));
  }
  const std::int32_t mask = (1 << schema) - 1;
  const std::int32_t whole = index >> schema;
  if (whole == 1024 && (index & mask) == 0) return kMax;
  return std::ldexp(std::exp2(static_cast<double>(index & mask) / (mask + 1)), whole);
}

std::vector<double> common_bounds(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> common;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(common));
  return common;
}

BucketSide to_bounds(const BucketSide& side, const std::vector<double>& from,
                     const std::vector<double>& to) {
  return regroup(side, [&](std::int32_t index) {
    const auto i = static_cast<std::size_t>(std::max(index, 0));
    if (i >= from.size()) return static_cast<std::int32_t>(to.size());
    return static_cast<std::int32_t>(std::lower_bound(to.begin(), to.end(), from[i]) - to.begin());
  });
}

ZeroBucket widen_zero_bucket(const FloatHistogram& h, double threshold) {
  if (threshold <= h.zero_threshold) return {h.zero_threshold, h.zero_count};
  const BucketSide sides[] = {expand(h.positive_spans, h.positive_buckets),
                              expand(h.negative_spans, h.negative_buckets)};
  // A populated bucket that is cut moves the threshold, which may then cut one of the other side.
  for (double before = -1; before != threshold;) {
    before = threshold;
    for (const BucketSide& side : sides) {
      for (const IndexedBucket& bucket : side) {
        if (exponential_bound(h.schema, bucket.index - 1) >= threshold) break;
        if (bucket.count == 0) continue;
        threshold = std::max(threshold, exponential_bound(h.schema, bucket.index));
      }
    }
  }
  ZeroBucket zero{threshold, h.zero_count};
  for (const BucketSide& side : sides) {
    for (const IndexedBucket& bucket : side) {
      if (exponential_bound(h.schema, bucket.index - 1) >= threshold) break;
      zero.count += bucket.count;
    }
  }
  return zero;
}

void remove_below(double threshold, std::int32_t schema, BucketSide* side) {
  const auto kept = std::find_if(side->begin(), side->end(), [&](const IndexedBucket& bucket) {
    return exponential_bound(schema, bucket.index - 1) >= threshold;
  });
  side->erase(side->begin(), kept);
}

void ordered_buckets(const FloatHistogram& h, Overlap overlap, std::vector<Bucket>* out) {
  out->clear();
  if (has_custom_buckets(h)) {
    append_custom(h, out);
    return;
  }
  append_side(h, overlap, true, out);
  // As upstream: printed when it is not empty, but walked over only when it is positive.
  if (overlap == Overlap::kKeep ? h.zero_count != 0 : h.zero_count > 0) {
    out->push_back({-h.zero_threshold, h.zero_threshold, true, true, h.zero_count});
  }
  append_side(h, overlap, false, out);
}

bool detect_reset(const FloatHistogram& now, const FloatHistogram& before) {
  if (now.reset_hint == CounterResetHint::kReset) return true;
  if (now.reset_hint == CounterResetHint::kNotReset) return false;
  if (now.count < before.count) return true;
  if (has_custom_buckets(now) != has_custom_buckets(before)) return true;
  if (has_custom_buckets(now)) return custom_reset(now, before);
  if (now.schema > before.schema || now.zero_threshold < before.zero_threshold) return true;
  const ZeroBucket zero = widen_zero_bucket(before, now.zero_threshold);
  if (zero.threshold != now.zero_threshold || now.zero_count < zero.count) return true;
  return side_reset(now, expand(now.positive_spans, now.positive_buckets), before,
                    expand(before.positive_spans, before.positive_buckets)) ||
         side_reset(now, expand(now.negative_spans, now.negative_buckets), before,
                    expand(before.negative_spans, before.negative_buckets));
}

std::string to_string(const FloatHistogram& h) {
  std::string text = "{count:" + format_float_g(h.count) + ", sum:" + format_float_g(h.sum);
  std::vector<Bucket> buckets;
  ordered_buckets(h, Overlap::kKeep, &buckets);
  for (const Bucket& bucket : buckets) {
    text += bucket.lower_inclusive ? ", [" : ", (";
    text += format_float_g(bucket.lower) + "," + format_float_g(bucket.upper);
    text += bucket.upper_inclusive ? "]:" : "):";
    text += format_float_g(bucket.count);
  }
  return text + "}";
}

}  // namespace tocsin::model
