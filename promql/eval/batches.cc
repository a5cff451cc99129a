// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/batches.h"

#include <iterator>
#include <utility>

#include "promql/eval/parallel.h"

namespace tocsin::promql::eval {

StatusOr<VectorSet> join_batches(Evaluation& run, Batches& batches) {
  base::Mutex mutex;
  Charge charge(run);
  std::vector<VectorSet> slots(batches.count());
  RETURN_IF_ERROR(for_each_index(slots.size(), run.setup().workers, [&](std::size_t i) -> Status {
    RETURN_IF_ERROR(batches.make(i, &slots[i]));
    const std::uint64_t bytes = bytes_of(slots[i]);
    base::MutexLock lock(mutex);
    return charge.add(0, bytes);
  }));
  batches.finish();
  std::size_t count = 0;
  for (const VectorSet& slot : slots) count += slot.size();
  VectorSet joined;
  joined.reserve(count);
  for (VectorSet& slot : slots) {
    std::move(slot.begin(), slot.end(), std::back_inserter(joined));
    slot = VectorSet();
  }
  return joined;
}

}  // namespace tocsin::promql::eval
