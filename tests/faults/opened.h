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
inline constexpr auto kQuiet = static_cast<base::log::Level>(99);  // expected errors are many

inline tsdb::Options small_options() {
  tsdb::Options options;
  options.background = false;
  options.seal_rows = 16;
  options.journal_segment_bytes = 6'000;
  options.retention = base::Duration(kRetentionMs);
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

inline bool is_unimplemented(const Status& status) {
  return status.code() == StatusCode::kUnimplemented;
}

// Does one piece of work, restarts included.
inline Status step(RandomLoad& load, Opened& opened) {
  opened.clock.advance_to(std::max(opened.clock.now(), base::from_ms(load.now_ms())));
  if (load.work().kind != RandomLoad::Work::Kind::kRestart) return load.run(*opened.db);
  const Status status = opened.open(load.now_ms());
  if (status.ok()) load.reopened();
  return status;
}

}  // namespace tocsin::tests
