// SPDX-License-Identifier: Apache-2.0
#include "promql/native/sum.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tocsin::promql::native {

using functions::KahanSum;
using model::BucketSide;
using model::CounterResetHint;
using model::FloatHistogram;

HistogramSum::HistogramSum(const FloatHistogram& first)
    : hint_(first.reset_hint),
      schema_(first.schema),
      zero_threshold_(first.zero_threshold),
      zero_count_{first.zero_count, 0},
      count_{first.count, 0},
      sum_{first.sum, 0},
      positive_(side_of(model::expand(first.positive_spans, first.positive_buckets))),
      negative_(side_of(model::expand(first.negative_spans, first.negative_buckets))),
      custom_values_(first.custom_values) {
  see_hint(hint_);
}

HistogramSum::Side HistogramSum::side_of(const BucketSide& buckets) {
  Side side;
  side.reserve(buckets.size());
  for (const model::IndexedBucket& bucket : buckets) {
    side.push_back({bucket.index, KahanSum{bucket.count, 0}});
  }
  return side;
}

BucketSide HistogramSum::values_of(const Side& side) {
  BucketSide buckets;
  buckets.reserve(side.size());
  for (const Item& item : side) {
    const double count = item.count.value();
    if (count != 0) buckets.push_back({item.index, count});
  }
  return buckets;
}

void HistogramSum::see_hint(CounterResetHint hint) {
  saw_reset_ = saw_reset_ || hint == CounterResetHint::kReset;
  saw_no_reset_ = saw_no_reset_ || hint == CounterResetHint::kNotReset;
}

// A gauge stays one; counters that disagree give one of which nothing is known.
void HistogramSum::mix_hint(CounterResetHint hint) {
  see_hint(hint);
  if (hint == hint_ || hint_ == CounterResetHint::kGauge) return;
  hint_ = hint == CounterResetHint::kGauge ? hint : CounterResetHint::kUnknown;
}

bool HistogramSum::add(const FloatHistogram& other, double factor) {
  const bool custom = schema_ == model::kCustomBucketsSchema;
  if (custom != model::has_custom_buckets(other)) return false;
  mix_hint(other.reset_hint);
  reconciled_last_ = false;
  count_.add(factor * other.count);
  sum_.add(factor * other.sum);
  if (custom) {
    add_custom(other, factor);
  } else {
    add_exponential(other, factor);
  }
  return true;
}

void HistogramSum::add_custom(const FloatHistogram& other, double factor) {
  const BucketSide buckets = model::expand(other.positive_spans, other.positive_buckets);
  if (custom_values_ == other.custom_values) {
    merge(buckets, factor, &positive_);
    return;
  }
  reconciled_ = reconciled_last_ = true;
  std::vector<double> bounds = model::common_bounds(custom_values_, other.custom_values);
  regroup(
      [&](std::int32_t index) {
        return model::to_bounds({{index, 0}}, custom_values_, bounds)[0].index;
      },
      &positive_);
  merge(model::to_bounds(buckets, other.custom_values, bounds), factor, &positive_);
  custom_values_ = std::move(bounds);
}

void HistogramSum::add_exponential(const FloatHistogram& other, double factor) {
  BucketSide positive = model::expand(other.positive_spans, other.positive_buckets);
  BucketSide negative = model::expand(other.negative_spans, other.negative_buckets);
  if (other.zero_threshold == zero_threshold_) {
    zero_count_.add(factor * other.zero_count);
  } else {
    zero_count_.add(factor * reconcile_zero(other).count);
    model::remove_below(zero_threshold_, other.schema, &positive);
    model::remove_below(zero_threshold_, other.schema, &negative);
  }
  if (other.schema < schema_) {
    lower_schema(other.schema);
  } else if (other.schema > schema_) {
    const auto steps = static_cast<unsigned>(other.schema - schema_);
    positive = model::lower_resolution(positive, steps);
    negative = model::lower_resolution(negative, steps);
  }
  merge(positive, factor, &positive_);
  merge(negative, factor, &negative_);
}

void HistogramSum::lower_schema(std::int32_t schema) {
  const auto steps = static_cast<unsigned>(schema_ - schema);
  const auto lower = [&](std::int32_t index) { return model::lower_index(index, steps); };
  regroup(lower, &positive_);
  regroup(lower, &negative_);
  schema_ = schema;
}

model::ZeroBucket HistogramSum::reconcile_zero(const FloatHistogram& other) {
  model::ZeroBucket theirs{other.zero_threshold, other.zero_count};
  // Each widening may cut a bucket of the other side, so it goes on until both agree.
  while (theirs.threshold != zero_threshold_) {
    if (zero_threshold_ > theirs.threshold) {
      theirs = model::widen_zero_bucket(other, zero_threshold_);
    }
    if (theirs.threshold > zero_threshold_) {
      const model::ZeroBucket ours = model::widen_zero_bucket(value(), theirs.threshold);
      take_into_zero(ours.threshold, &positive_);
      take_into_zero(ours.threshold, &negative_);
      zero_threshold_ = ours.threshold;
    }
  }
  return theirs;
}

