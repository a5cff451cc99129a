// SPDX-License-Identifier: Apache-2.0
//
// Opened: a small database on the real disk that is closed and opened again, for tests of faults.
// Threads: confined.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/testing/fake_clock.h"
#include "tsdb/testing/random_load.h"

namespace tocsin::tests {

using tsdb::testing::RandomLoad;

inline constexpr int kRetentionMs = 20 * 60 * 1000;
inline constexpr int kSyncMs = 1000;
inline constexpr auto kQuiet = static_cast<base::log::Level>(99);  // expected errors are many

inline tsdb::Options small_options() {
  tsdb::Options options;
  options.background = false;
  options.seal_rows = 16;
  options.journal_segment_bytes = 6'000;
  options.retention = base::Duration(kRetentionMs);
  options.sync_interval = base::Duration(kSyncMs);
  return options;
}

inline RandomLoad::Options load_options(std::string tag) {
  return {.series = 40,
          .max_batch = 20,
          .upkeep_percent = 12,
          .retention_ms = kRetentionMs,
          .tag = std::move(tag)};
}

// A database that can be closed and opened again.
struct Opened {
  explicit Opened(std::string in_directory) : directory(std::move(in_directory)) {}

  Status open(std::int64_t now_ms) {
    close();
    clock.advance_to(std::max(clock.now(), base::from_ms(now_ms)));
    auto opened =
        tsdb::Db::open(directory, small_options(), {clock, base::real_file_system(), metrics});
    if (opened.ok()) db = *std::move(opened);
    return opened.status();
  }
  void close() {
    db.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory + "/snapshots", ignored);
  }

  const std::string directory;
  base::testing::FakeClock clock;
  base::Registry metrics;
  std::unique_ptr<tsdb::Db> db;
};

// When the journal is synced: each second, by the clock of the work.
class Syncs {
 public:
  explicit Syncs(std::int64_t opened_ms) : last_ms_(opened_ms) {}
  // Whether all work before `load`'s is on the disk once a sync before it has worked: then a power cut
  // takes none of it. So the most that one takes is what was done in the second before it.
  bool before(RandomLoad& load) {
    if (load.now_ms() - last_ms_ < kSyncMs) return false;
    last_ms_ = load.now_ms();
    return true;
  }
  void opened(std::int64_t now_ms) { last_ms_ = now_ms; }

 private:
  std::int64_t last_ms_;
};

// Does one piece of work, restarts included, and before it the sync that is due.
inline Status step(RandomLoad& load, Opened& opened) {
  opened.clock.advance_to(std::max(opened.clock.now(), base::from_ms(load.now_ms())));
  RETURN_IF_ERROR(opened.db->sync_due());
  if (load.work().kind != RandomLoad::Work::Kind::kRestart) return load.run(*opened.db);
  const Status status = opened.open(load.now_ms());
  if (status.ok()) load.reopened();
  return status;
}

}  // namespace tocsin::tests
