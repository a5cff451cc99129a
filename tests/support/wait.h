// SPDX-License-Identifier: Apache-2.0
//
// The one place where tests of whole programs wait: a condition is polled until it holds or a
// deadline passes, so that no test sleeps and none hangs.
//
// Threads: confined. Errors: a deadline that passes is the caller's failure to report.
#pragma once

#include <functional>

#include "base/time.h"

namespace tocsin::tests {

// Long enough for a slow build (ThreadSanitizer) on a busy machine; a test that passes waits only
// as long as it must.
inline constexpr base::Duration kPatience{120'000};

// Calls `condition` until it returns true; false when `patience` has passed before.
[[nodiscard]] bool eventually(const std::function<bool()>& condition,
                              base::Duration patience = kPatience);

// Lets time pass: for a moment of a random length, never to wait for something.
void let_pass(base::Duration duration);

}  // namespace tocsin::tests
