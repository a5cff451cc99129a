// SPDX-License-Identifier: Apache-2.0
#include "promql/testing/naive_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "model/value.h"

namespace tocsin::promql::testing::naive {

namespace {

using model::CounterResetHint;
using model::FloatHistogram;
using Side = std::map<std::int32_t, double>;

// A histogram with its buckets by index.
struct Open {
  FloatHistogram head;  // without buckets
  Side positive, negative;
  bool custom() const { return head.schema == model::kCustomBucketsSchema; }
};

Side side_of(const std::vector<model::HistogramSpan>& spans, const std::vector<double>& counts) {
  Side out;
  std::int32_t index = 0;
  std::size_t next = 0;
  for (const model::HistogramSpan& span : spans) {
    index += span.offset;
    for (std::uint32_t i = 0; i < span.length; ++i) out[index++] = counts.at(next++);
  }
  return out;
}

Open open(const FloatHistogram& h) {
  Open out{h, side_of(h.positive_spans, h.positive_buckets),
           side_of(h.negative_spans, h.negative_buckets)};
  out.head.positive_spans.clear();
  out.head.negative_spans.clear();
  out.head.positive_buckets.clear();
  out.head.negative_buckets.clear();
  return out;
}

void close_side(const Side& side, std::vector<model::HistogramSpan>* spans,
                std::vector<double>* counts) {
  std::int32_t end = 0;
  for (const auto& [index, count] : side) {
    if (count == 0) continue;
    if (spans->empty() || index != end) spans->push_back({index - end, 0});
    ++spans->back().length;
    counts->push_back(count);
    end = index + 1;
  }
}

HistogramPtr close(const Open& h) {
  FloatHistogram out = h.head;
  close_side(h.positive, &out.positive_spans, &out.positive_buckets);
  close_side(h.negative, &out.negative_spans, &out.negative_buckets);
  return std::make_shared<const FloatHistogram>(std::move(out));
}

struct Range {
  double lower = 0, upper = 0;
};

// Of bucket `index` on the positive side.
Range range_of(const Open& h, std::int32_t index) {
  if (!h.custom()) {
    const auto bound = [&](std::int32_t i) {
      return std::exp2(std::ldexp(static_cast<double>(i), -h.head.schema));
    };
    return {bound(index - 1), bound(index)};
  }
  const auto& bounds = h.head.custom_values;
  const auto i = static_cast<std::size_t>(index);
  return {i == 0 ? -HUGE_VAL : bounds[i - 1], i < bounds.size() ? bounds[i] : HUGE_VAL};
}

std::int32_t coarser(std::int32_t index, std::int32_t from, std::int32_t to) {
  for (; from > to; --from) {
    index = static_cast<std::int32_t>(std::ceil(static_cast<double>(index) / 2));
  }
  return index;
}

Side lowered(const Side& side, std::int32_t from, std::int32_t to) {
  Side out;
  for (const auto& [index, count] : side) out[coarser(index, from, to)] += count;
  return out;
}

Open at_schema(Open h, std::int32_t schema) {
  h.positive = lowered(h.positive, h.head.schema, schema);
  h.negative = lowered(h.negative, h.head.schema, schema);
  h.head.schema = schema;
  return h;
}

// The zero bucket takes in what lies below the threshold, and where that ends inside a bucket with
// observations, all of that bucket.
Open widened(const Open& h, double threshold) {
  if (threshold <= h.head.zero_threshold) return h;
  bool again = true;
  while (again) {
    again = false;
    for (const Side* side : {&h.positive, &h.negative}) {
      for (const auto& [index, count] : *side) {
        const Range r = range_of(h, index);
        if (count == 0 || r.lower >= threshold || r.upper <= threshold) continue;
        threshold = r.upper;
        again = true;
      }
    }
  }
  Open out = h;
  out.head.zero_threshold = threshold;
  for (Side* side : {&out.positive, &out.negative}) {
    for (auto& [index, count] : *side) {
      if (range_of(h, index).lower >= threshold) continue;
      out.head.zero_count += count;
      count = 0;
    }
  }
  return out;
}

void same_zero_bucket(Open* a, Open* b) {
  while (a->head.zero_threshold != b->head.zero_threshold) {
    const double threshold = std::max(a->head.zero_threshold, b->head.zero_threshold);
    *a = widened(*a, threshold);
    *b = widened(*b, threshold);
  }
}

// Buckets between bounds that only one has are put together.
Open at_bounds(const Open& h, const std::vector<double>& bounds) {
  Open out = h;
  out.positive.clear();
  out.head.custom_values = bounds;
  for (const auto& [index, count] : h.positive) {
    const double upper = range_of(h, index).upper;
    const auto at = std::lower_bound(bounds.begin(), bounds.end(), upper) - bounds.begin();
    out.positive[static_cast<std::int32_t>(at)] += count;
  }
  return out;
}

bool same_bounds(Open* a, Open* b) {
  if (a->head.custom_values == b->head.custom_values) return true;
  std::vector<double> common;
  for (const double v : a->head.custom_values) {
    const auto& other = b->head.custom_values;
    if (std::find(other.begin(), other.end(), v) != other.end()) common.push_back(v);
  }
  *a = at_bounds(*a, common);
  *b = at_bounds(*b, common);
  return false;
}

CounterResetHint joined_hint(CounterResetHint a, CounterResetHint b, bool* collision) {
  if (a == b) return a;
  for (const CounterResetHint wins : {CounterResetHint::kGauge, CounterResetHint::kUnknown}) {
    if (a == wins || b == wins) return wins;
  }
  *collision = true;
  return CounterResetHint::kUnknown;
}

HistogramSum combined(const FloatHistogram& x, const FloatHistogram& y, double sign) {
  Open a = open(x), b = open(y);
  HistogramSum out;
  if (a.custom() != b.custom()) return out;
  a.head.reset_hint = joined_hint(x.reset_hint, y.reset_hint, &out.collision);
  if (a.custom()) {
    out.reconciled = !same_bounds(&a, &b);
  } else {
    same_zero_bucket(&a, &b);
    const std::int32_t schema = std::min(a.head.schema, b.head.schema);
    a = at_schema(a, schema);
    b = at_schema(b, schema);
  }
  a.head.zero_count += sign * b.head.zero_count;
  a.head.count += sign * b.head.count;
  a.head.sum += sign * b.head.sum;
  for (const auto& [index, count] : b.positive) a.positive[index] += sign * count;
  for (const auto& [index, count] : b.negative) a.negative[index] += sign * count;
  out.value = close(a);
  return out;
}

// Whether a bucket lost observations.
bool lost(const Side& now, const Side& before) {
  for (const auto& [index, count] : before) {
    const auto it = now.find(index);
    if (it == now.end() ? count != 0 : it->second < count) return true;
  }
  return false;
}

}  // namespace

HistogramPtr with_hint(const FloatHistogram& h, CounterResetHint hint) {
  auto copy = std::make_shared<FloatHistogram>(h);
  copy->reset_hint = hint;
  return copy;
}

HistogramPtr scaled(const FloatHistogram& h, double factor) {
  Open out = open(h);
  out.head.count *= factor;
  out.head.sum *= factor;
  out.head.zero_count *= factor;
  for (auto& [index, count] : out.positive) count *= factor;
  for (auto& [index, count] : out.negative) count *= factor;
  if (factor < 0) out.head.reset_hint = CounterResetHint::kGauge;
  return close(out);
}

HistogramPtr divided(const FloatHistogram& h, double divisor) {
  Open out = open(h);
  out.head.count /= divisor;
  out.head.sum /= divisor;
  out.head.zero_count /= divisor;
  for (auto& [index, count] : out.positive) count /= divisor;
  for (auto& [index, count] : out.negative) count /= divisor;
  if (divisor < 0) out.head.reset_hint = CounterResetHint::kGauge;
  if (divisor == 0) {
    out.positive.clear();
    out.negative.clear();
  }
  return close(out);
}

HistogramPtr noisy(const FloatHistogram& h, const Step& step) {
  if (step.random == nullptr) return std::make_shared<const FloatHistogram>(h);
  const auto bent = [&](double v) { return v == std::floor(v) ? v : step.noisy(v); };
  Open out = open(h);
  out.head.count = bent(h.count);
  out.head.sum = bent(h.sum);
  out.head.zero_count = bent(h.zero_count);
  for (auto& [index, count] : out.positive) count = bent(count);
  for (auto& [index, count] : out.negative) count = bent(count);
  return close(out);
}

HistogramSum added(const FloatHistogram& a, const FloatHistogram& b) { return combined(a, b, 1); }
HistogramSum subtracted(const FloatHistogram& a, const FloatHistogram& b) {
  return combined(a, b, -1);
}

bool was_reset(const FloatHistogram& now, const FloatHistogram& before) {
  if (now.reset_hint == CounterResetHint::kReset) return true;
  if (now.reset_hint == CounterResetHint::kNotReset) return false;
  if (now.count < before.count) return true;
  Open a = open(now), b = open(before);
  if (a.custom() != b.custom()) return true;
  if (a.custom()) {
    same_bounds(&a, &b);
    return lost(a.positive, b.positive);
  }
  if (a.head.schema > b.head.schema || a.head.zero_threshold < b.head.zero_threshold) return true;
  b = widened(b, a.head.zero_threshold);
  if (b.head.zero_threshold != a.head.zero_threshold) return true;
  if (a.head.zero_count < b.head.zero_count) return true;
  b = at_schema(b, a.head.schema);
  return lost(a.positive, b.positive) || lost(a.negative, b.negative);
}

bool same(const FloatHistogram& a, const FloatHistogram& b) {
  const auto bits = [](double v) { return std::bit_cast<std::uint64_t>(v); };
  const Open x = open(a), y = open(b);
  const auto same_side = [&](const Side& p, const Side& q) {
    return p.size() == q.size() && std::equal(p.begin(), p.end(), q.begin(), [&](auto& m, auto& n) {
             return m.first == n.first && bits(m.second) == bits(n.second);
           });
  };
  return a.schema == b.schema && bits(a.count) == bits(b.count) && bits(a.sum) == bits(b.sum) &&
         a.zero_threshold == b.zero_threshold && bits(a.zero_count) == bits(b.zero_count) &&
         (!x.custom() || a.custom_values == b.custom_values) && same_side(x.positive, y.positive) &&
         same_side(x.negative, y.negative);
}

bool nearly(const FloatHistogram& a, const FloatHistogram& b, double epsilon) {
  double scale = 0;
  for (const FloatHistogram* h : {&a, &b}) {
    for (const double v : h->positive_buckets) scale = std::max(scale, std::fabs(v));
    for (const double v : h->negative_buckets) scale = std::max(scale, std::fabs(v));
    scale = std::max({scale, std::fabs(h->zero_count), std::fabs(h->count)});
  }
  const auto close_to = [&](double v, double w) {
    if (std::isnan(v) || std::isnan(w)) return std::isnan(v) && std::isnan(w);
    return v == w || std::fabs(v - w) <= epsilon * (scale + std::fabs(v) + std::fabs(w));
  };
  const auto same_side = [&](Side p, Side q) {
    for (const auto& [index, count] : p) q.try_emplace(index, 0);
    for (const auto& [index, count] : q) {
      if (!close_to(count, p[index])) return false;
    }
    return true;
  };
  const Open x = open(a), y = open(b);
  return a.schema == b.schema && a.zero_threshold == b.zero_threshold &&
         a.custom_values == b.custom_values && close_to(a.count, b.count) &&
         (close_to(a.sum, b.sum) || std::fabs(a.sum - b.sum) < 1e-9) &&
         close_to(a.zero_count, b.zero_count) && same_side(x.positive, y.positive) &&
         same_side(x.negative, y.negative);
}

HistogramPtr histogram_between(const NaiveSample& a, const NaiveSample& b, std::int64_t t,
                               bool counter, const Expr& where, const Step& step) {
  if (t == a.t) return a.histogram;
  if (t == b.t) return b.histogram;
  const double part = static_cast<double>(t - a.t) / static_cast<double>(b.t - a.t);
  if (counter && was_reset(*b.histogram, *a.histogram)) return scaled(*b.histogram, part);
  const HistogramSum difference = subtracted(*b.histogram, *a.histogram);
  if (difference.value == nullptr) return nullptr;
  const HistogramSum sum = added(*scaled(*difference.value, part), *a.histogram);
  if (difference.reconciled) {
    step.info(where, "mismatched custom buckets were reconciled during subtraction");
  }
  if (sum.reconciled) {
    step.info(where, "mismatched custom buckets were reconciled during addition");
  }
  return sum.value;
}

namespace {

struct Bucket {
  double lower = 0, upper = 0, count = 0;
};

// From the lowest to the highest; cut off where the zero bucket begins.
std::vector<Bucket> ascending(const Open& h) {
  std::vector<Bucket> out;
  const double zero = h.head.zero_threshold;
  for (auto it = h.negative.rbegin(); it != h.negative.rend(); ++it) {
    const Range r = range_of(h, it->first);
    out.push_back({-r.upper, r.lower < zero ? -zero : -r.lower, it->second});
  }
  if (h.head.zero_count > 0) out.push_back({-zero, zero, h.head.zero_count});
  for (const auto& [index, count] : h.positive) {
    const Range r = range_of(h, index);
    out.push_back({r.lower > 0 && r.lower < zero ? zero : r.lower, r.upper, count});
  }
  return out;
}

// Observations of one sign only: the zero bucket ends at zero on the other side.
void cut_zero_bucket(const Open& h, Bucket* b) {
  if (h.negative.empty() && !h.positive.empty()) b->lower = 0;
  if (h.positive.empty() && !h.negative.empty()) b->upper = 0;
}

// Which part of the bucket lies below v.
double part_below(const Bucket& b, double v, bool linear) {
  if (linear) return (v - b.lower) / (b.upper - b.lower);
  const double low = std::log2(std::fabs(b.lower)), high = std::log2(std::fabs(b.upper));
  return (std::log2(std::fabs(v)) - low) / (high - low);
}

double value_at(const Bucket& b, double part, bool linear) {
  if (linear) return b.lower + (b.upper - b.lower) * part;
  const double low = std::log2(std::fabs(b.lower)), high = std::log2(std::fabs(b.upper));
  const double v = std::exp2(low + (high - low) * part);
  return b.lower > 0 ? v : -v;
}

}  // namespace

double histogram_quantile(double q, const FloatHistogram& closed, NanNote* note) {
  if (q < 0) return -HUGE_VAL;
  if (q > 1) return HUGE_VAL;
  if (closed.count == 0 || std::isnan(q)) return model::normal_nan();
  const Open h = open(closed);
  std::vector<Bucket> buckets = ascending(h);
  const bool nan_sum = std::isnan(h.head.sum);
  const bool from_top = !nan_sum && q >= 0.5;
  if (from_top) std::reverse(buckets.begin(), buckets.end());
  double rank = (from_top ? 1 - q : q) * h.head.count;
  double seen = 0, all = 0;
  Bucket b;
  bool found = false;
  std::optional<Bucket> last;  // of those after the one that is found
  for (const Bucket& bucket : buckets) {
    all += bucket.count;
    if (found && bucket.count != 0) last = bucket;
    if (found) continue;
    b = bucket;
    seen += bucket.count;
    found = bucket.count != 0 && seen >= rank;
  }
  if (h.custom()) {
    if (std::isinf(b.lower)) {
      if (b.upper <= 0) return b.upper;
      b.lower = 0;
    } else if (std::isinf(b.upper)) {
      return b.lower;
    }
  } else if (b.lower < 0 && b.upper > 0) {
    cut_zero_bucket(h, &b);
  }
  seen = std::min(seen, h.head.count);
  if (seen < rank) {
    if (!nan_sum) return b.upper;
    *note = NanNote::kResult;
    return model::normal_nan();
  }
  if (nan_sum && all < h.head.count) *note = NanNote::kSkew;
  const double above = from_top ? seen - rank : rank - (seen - b.count);
  // Upstream looks for NaN observations up to the last bucket, and stays there.
  if (nan_sum && last) b = *last;
  const double part = above / b.count;
  return value_at(b, part, h.custom() || (b.lower <= 0 && b.upper >= 0));
}

namespace {

// Observations below v, where the bucket that v falls into is divided.
double observations_below(double v, const Open& h) {
  double below = 0;
  for (Bucket b : ascending(h)) {
    const bool zero = b.lower <= 0 && b.upper >= 0;
    if (zero) cut_zero_bucket(h, &b);
    if (b.lower >= v) return below;
    if (b.upper > v) {
      if (std::isinf(b.lower) && h.custom()) return b.count;
      return below + b.count * part_below(b, v, h.custom() || zero);
    }
    below += b.count;
  }
  return HUGE_VAL;
}

}  // namespace

double histogram_fraction(double lower, double upper, const FloatHistogram& closed, NanNote* note) {
  if (closed.count == 0 || std::isnan(lower) || std::isnan(upper)) return model::normal_nan();
  if (lower >= upper) return 0;
  const Open h = open(closed);
  double count = closed.count;
  if (std::isnan(closed.sum)) {
    count = 0;
    for (const Bucket& b : ascending(h)) count += b.count;
    if (count < closed.count) *note = NanNote::kFraction;
  }
  const double from = observations_below(lower, h), to = observations_below(upper, h);
  return ((to > count ? count : to) - (from > count ? count : from)) / closed.count;
}

double histogram_variance(const FloatHistogram& closed) {
  const Open h = open(closed);
  const double mean = closed.sum / closed.count;
  long double squares = 0;
  for (const Bucket& b : ascending(h)) {
    if (b.count == 0) continue;
    double v = 0;
    if (h.custom()) {
      v = (b.upper + b.lower) / 2;
    } else if (!(b.lower <= 0 && b.upper >= 0)) {
      v = std::sqrt(b.upper * b.lower) * (b.upper < 0 ? -1 : 1);
    }
    squares += static_cast<long double>(b.count) * (v - mean) * (v - mean);
  }
  return static_cast<double>(squares) / closed.count;
}

namespace {

// What is kept of a bucket, and the value that stands for each observation kept.
struct Kept {
  double count = 0, value = 0;
};

double middle(double low, double high, bool linear, bool positive) {
  if (std::isinf(low) && std::isinf(high)) return 0;
  if (std::isinf(low)) return high > 0 ? high / 2 : high;
  if (std::isinf(high)) return low;
  if (linear) return (low + high) / 2;
  return std::sqrt(std::fabs(low * high)) * (positive ? 1 : -1);
}

// A bucket without lower bound that the trim point lies in: one that ends above zero is taken to
// begin there.
Kept keep_of_first(const Bucket& b, double bound, bool upper) {
  if (upper) {
    if (bound > 0 && b.upper > 0 && std::isfinite(b.upper)) {
      return {b.count * bound / b.upper, bound / 2};
    }
    return b.upper <= 0 ? Kept{b.count, bound} : Kept{};
  }
  if (bound >= 0 && b.upper > bound && std::isfinite(b.upper)) {
    return {b.count * (1 - bound / b.upper), (bound + b.upper) / 2};
  }
  return {};
}

Kept keep_of(const Bucket& b, double bound, bool upper, bool linear, bool positive) {
  const bool whole = upper ? b.upper <= bound : b.lower >= bound;
  const bool nothing = upper ? b.lower >= bound : b.upper <= bound;
  if (whole) return {b.count, middle(b.lower, b.upper, linear, positive)};
  if (nothing) return {};
  if (std::isinf(b.lower)) return keep_of_first(b, bound, upper);
  if (std::isinf(b.upper)) return upper ? Kept{} : Kept{b.count, bound};
  const double below = b.count * part_below(b, bound, linear);
  if (upper) return {below, middle(b.lower, bound, linear, positive)};
  return {b.count - below, middle(bound, b.upper, linear, positive)};
}

}  // namespace

HistogramPtr trimmed(const FloatHistogram& closed, double bound, bool upper) {
  Open h = open(closed);
  double count = 0, sum = 0;
  bool changed = false;
  const Open before = h;
  const auto take = [&](double* own, const Kept& kept) {
    changed = changed || *own != kept.count;
    *own = kept.count;
    count += kept.count;
    if (kept.count != 0) sum += kept.value * kept.count;
  };
  // Only the zero bucket is divided by NaN.
  const auto keep = [&](const Bucket& b, bool positive) {
    return std::isnan(bound) ? Kept() : keep_of(b, bound, upper, h.custom(), positive);
  };
  for (auto& [index, own] : h.positive) {
    const Range r = range_of(h, index);
    if (own != 0) take(&own, keep({r.lower, r.upper, own}, true));
  }
  for (auto& [index, own] : h.negative) {
    const Range r = range_of(h, index);
    if (own != 0) take(&own, keep({-r.upper, -r.lower, own}, false));
  }
  if (h.head.zero_count > 0) {
    Bucket zero{-h.head.zero_threshold, h.head.zero_threshold, h.head.zero_count};
    cut_zero_bucket(before, &zero);
    take(&h.head.zero_count, keep_of(zero, bound, upper, true, true));
  }
  if (changed) {
    h.head.count = count;
    h.head.sum = sum;
  }
  return close(h);
}

}  // namespace tocsin::promql::testing::naive
