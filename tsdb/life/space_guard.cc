// SPDX-License-Identifier: Apache-2.0
#include "tsdb/life/space_guard.h"

#include <utility>

#include "base/log.h"
#include "model/timestamp.h"

namespace tocsin::tsdb {

SpaceGuard::SpaceGuard(base::FileSystem& files, std::string directory, base::Registry& registry)
    : files_(files),
      directory_(std::move(directory)),
      stopped_(registry.gauge("tocsin_tsdb_ingestion_stopped",
                              "1 while samples are refused because the disk is nearly full.")),
      free_bytes_(registry.gauge("tocsin_tsdb_disk_free_bytes",
                                 "Free space of the file system of the database.")),
      reserve_bytes_(registry.gauge("tocsin_tsdb_disk_reserve_bytes",
                                    "Free space below which samples are refused.")),
      refused_(registry.counter("tocsin_tsdb_batches_refused_total",
                                "Batches refused because the disk is nearly full.")) {}

Status SpaceGuard::admit() {
  if (!full()) return ok();
  refused_.inc();
  return resource_exhausted("no space left on the disk of {}: samples are refused until there is",
                            directory_);
}

void SpaceGuard::check(std::uint64_t reserve_bytes) {
  const StatusOr<std::uint64_t> free = files_.free_bytes(directory_);
  if (!free.ok()) return;  // unknown: leave it as it is
  free_bytes_.set(static_cast<double>(*free));
  reserve_bytes_.set(static_cast<double>(reserve_bytes));
  const bool was_full = full();
  const std::uint64_t needed = was_full ? reserve_bytes + reserve_bytes / 8 : reserve_bytes;
  const bool is_full = *free < needed;
  if (is_full == was_full) return;
  full_.store(is_full, std::memory_order_relaxed);
  stopped_.set(is_full ? 1 : 0);
  if (!is_full) {
    base::log::info("there is space on the disk again: samples are accepted",
                    {{"path", directory_}, {"free", model::format_size(*free)}});
    return;
  }
  base::log::error(
      "the disk is nearly full: samples are refused, queries go on. Free space on it, keep less "
      "with --storage.tsdb.retention.time or .size, or enlarge it; ingestion then resumes by "
      "itself",
      {{"path", directory_},
       {"free", model::format_size(*free)},
       {"reserve", model::format_size(reserve_bytes)}});
}

}  // namespace tocsin::tsdb
