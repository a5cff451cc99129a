// SPDX-License-Identifier: Apache-2.0
//
// Kernels that compute windows together or from one another give what each window gives alone, bit
// for bit.
#include "promql/functions/range_kernels.h"

#include <bit>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "promql/functions/numbers.h"

namespace tocsin::promql::functions {
namespace {

struct Case {
  std::vector<std::int64_t> ms;
  std::vector<double> values;
  std::vector<std::uint32_t> lo, hi;
};

// Windows over samples with repeated values, NaN, both zeros and infinities; some windows are empty.
Case random_case(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  constexpr double kOdd[] = {kNan, kInf, -kInf, 0.0, -0.0};
  Case made;
  const std::size_t count = random() % 60;
  for (std::size_t i = 0; i < count; ++i) {
    made.ms.push_back(static_cast<std::int64_t>(i) * 15'000);
    const bool odd = seed % 3 == 0 && random() % 3 == 0;
    made.values.push_back(odd ? kOdd[random() % 5] : static_cast<double>(random() % 8) / 3);
  }
  std::uint32_t lo = 0;
  std::uint32_t hi = 0;
  const std::uint64_t jump = 1 + random() % 3;
  for (int step = 0; step < 40; ++step) {
    hi = static_cast<std::uint32_t>(std::min<std::size_t>(count, hi + random() % (2 * jump)));
    lo = std::min(hi, std::max(lo, hi - std::min<std::uint32_t>(
                                            hi, static_cast<std::uint32_t>(1 + seed % 12))));
    made.lo.push_back(lo);
    made.hi.push_back(hi);
  }
  return made;
}

double naive(std::string_view name, std::span<const double> values) {
  if (name == "stdvar_over_time") return variance(values);
  if (name == "stddev_over_time") return std::sqrt(variance(values));
  double best = values[0];
  for (const double v : values) {
    const bool better = name == "max_over_time" ? v > best : v < best;
    if (better || std::isnan(best)) best = v;
  }
  return best;
}

TEST(RangeKernels, WindowsTogetherAreWindowsAlone) {
  for (const char* name :
       {"max_over_time", "min_over_time", "stddev_over_time", "stdvar_over_time"}) {
    for (std::uint64_t seed = 0; seed < 500; ++seed) {
      SCOPED_TRACE(testing::Message() << name << " seed " << seed);
      const Case made = random_case(seed);
      const std::size_t steps = seed % 7 == 0 ? 1 : made.lo.size();
      const auto lo = std::span(made.lo).last(steps);
      const auto hi = std::span(made.hi).last(steps);
      eval::Column out(steps);
      find_range_function(name)->kernel({made.ms, made.values, lo, hi}, {}, &out);
      for (std::size_t i = 0; i < steps; ++i) {
        ASSERT_EQ(out.present.test(i), lo[i] < hi[i]) << i;
        if (lo[i] >= hi[i]) continue;
        const double wanted = naive(name, std::span(made.values).subspan(lo[i], hi[i] - lo[i]));
        if (std::isnan(wanted)) {
          ASSERT_TRUE(std::isnan(out.values[i])) << i;
        } else {
          ASSERT_EQ(std::bit_cast<std::uint64_t>(out.values[i]),
                    std::bit_cast<std::uint64_t>(wanted))
              << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace tocsin::promql::functions
