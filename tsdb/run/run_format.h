// SPDX-License-Identifier: Apache-2.0
//
// Keys and small values of the run store: what is under which key, and in which bytes.
//
// Pure functions of values.
// Errors: kDataLoss for damaged bytes.
// Read next: docs/formats/tsdb_runs.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "tsdb/run/run_store.h"
#include "tsdb/tile/frame.h"

namespace tocsin::tsdb {

inline constexpr std::uint32_t kFormatVersion = 4;

// Keys of the meta family.
inline constexpr std::string_view kFormatKey = "format";
inline constexpr std::string_view kJournalKey = "journal";
inline constexpr std::string_view kHeadKey = "head";
inline constexpr std::string_view kNextRunKey = "next_run";
inline constexpr std::string_view kRunPrefix = "run/";

// What the manifest holds of a run.
struct RunRecord {
  RunInfo info;
  std::uint32_t directory_parts = 0;
  std::uint32_t columns = 0;
  std::uint32_t tiles = 0;
  std::uint32_t side_parts = 0;
  std::uint32_t side_blocks = 0;
  std::uint32_t name_parts = 0;

  bool is_empty() const { return tiles == 0 && side_blocks == 0; }
};

std::string run_key(RunId id);
std::string encode_run(const RunRecord& run);
StatusOr<RunRecord> decode_run(std::string_view key, std::string_view value);

std::string encode_journal(const JournalPosition& position);
StatusOr<JournalPosition> decode_journal(std::string_view value);
std::string encode_number(std::uint64_t value);
StatusOr<std::uint64_t> decode_number(std::string_view value);

// Keys of the samples family. All keys of a run lie in [run_begin, run_end).
std::string sample_key(const RunInfo& run, FrameKind kind, std::uint32_t number);
std::string run_begin(std::uint8_t tier, RunId id);
std::string run_end(std::uint8_t tier, RunId id);
struct SampleKeyRun {
  std::uint8_t tier = 0;
  RunId id;
};
StatusOr<SampleKeyRun> run_of_sample_key(std::string_view key);

}  // namespace tocsin::tsdb
