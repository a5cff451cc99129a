// SPDX-License-Identifier: Apache-2.0
#include "tests/support/wait.h"

#include <poll.h>

namespace tocsin::tests {

namespace {

constexpr int kPollMs = 5;

}  // namespace

bool eventually(const std::function<bool()>& condition, base::Duration patience) {
  const base::SystemClock clock;
  const base::SteadyTime deadline = clock.steady_now() + patience;
  while (!condition()) {
    if (clock.steady_now() >= deadline) return false;
    ::poll(nullptr, 0, kPollMs);
  }
  return true;
}

void let_pass(base::Duration duration) {
  if (duration.count() > 0) ::poll(nullptr, 0, static_cast<int>(duration.count()));
}

}  // namespace tocsin::tests
