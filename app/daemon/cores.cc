// SPDX-License-Identifier: Apache-2.0
#include "app/daemon/cores.h"

#include <sched.h>

#include <algorithm>

namespace tocsin::app {

std::size_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
}

}  // namespace tocsin::app
