// SPDX-License-Identifier: Apache-2.0
#include "promql/functions/numbers.h"

#include <algorithm>

namespace tocsin::promql::functions {

double quantile(double q, std::vector<double>* values) {
  if (values->empty() || std::isnan(q)) return kNan;
  if (q < 0) return -kInf;
  if (q > 1) return kInf;
  std::sort(values->begin(), values->end(), [](double a, double b) {
    if (std::isnan(a)) return !std::isnan(b);
    return a < b;
  });
  const double last = static_cast<double>(values->size() - 1);
  const double rank = q * last;
  const double lower = std::max(0.0, std::floor(rank));
  const double upper = std::min(last, lower + 1);
  const double weight = rank - std::floor(rank);
  return (*values)[static_cast<std::size_t>(lower)] * (1 - weight) +
         (*values)[static_cast<std::size_t>(upper)] * weight;
}

namespace {

struct Spread {
  KahanSum mean;
  KahanSum squares;
  // The count includes v.
  void add(double v, double count) {
    const double delta = v - (mean.sum + mean.compensation);
    mean.add(delta / count);
    squares.add(delta * (v - (mean.sum + mean.compensation)));
  }
  double variance(double count) const { return (squares.sum + squares.compensation) / count; }
};

}  // namespace

double variance(std::span<const double> values) {
  double count = 0;
  Spread spread;
  for (double v : values) spread.add(v, count += 1);
  return spread.variance(count);
}

std::array<double, kLanes> variances(const std::array<const double*, kLanes>& values,
                                     std::size_t count) {
  std::array<Spread, kLanes> spreads;
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t k = 0; k < kLanes; ++k) {
      spreads[k].add(values[k][i], static_cast<double>(i + 1));
    }
  }
  std::array<double, kLanes> result;
  for (std::size_t k = 0; k < kLanes; ++k) {
    result[k] = spreads[k].variance(static_cast<double>(count));
  }
  return result;
}

bool almost_equal(double a, double b, double epsilon) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (a == b) return true;
  const double total = std::fabs(a) + std::fabs(b);
  const double difference = std::fabs(a - b);
  constexpr double kMinNormal = std::numeric_limits<double>::min();
  if (a == 0 || b == 0 || total < kMinNormal) return difference < epsilon * kMinNormal;
  return difference / std::min(total, std::numeric_limits<double>::max()) < epsilon;
}

}  // namespace tocsin::promql::functions
