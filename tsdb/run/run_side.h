// SPDX-License-Identifier: Apache-2.0
//
// The side of a run: chunks of side samples by series, in blocks behind a directory of their own.
//
//   directory part = frame(count | per entry: id - last id | block - last block | min zigzag |
//                    max - min), all from 0; the n-th entry of a block is in its slot n
//   block          = frame(slots), per series: chunks | per chunk: min zigzag, max - min, samples,
//                    length | bytes of the chunks one behind the other
// What the bytes of a chunk mean is not known here. Their times may overlap those of other runs.
// Hides: blocks.
// Threads: SideDirectories is shared, the rest are values and functions.
// Errors: kDataLoss for damaged frames, naming run and block.
// Read next: docs/formats/tsdb_runs.md, tsdb_side.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "tsdb/kv/kv_store.h"
#include "tsdb/run/run_cache.h"
#include "tsdb/run/run_format.h"

namespace tocsin::tsdb {

struct SideEntry {
  std::uint32_t id = 0;
  std::uint32_t block = 0;
  std::uint32_t slot = 0;
  std::int64_t min_ms = 0;  // closed
  std::int64_t max_ms = 0;  // closed
};
using SideDirectory = std::vector<SideEntry>;  // ascending by id, each once

// Writes blocks and directory, and fills in record->side. REQUIRES: each series once, with chunks
// that have samples.
Status write_side(std::vector<RunSideInput> side, SampleFile* file, RunRecord* record);

Status read_directory(const KvStore& kv, const RunRecord& run, SideDirectory* directory);
inline std::size_t bytes_of(const SideDirectory& directory) {
  return directory.size() * sizeof(SideEntry);
}
using SideDirectories = DirectoryCache<SideDirectory>;

const SideEntry* find_side(const SideDirectory& directory, storage::SeriesId id);

// Appends to (*out)[i] the chunks that ids[i] has and that touch [min_ms, max_ms]. Damaged blocks
// are left out and named in `warnings`.
struct SideRequest {
  std::span<const storage::SeriesId> ids;  // ascending
  std::int64_t min_ms = INT64_MIN;
  std::int64_t max_ms = INT64_MAX;
  std::vector<std::vector<SideChunk>>* out = nullptr;
  std::vector<std::string>* warnings = nullptr;
};
Status read_run_side(const KvStore& kv, SideDirectories& directories, const RunRecord& run,
                     const SideRequest& request);

// All that the run has, ascending by series: for merging.
StatusOr<std::vector<RunSideInput>> read_side(const KvStore& kv, SideDirectories& directories,
                                              const RunRecord& run,
                                              std::vector<std::string>* warnings);

// The bytes: parts of the directory, and the piece of a block that one series has. Decoding keeps
// the chunks that touch the range of the request. Errors: kDataLoss, and then what is appended to
// means nothing.
std::vector<std::string> encode_side_directory(const SideDirectory& directory);
Status append_side_part(std::string_view frame, SideDirectory* directory);
std::string encode_side_chunks(const std::vector<SideChunk>& chunks);
Status decode_side_chunks(std::string_view piece, const SideRequest& request,
                          std::vector<SideChunk>* out);

}  // namespace tocsin::tsdb
