// SPDX-License-Identifier: Apache-2.0
//
// for_each_index: runs f(0) ... f(count - 1), on the caller and on whatever workers are free.
//
// The caller takes part and waits only for pieces that a worker has begun, so it never depends on a
// task that is still queued: a pool whose threads all call this makes progress.
// Errors: the failure
// with the smallest index; pieces after a failure may not run.
#pragma once

#include <cstddef>
#include <functional>

#include "base/executor.h"
#include "base/status.h"

namespace tocsin::promql::eval {

// `workers` may be null. f must be callable from several threads at once.
Status for_each_index(std::size_t count, base::Executor* workers,
                      const std::function<Status(std::size_t)>& f);

// Calls make(i) as for_each_index calls f(i), and take(i) for one i after the other in order, never two
// at once, as soon as make has returned for it and all before: what is made need not be kept.
Status for_each_in_order(std::size_t count, base::Executor* workers,
                         const std::function<Status(std::size_t)>& make,
                         const std::function<Status(std::size_t)>& take);

}  // namespace tocsin::promql::eval
