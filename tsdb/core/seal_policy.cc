// SPDX-License-Identifier: Apache-2.0
//
// When the head becomes a run: by its age, by the time that its samples span, by their number and by
// their memory. So a backfill of hours in seconds is sealed piece by piece, and values that do not
// compress cannot fill the memory.
#include <algorithm>

#include "tsdb/core/core.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint64_t kWorthSealing = 1U << 20;  // bytes of journal, on a nearly full disk
// Fewer samples than this are not sealed for what they span: a run costs more than they do.
constexpr std::uint64_t kWorthSpan = 100'000;

bool is_large(const Core& core, const Options& options, const Head::Stats& head) {
  const std::uint64_t limit =
      std::max(options.seal_min_bytes, head.series * options.seal_series_bytes);
  return core.head.memory_bytes() >= limit;
}

}  // namespace

bool seal_is_due(const Core& core) {
  if (core.seal_failed) return true;
  // On a nearly full disk: a run is smaller than its journal.
  if (core.space.full() && core.journal->size_bytes() > kWorthSealing) return true;
  const Options options = *core.options.lock();
  const std::int64_t age_ms = base::to_ms(core.clock.now()) - core.epoch_began_ms;
  if (age_ms >= options.seal_age.count()) return true;
  const Head::Stats head = core.head.stats();
  if (head.samples >= options.seal_samples) return true;
  if (core.head.side().stats().bytes >= options.seal_side_bytes) return true;
  if (head.samples >= kWorthSpan && static_cast<std::uint64_t>(head.epoch_max_ms) -
                                            static_cast<std::uint64_t>(head.epoch_min_ms) >=
                                        static_cast<std::uint64_t>(options.seal_age.count())) {
    return true;
  }
  return is_large(core, options, head);
}

}  // namespace tocsin::tsdb
