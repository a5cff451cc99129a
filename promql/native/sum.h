// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic of native histograms: a compensated sum that takes in one histogram after the other,
// and the mean over it.
//
// The layouts are brought together as they come: the lower schema, the wider zero bucket, the
// custom bounds that all have. Exponential and custom buckets do not mix.
// Values; confined.
#pragma once

#include <optional>
#include <vector>

#include "model/histogram_buckets.h"
#include "promql/functions/numbers.h"

namespace tocsin::promql::native {

class HistogramSum {
 public:
  explicit HistogramSum(const model::FloatHistogram& first);

  // Adds `factor` times the histogram. False, and nothing changes, when one has exponential and the
  // other custom buckets.
  bool add(const model::FloatHistogram& other, double factor = 1);
  void multiply(double factor);
  // Dividing by 0 leaves no bucket but the zero bucket.
  void divide(double divisor);

  // Only to a lower exponential schema.
  void lower_schema(std::int32_t schema);

  std::int32_t schema() const { return schema_; }
  double count() const { return count_.value(); }
  // Whether something is infinite.
  bool overflowed() const;
  // Whether custom bounds differed, ever or when the last histogram was added.
  bool reconciled() const { return reconciled_; }
  bool reconciled_last() const { return reconciled_last_; }
  // Whether counters with and without a reset were added, so that nothing can be said of the sum.
  bool resets_conflict() const { return saw_reset_ && saw_no_reset_; }
  // Without empty buckets.
  model::FloatHistogram value() const;

 private:
  struct Item {
    std::int32_t index = 0;
    functions::KahanSum count;
  };
  using Side = std::vector<Item>;

  static Side side_of(const model::BucketSide& buckets);
  static model::BucketSide values_of(const Side& side);
  static void merge(const model::BucketSide& from, double factor, Side* to);
  template <typename F>
  static void regroup(F index_of, Side* side);
  template <typename F>
  void for_each(F f);
  void see_hint(model::CounterResetHint hint);
  void mix_hint(model::CounterResetHint hint);
  void add_custom(const model::FloatHistogram& other, double factor);
  void add_exponential(const model::FloatHistogram& other, double factor);
  // The zero bucket of `other` as wide as ours, which is widened when need be.
  model::ZeroBucket reconcile_zero(const model::FloatHistogram& other);
  void take_into_zero(double threshold, Side* side);

  model::CounterResetHint hint_;
  std::int32_t schema_;
  double zero_threshold_;
  functions::KahanSum zero_count_, count_, sum_;
  Side positive_, negative_;
  std::vector<double> custom_values_;
  bool reconciled_ = false;
  bool reconciled_last_ = false;
  bool saw_reset_ = false;
  bool saw_no_reset_ = false;
};

// The mean of histograms; incremental once a sum would overflow.
class HistogramMean {
 public:
  explicit HistogramMean(const model::FloatHistogram& first) : sum_(first) {}
  // As HistogramSum::add.
  bool add(const model::FloatHistogram& other);
  bool reconciled() const { return sum_.reconciled(); }
  bool resets_conflict() const { return sum_.resets_conflict(); }
  model::FloatHistogram value() const;

 private:
  HistogramSum sum_;  // or the mean once incremental
  double count_ = 1;
  bool incremental_ = false;
};

// A histogram times or divided by a number; a negative one makes a gauge of it.
model::FloatHistogram multiplied(const model::FloatHistogram& h, double factor);
model::FloatHistogram divided(const model::FloatHistogram& h, double divisor);

}  // namespace tocsin::promql::native