void HistogramSum::take_into_zero(double threshold, Side* side) {
  auto item = side->begin();
  for (; item != side->end(); ++item) {
    if (model::exponential_bound(schema_, item->index - 1) >= threshold) break;
    zero_count_.add(item->count.sum);
    zero_count_.add(item->count.compensation);
  }
  side->erase(side->begin(), item);
}

void HistogramSum::merge(const BucketSide& from, double factor, Side* to) {
  std::size_t missing = 0;
  auto at = to->begin();
  for (const model::IndexedBucket& bucket : from) {
    while (at != to->end() && at->index < bucket.index) ++at;
    if (at == to->end() || at->index != bucket.index) {
      ++missing;
    } else {
      at->count.add(factor * bucket.count);
    }
  }
  if (missing == 0) return;
  Side joined;
  joined.reserve(to->size() + missing);
  at = to->begin();
  for (const model::IndexedBucket& bucket : from) {
    while (at != to->end() && at->index < bucket.index) joined.push_back(*at++);
    const bool known = at != to->end() && at->index == bucket.index;
    joined.push_back(known ? *at++ : Item{bucket.index, KahanSum{factor * bucket.count, 0}});
  }
  joined.insert(joined.end(), at, to->end());
  *to = std::move(joined);
}

template <typename F>
void HistogramSum::regroup(F index_of, Side* side) {
  Side grouped;
  for (const Item& item : *side) {
    const std::int32_t index = index_of(item.index);
    if (grouped.empty() || grouped.back().index != index) {
      grouped.push_back({index, item.count});
    } else {
      grouped.back().count.add(item.count.sum);
      grouped.back().count.add(item.count.compensation);
    }
  }
  *side = std::move(grouped);
}

template <typename F>
void HistogramSum::for_each(F f) {
  f(&zero_count_);
  f(&count_);
  f(&sum_);
  for (Item& item : positive_) f(&item.count);
  for (Item& item : negative_) f(&item.count);
}

void HistogramSum::multiply(double factor) {
  for_each([&](KahanSum* sum) {
    sum->sum *= factor;
    sum->compensation *= factor;
  });
  if (factor < 0) hint_ = CounterResetHint::kGauge;
}

void HistogramSum::divide(double divisor) {
  for_each([&](KahanSum* sum) {
    sum->sum /= divisor;
    sum->compensation = divisor == 0 ? 0 : sum->compensation / divisor;
  });
  if (divisor < 0) hint_ = CounterResetHint::kGauge;
  if (divisor != 0) return;
  positive_.clear();
  negative_.clear();
}

bool HistogramSum::overflowed() const {
  const auto infinite = [](const Item& item) { return std::isinf(item.count.sum); };
  return std::isinf(zero_count_.sum) || std::isinf(count_.sum) || std::isinf(sum_.sum) ||
         std::any_of(positive_.begin(), positive_.end(), infinite) ||
         std::any_of(negative_.begin(), negative_.end(), infinite);
}

FloatHistogram HistogramSum::value() const {
  FloatHistogram h;
  h.reset_hint = hint_;
  h.schema = schema_;
  h.zero_threshold = zero_threshold_;
  h.zero_count = zero_count_.value();
  h.count = count_.value();
  h.sum = sum_.value();
  h.custom_values = custom_values_;
  model::compress(values_of(positive_), &h.positive_spans, &h.positive_buckets);
  model::compress(values_of(negative_), &h.negative_spans, &h.negative_buckets);
  return h;
}

bool HistogramMean::add(const FloatHistogram& other) {
  if (!incremental_) {
    HistogramSum next = sum_;
    if (!next.add(other)) return false;
    if (!next.overflowed()) {
      sum_ = std::move(next);
      count_ += 1;
      return true;
    }
    incremental_ = true;
    sum_.divide(count_);
  }
  count_ += 1;
  sum_.multiply((count_ - 1) / count_);
  return sum_.add(divided(other, count_));
}

FloatHistogram HistogramMean::value() const {
  if (incremental_ || count_ == 1) return sum_.value();
  HistogramSum mean = sum_;
  mean.divide(count_);
  return mean.value();
}

FloatHistogram multiplied(const FloatHistogram& h, double factor) {
  HistogramSum product(h);
  product.multiply(factor);
  return product.value();
}

FloatHistogram divided(const FloatHistogram& h, double divisor) {
  HistogramSum quotient(h);
  quotient.divide(divisor);
  return quotient.value();
}

}  // namespace tocsin::promql::native
