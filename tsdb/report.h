// SPDX-License-Identifier: Apache-2.0
//
// What the database says about itself to people: its runs, and what a verification found. Values.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tocsin::tsdb {

struct RunReport {
  std::uint64_t id = 0;
  std::uint8_t tier = 0;
  std::int64_t min_ms = 0;  // closed
  std::int64_t max_ms = 0;  // closed
  std::uint64_t series = 0;
  std::uint64_t samples = 0;
  std::uint64_t bytes = 0;
};

struct VerifyReport {
  static constexpr std::size_t kMaxDamage = 1000;

  std::uint64_t runs = 0;
  std::uint64_t series = 0;   // of all runs, each once per run
  std::uint64_t samples = 0;  // read from runs
  std::uint64_t bytes = 0;    // of runs
  std::uint64_t journal_segments = 0;
  std::uint64_t journal_records = 0;
  std::uint64_t damaged = 0;        // pieces
  std::vector<std::string> damage;  // what the first kMaxDamage are
};

// Gets the bytes looked at so far, and all.
using VerifyProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

}  // namespace tocsin::tsdb
