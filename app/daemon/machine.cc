// SPDX-License-Identifier: Apache-2.0
#include "app/daemon/machine.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>

namespace tocsin::app {

std::size_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
}

std::uint64_t physical_memory_bytes() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_bytes = sysconf(_SC_PAGESIZE);
  constexpr std::uint64_t kUnknown = 1ULL << 30;
  if (pages <= 0 || page_bytes <= 0) return kUnknown;
  return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes);
}

}  // namespace tocsin::app
