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

}  // namespace tocsin::promql::eval
