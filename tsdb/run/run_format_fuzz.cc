// SPDX-License-Identifier: Apache-2.0
//
// Keys and small values of the run store: what decodes encodes to what decodes to the same. Input: the
// kind, a key, a newline, a value.
#include "tsdb/run/run_format.h"

#include "base/check.h"
#include "base/testing/fuzz.h"
#include "tsdb/run/run_directory.h"

namespace tocsin::tsdb {
namespace {

void check_run(std::string_view key, std::string_view value) {
  const StatusOr<RunRecord> run = decode_run(key, value);
  if (!run.ok()) return;
  const StatusOr<RunRecord> again = decode_run(run_key(run->info.id), encode_run(*run));
  CHECK(again.ok());
  CHECK(again->tiles == run->tiles && again->columns == run->columns);
  CHECK(again->info.min_ms == run->info.min_ms && again->info.samples == run->info.samples);
}

void check_directory(std::string_view payload) {
  RunDirectory directory;
  if (!append_directory_part(make_frame(FrameKind::kDirectory, payload), &directory).ok()) return;
  CHECK(directory.ids.size() == directory.positions.size());
  for (std::size_t i = 1; i < directory.ids.size(); ++i) {
    CHECK(directory.ids[i - 1] <= directory.ids[i]);
  }
  RunDirectory again;
  for (const std::string& part : encode_directory(directory)) {
    CHECK(append_directory_part(part, &again).ok());
  }
  CHECK(again.ids == directory.ids && again.positions == directory.positions);
}

void fuzz(std::string_view bytes) {
  if (bytes.empty()) return;
  const char kind = bytes.front();
  bytes.remove_prefix(1);
  if (kind == 'd') return check_directory(bytes);
  const std::string_view key = bytes.substr(0, bytes.find('\n'));
  const std::string_view value = bytes.substr(std::min(key.size() + 1, bytes.size()));
  check_run(key, value);
  check_run(run_key(RunId(3)), value);
  static_cast<void>(decode_journal(value));
  static_cast<void>(decode_number(value));
  static_cast<void>(run_of_sample_key(bytes));
}

}  // namespace

TOCSIN_FUZZ_TARGET(run_format, fuzz)

}  // namespace tocsin::tsdb
