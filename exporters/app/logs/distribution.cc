// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/distribution.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "model/value.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::array<std::pair<double, std::string_view>, 3> kQuantiles = {
    {{0.5, "0.5"}, {0.9, "0.9"}, {0.99, "0.99"}}};

LabelPairs with_label(const LabelPairs& labels, std::string_view name, std::string_view value) {
  LabelPairs out;
  out.reserve(labels.size() + 1);
  out = labels;
  const auto place = std::find_if(out.begin(), out.end(),
                                  [name](const auto& label) { return label.first > name; });
  out.emplace(place, name, value);
  return out;
}

}  // namespace

// Values -----------------------------------------------------------------------------------------

std::size_t QuantileSketch::size_of(double value) {
  int exponent = 0;
  const double mantissa = std::frexp(value, &exponent);  // [0.5, 1)
  if (!(value > 0) || exponent <= kLowest) return 0;
  if (exponent > kHighest) return kSizes - 1;
  const int step = static_cast<int>((mantissa - 0.5) * 2 * kSteps);
  return static_cast<std::size_t>((exponent - 1 - kLowest) * kSteps + step + 1);
}

double QuantileSketch::value_of(std::size_t size) {
  if (size == 0) return 0;
  if (size == kSizes - 1) return std::ldexp(1.0, kHighest);
  const int place = static_cast<int>(size) - 1;
  // The middle of the step.
  const double mantissa = 1 + (place % kSteps + 0.5) / kSteps;
  return std::ldexp(mantissa, place / kSteps + kLowest);
}

void QuantileSketch::turn(base::SteadyTime now) {
  const std::int64_t age = now.time_since_epoch() / kAge;
  if (age == age_) return;
  const bool is_next = age == age_ + 1;
  age_ = age;
  current_ = 1 - current_;
  ages_[current_].fill(0);
  if (!is_next) ages_[1 - current_].fill(0);
}

void QuantileSketch::add(double value, base::SteadyTime now) {
  turn(now);
  ++ages_[current_][size_of(value)];
}

double QuantileSketch::quantile(double quantile, base::SteadyTime now) {
  turn(now);
  std::uint64_t total = 0;
  for (const Counts& counts : ages_) {
    for (const std::uint32_t count : counts) total += count;
  }
  if (total == 0) return std::numeric_limits<double>::quiet_NaN();
  const auto rank = static_cast<std::uint64_t>(std::ceil(quantile * static_cast<double>(total)));
  std::uint64_t below = 0;
  for (std::size_t size = 0; size < kSizes; ++size) {
    below += ages_[0][size] + ages_[1][size];
    if (below >= std::max<std::uint64_t>(rank, 1)) return value_of(size);
  }
  return value_of(kSizes - 1);
}

// Histograms -------------------------------------------------------------------------------------

Buckets::Buckets(std::vector<double> bounds) : bounds_(std::move(bounds)) {
  DCHECK(std::is_sorted(bounds_.begin(), bounds_.end()));
  for (const double bound : bounds_) labels_.push_back(model::format_float_g(bound));
  labels_.emplace_back("+Inf");
}

std::size_t Buckets::find(double value) const {
  std::size_t i = 0;
  while (i < bounds_.size() && value > bounds_[i]) ++i;
  return i;
}

const std::vector<double>& Buckets::usual() {
  static const std::vector<double> bounds = {.005, .01, .025, .05, .1, .25, .5, 1, 2, 2.5, 5, 10};
  return bounds;
}

void Distribution::add(double value, const Buckets& buckets) {
  if (counts_.empty()) counts_.resize(buckets.size());
  ++counts_[buckets.find(value)];
  ++count_;
  sum_ += value;
}

void Distribution::append_histogram(const LabelPairs& labels, const Buckets& buckets,
                                    std::vector<base::MetricSample>* out) const {
  if (count_ == 0) return;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    total += counts_[i];
    out->push_back(
        {"_bucket", with_label(labels, "le", buckets.label(i)), static_cast<double>(total)});
  }
  out->push_back({"_sum", labels, sum_});
  out->push_back({"_count", labels, static_cast<double>(count_)});
}

void TimeDistribution::add(double value, const Buckets& buckets, base::SteadyTime now) {
  histogram_.add(value, buckets);
  if (sketch_ == nullptr) sketch_ = std::make_unique<QuantileSketch>();
  sketch_->add(value, now);
}

void TimeDistribution::append_summary(const LabelPairs& labels, base::SteadyTime now,
                                      std::vector<base::MetricSample>* out) const {
  if (histogram_.count() == 0) return;
  for (const auto& [quantile, text] : kQuantiles) {
    out->push_back({"", with_label(labels, "quantile", text), sketch_->quantile(quantile, now)});
  }
  out->push_back({"_sum", labels, histogram_.sum()});
  out->push_back({"_count", labels, static_cast<double>(histogram_.count())});
}

}  // namespace tocsin::exporters::app
