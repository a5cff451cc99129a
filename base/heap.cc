// SPDX-License-Identifier: Apache-2.0
#include "base/heap.h"

#include <malloc.h>

#include <string>

// jemalloc's interface, in programs that link it (docs/decisions/0024): no library of ours does.
extern "C" __attribute__((weak)) int mallctl(const char* name, void* old, std::size_t* old_size,
                                             void* fresh, std::size_t fresh_size) noexcept;

namespace tocsin::base {
namespace {

constexpr int kAllArenas = 4096;  // MALLCTL_ARENAS_ALL

std::uint64_t statistic(const char* name) {
  std::size_t value = 0;
  std::size_t size = sizeof(value);
  return ::mallctl(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}

std::uint64_t free_bytes_of_jemalloc() {
  std::uint64_t epoch = 1;  // takes new statistics
  if (::mallctl("epoch", nullptr, nullptr, &epoch, sizeof(epoch)) != 0) return 0;
  const std::uint64_t resident = statistic("stats.resident");
  const std::uint64_t active = statistic("stats.active");
  return resident > active ? resident - active : 0;
}

}  // namespace

std::uint64_t free_heap_bytes() {
  if (::mallctl != nullptr) return free_bytes_of_jemalloc();
#ifdef __GLIBC__
  return ::mallinfo2().fordblks;
#else
  return 0;
#endif
}

void release_heap() {
  if (::mallctl != nullptr) {
    const std::string purge = "arena." + std::to_string(kAllArenas) + ".purge";
    static_cast<void>(::mallctl(purge.c_str(), nullptr, nullptr, nullptr, 0));
    return;
  }
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace tocsin::base
