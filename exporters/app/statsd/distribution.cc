// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/statsd/distribution.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tocsin::exporters::app {
namespace {

std::int64_t number_of(base::SteadyTime time, base::Duration length) {
  return time.time_since_epoch() / length;
}

}  // namespace

void BucketCounts::observe(const std::vector<double>& bounds, double value, double times) {
  if (counts_.empty()) counts_.resize(bounds.size() + 1);
  const auto place = std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin();
  counts_[static_cast<std::size_t>(place)] += times;
  sum_ += value * times;
}

std::vector<double> BucketCounts::cumulative(std::size_t bounds) const {
  std::vector<double> out(bounds + 1);
  double total = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) out[i] = total += counts_[i];
  return out;
}

void QuantileWindow::observe(double value, double times, base::SteadyTime now) {
  count_ += times;
  sum_ += value * times;
  const std::int64_t number = number_of(now, kAge);
  Age& age = ages_[static_cast<std::size_t>(number) % kAges];
  if (age.number != number) {
    age.number = number;
    age.seen = 0;
    age.values.clear();
  }
  // A value that stands for many fills what is kept at most once.
  const auto copies =
      static_cast<std::size_t>(std::clamp(times, 1.0, static_cast<double>(kKeptPerAge)));
  for (std::size_t i = 0; i < copies; ++i) {
    ++age.seen;
    if (age.values.size() < kKeptPerAge) {
      age.values.push_back(value);
      continue;
    }
    // xorshift64; each value seen is kept with the same probability.
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    const std::uint64_t place = random_ % age.seen;
    if (place < kKeptPerAge) age.values[place] = value;
  }
}

std::vector<double> QuantileWindow::quantiles(const std::vector<double>& quantiles,
                                              base::SteadyTime now) const {
  // Values of a busy age stand for more than those of a quiet one.
  struct Weighted {
    double value, weight;
  };
  std::vector<Weighted> values;
  double total = 0;
  const std::int64_t number = number_of(now, kAge);
  for (const Age& age : ages_) {
    if (age.number < 0 || age.number + static_cast<std::int64_t>(kAges) <= number) continue;
    const double weight = static_cast<double>(age.seen) / static_cast<double>(age.values.size());
    for (const double value : age.values) values.push_back({value, weight});
    total += static_cast<double>(age.seen);
  }
  std::sort(values.begin(), values.end(),
            [](const Weighted& a, const Weighted& b) { return a.value < b.value; });
  std::vector<double> out;
  for (const double quantile : quantiles) {
    double below = 0, found = std::numeric_limits<double>::quiet_NaN();
    for (const Weighted& weighted : values) {
      found = weighted.value;
      below += weighted.weight;
      if (below >= quantile * total) break;
    }
    out.push_back(found);
  }
  return out;
}

void DistinctCount::turn(base::SteadyTime now, std::size_t* held) {
  const std::int64_t window = number_of(now, kWindow);
  if (window == window_) return;
  before_ = window == window_ + 1 ? members_.size() : 0;
  clear(held);
  window_ = window;
}

void DistinctCount::clear(std::size_t* held) {
  *held -= members_.size();
  std::unordered_set<std::uint64_t>().swap(members_);
}

DistinctCount::Added DistinctCount::add(std::uint64_t member, base::SteadyTime now,
                                        std::size_t most, std::size_t* held) {
  turn(now, held);
  if (members_.contains(member)) return Added::kKnown;
  if (*held >= most) return Added::kNoRoom;
  members_.insert(member);
  ++*held;
  return Added::kNew;
}

double DistinctCount::value(base::SteadyTime now, std::size_t* held) {
  turn(now, held);
  return static_cast<double>(std::max(before_, members_.size()));
}

}  // namespace tocsin::exporters::app
