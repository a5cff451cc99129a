// SPDX-License-Identifier: Apache-2.0
#include "base/time.h"

namespace tocsin::base {

Timestamp SystemClock::now() const {
  return std::chrono::floor<Duration>(std::chrono::system_clock::now());
}

SteadyTime SystemClock::steady_now() const { return std::chrono::steady_clock::now(); }

}  // namespace tocsin::base
