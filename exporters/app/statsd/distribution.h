// SPDX-License-Identifier: Apache-2.0
//
// What is observed of one series of StatsD: BucketCounts, a histogram, and QuantileWindow, a summary
// over the last minutes. DistinctCount: the members of a set.
//
// Values. Threads: confined. Memory is bounded, whatever comes.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_set>
#include <vector>

#include "base/time.h"

namespace tocsin::exporters::app {

class BucketCounts {
 public:
  // REQUIRES: `bounds` is ascending, and the same at each call.
  void observe(const std::vector<double>& bounds, double value, double times);
  // Cumulative, one more than there are bounds.
  std::vector<double> cumulative(std::size_t bounds) const;
  double sum() const { return sum_; }

 private:
  std::vector<double> counts_;  // not cumulative; empty until the first value
  double sum_ = 0;
};

// Quantiles of the last eight to ten minutes, from an even sample of each two minutes; count and sum of all.
class QuantileWindow {
 public:
  static constexpr std::size_t kAges = 5;
  static constexpr base::Duration kAge = std::chrono::minutes(2);
  static constexpr std::size_t kKeptPerAge = 256;

  void observe(double value, double times, base::SteadyTime now);
  // One for each of `quantiles`; NaN when nothing was observed lately.
  std::vector<double> quantiles(const std::vector<double>& quantiles, base::SteadyTime now) const;
  double count() const { return count_; }
  double sum() const { return sum_; }

 private:
  struct Age {
    std::int64_t number = -1;
    std::uint64_t seen = 0;
    std::vector<double> values;
  };

  std::array<Age, kAges> ages_;
  double count_ = 0, sum_ = 0;
  std::uint64_t random_ = 0x9E3779B97F4A7C15ULL;
};

// How many different members came in a minute: of the one that runs or the one before, whichever has
// more.
class DistinctCount {
 public:
  static constexpr base::Duration kWindow = std::chrono::minutes(1);

  enum class Added { kNew, kKnown, kNoRoom };
  // `held` counts the members of all sets together, up to `most`.
  Added add(std::uint64_t member, base::SteadyTime now, std::size_t most, std::size_t* held);
  double value(base::SteadyTime now, std::size_t* held);
  void clear(std::size_t* held);

 private:
  void turn(base::SteadyTime now, std::size_t* held);

  std::int64_t window_ = -1;
  std::unordered_set<std::uint64_t> members_;
  std::size_t before_ = 0;
};

}  // namespace tocsin::exporters::app
