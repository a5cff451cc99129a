// SPDX-License-Identifier: Apache-2.0
//
// SpaceGuard: stops ingestion before the disk is full, and starts it again when there is space.
//
// Three levels: below the reserve samples are refused, while sealing, which frees the journal, may
// use it down to a quarter; reads, deletions and retention always go on. Ingestion resumes with an
// eighth more than the reserve, so that it does not flap.
// Borrows: FileSystem.
// Threads: shared; admit() is one load.
// Errors: kResourceExhausted from admit() while ingestion is stopped.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/file_system.h"
#include "base/metrics.h"

namespace tocsin::tsdb {

class SpaceGuard {
 public:
  SpaceGuard(base::FileSystem& files, std::string directory, base::Registry& registry);

  // OK when samples may be written.
  Status admit();
  bool full() const { return full_.load(std::memory_order_relaxed); }
  // Looks at the disk; called each second and after a write that found no space.
  void check(std::uint64_t reserve_bytes);

  // What sealing leaves of the reserve.
  static std::uint64_t seal_reserve(std::uint64_t reserve_bytes) { return reserve_bytes / 4; }

 private:
  base::FileSystem& files_;
  const std::string directory_;
  base::Gauge& stopped_;
  base::Gauge& free_bytes_;
  base::Gauge& reserve_bytes_;
  base::Counter& refused_;
  std::atomic<bool> full_{false};
};

}  // namespace tocsin::tsdb
