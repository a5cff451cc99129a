// SPDX-License-Identifier: Apache-2.0
//
// Keeps every core busy until it is ended, for 120 seconds at most. A test program.
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/executor.h"
#include "base/time.h"

namespace {

constexpr std::chrono::seconds kAtMost{120};

}  // namespace

int main() {
  using tocsin::base::SystemClock;
  using tocsin::base::ThreadPool;
  const SystemClock clock;
  const auto deadline = clock.steady_now() + kAtMost;
  const auto cores = static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  ThreadPool pool({.name = "burn", .threads = cores});
  bool refused = false;
  for (std::size_t i = 0; i < cores; ++i) {
    const bool posted = pool.post([&clock, deadline] {
      while (clock.steady_now() < deadline) {
      }
    });
    if (!posted) refused = true;
  }
  std::fprintf(stderr, "burning %zu cores\n", cores);
  pool.stop();
  return refused ? 1 : 0;
}
