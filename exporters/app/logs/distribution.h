// SPDX-License-Identifier: Apache-2.0
//
// Distribution: durations that were seen, as a histogram since the start and as quantiles of the last
// minutes.
//
// Quantiles come from counts by size: sixteen steps for each doubling, so a quantile is at most 3 %
// beside the truth, whatever the values are. Two tables take turns every five minutes: together they
// hold what the last five to ten minutes brought, in 2.5 KB.
// Confined. Does not fail.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/time.h"
#include "exporters/common/families.h"

namespace tocsin::exporters::app {

class QuantileSketch {
 public:
  // `now` does not go back.
  void add(double value, base::SteadyTime now);
  // The value at `quantile` (0 to 1); NaN when nothing was seen in the last minutes.
  double quantile(double quantile, base::SteadyTime now);

  static constexpr base::Duration kAge = std::chrono::minutes(5);

 private:
  static constexpr int kSteps = 16;    // for each doubling
  static constexpr int kLowest = -10;  // powers of two: values below 1/1024 are one step
  static constexpr int kHighest = 10;  // values from 1024 on are one step
  static constexpr std::size_t kSizes = (kHighest - kLowest) * kSteps + 2;
  using Counts = std::array<std::uint32_t, kSizes>;

  static std::size_t size_of(double value);
  static double value_of(std::size_t size);
  void turn(base::SteadyTime now);

  std::array<Counts, 2> ages_{};
  std::size_t current_ = 0;
  std::int64_t age_ = 0;  // its number
};

// Upper bounds of a histogram, with their label values.
class Buckets {
 public:
  // REQUIRES: `bounds` ascend; without +Inf.
  explicit Buckets(std::vector<double> bounds);
  const std::vector<double>& bounds() const { return bounds_; }
  // Of bounds()[i]; one more, "+Inf".
  const std::string& label(std::size_t i) const { return labels_[i]; }
  std::size_t size() const { return labels_.size(); }
  std::size_t find(double value) const;

  static const std::vector<double>& usual();

 private:
  std::vector<double> bounds_;
  std::vector<std::string> labels_;
};

class Distribution {
 public:
  void add(double value, const Buckets& buckets);
  void append_histogram(const LabelPairs& labels, const Buckets& buckets,
                        std::vector<base::MetricSample>* out) const;
  std::uint64_t count() const { return count_; }
  double sum() const { return sum_; }

 private:
  std::vector<std::uint64_t> counts_;  // as many as buckets, once something was seen
  std::uint64_t count_ = 0;
  double sum_ = 0;
};

// With quantiles 0.5, 0.9 and 0.99.
class TimeDistribution {
 public:
  void add(double value, const Buckets& buckets, base::SteadyTime now);
  const Distribution& histogram() const { return histogram_; }
  void append_summary(const LabelPairs& labels, base::SteadyTime now,
                      std::vector<base::MetricSample>* out) const;

 private:
  Distribution histogram_;
  std::unique_ptr<QuantileSketch> sketch_;
};

}  // namespace tocsin::exporters::app
