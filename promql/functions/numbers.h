// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic that must give upstream's bits: compensated sums, means, quantiles, min and max with
// NaN.
//
// Values; pure functions.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace tocsin::promql::functions {

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInf = std::numeric_limits<double>::infinity();

// Kahan's sum with Neumaier's improvement. An infinite sum loses its compensation, which would be
// NaN.
struct KahanSum {
  double sum = 0;
  double compensation = 0;

  void add(double x) {
    const double total = sum + x;
    if (std::isinf(total)) {
      compensation = 0;
    } else if (std::fabs(sum) >= std::fabs(x)) {
      compensation += (sum - total) + x;
    } else {
      compensation += (x - total) + sum;
    }
    sum = total;
  }
  double value() const { return std::isinf(sum) ? sum : sum + compensation; }
};

// The mean as sum / count, changing to an incremental mean when the sum would overflow.
class Mean {
 public:
  void add(double x) {
    count_ += 1;
    if (!incremental_) {
      KahanSum next = sum_;
      next.add(x);
      if (count_ == 1 || !std::isinf(next.sum)) {
        sum_ = count_ == 1 ? KahanSum{x, 0} : next;
        return;
      }
      incremental_ = true;
      sum_.sum /= count_ - 1;
      sum_.compensation /= count_ - 1;
    }
    add_incremental(x);
  }
  double value() const {
    return incremental_ ? sum_.sum + sum_.compensation
                        : sum_.sum / count_ + sum_.compensation / count_;
  }

 private:
  void add_incremental(double x) {
    // An infinite mean stays when what comes is finite or the same infinity: subtracting would give
    // NaN.
    if (std::isinf(sum_.sum)) {
      if (std::isinf(x) && (sum_.sum > 0) == (x > 0)) return;
      if (std::isfinite(x)) return;
    }
    const double q = (count_ - 1) / count_;
    sum_.sum *= q;
    sum_.compensation *= q;
    sum_.add(x / count_);
  }
  double count_ = 0;
  bool incremental_ = false;
  KahanSum sum_;  // of the values, or the mean once incremental
};

// Go's math.Max and math.Min: the infinity that cannot be outdone, or else NaN when either is NaN.
inline double max_nan(double a, double b) {
  if (a == kInf || b == kInf) return kInf;
  if (std::isnan(a) || std::isnan(b)) return kNan;
  return a > b || (a == b && !std::signbit(a)) ? a : b;
}
inline double min_nan(double a, double b) {
  if (a == -kInf || b == -kInf) return -kInf;
  if (std::isnan(a) || std::isnan(b)) return kNan;
  return a < b || (a == b && std::signbit(a)) ? a : b;
}

// The q-quantile with linear interpolation; sorts `values` in place, NaN first.
// NaN without values or for q NaN; -Inf below 0 and +Inf above 1.
double quantile(double q, std::vector<double>* values);

// The population variance, compensated.
double variance(std::span<const double> values);
// The same of four lists of equal length at once, which takes little longer than one of them: a step
// waits for the one before.
inline constexpr std::size_t kLanes = 4;
std::array<double, kLanes> variances(const std::array<const double*, kLanes>& values,
                                     std::size_t count);

// Equal within `epsilon` relative to |a| + |b|; near zero within epsilon of the smallest normal
// number.
bool almost_equal(double a, double b, double epsilon);

}  // namespace tocsin::promql::functions
