// SPDX-License-Identifier: Apache-2.0
//
// The side of a run and its names: what decodes is in order and encodes to what decodes to the same. Input:
// the kind (d part of the directory, c chunks of a series, n names), then the bytes in the frame.
#include "tsdb/run/run_side.h"

#include "base/check.h"
#include "base/testing/fuzz.h"
#include "tsdb/run/run_names.h"
#include "tsdb/tile/frame.h"

namespace tocsin::tsdb {
namespace {

void check_directory(std::string_view payload) {
  SideDirectory directory;
  if (!append_side_part(make_frame(FrameKind::kSideDirectory, payload), &directory).ok()) return;
  SideDirectory again;
  for (const std::string& part : encode_side_directory(directory)) {
    CHECK(append_side_part(part, &again).ok());
  }
  CHECK(again.size() == directory.size());
  for (std::size_t i = 0; i < again.size(); ++i) {
    const SideEntry& a = directory[i];
    const SideEntry& b = again[i];
    CHECK(i == 0 || directory[i - 1].id < a.id);
    CHECK(i == 0 || directory[i - 1].block <= a.block);
    CHECK(a.min_ms <= a.max_ms);
    CHECK(a.id == b.id && a.block == b.block && a.slot == b.slot);
    CHECK(a.min_ms == b.min_ms && a.max_ms == b.max_ms);
    CHECK(find_side(directory, storage::SeriesId(a.id)) == &a);
  }
}

void check_chunks(std::string_view piece) {
  std::vector<SideChunk> chunks;
  if (!decode_side_chunks(piece, {}, &chunks).ok()) return;
  std::vector<SideChunk> again;
  CHECK(decode_side_chunks(encode_side_chunks(chunks), {}, &again).ok());
  CHECK(again.size() == chunks.size());
  for (std::size_t i = 0; i < again.size(); ++i) {
    CHECK(chunks[i].min_ms <= chunks[i].max_ms);
    CHECK(again[i].min_ms == chunks[i].min_ms && again[i].max_ms == chunks[i].max_ms);
    CHECK(again[i].samples == chunks[i].samples && again[i].bytes == chunks[i].bytes);
  }
}

void check_names(std::string_view payload) {
  RunNames names;
  if (!names.append_part(make_frame(FrameKind::kNames, payload)).ok()) return;
  RunNames again;
  for (const std::string& part : names.encode()) CHECK(again.append_part(part).ok());
  CHECK(again.names == names.names);
  for (std::size_t i = 1; i < names.names.size(); ++i) {
    CHECK(names.names[i - 1].text < names.names[i].text);
    CHECK(names.names[i - 1].position < names.names[i].position);
  }
}

void fuzz(std::string_view bytes) {
  if (bytes.empty()) return;
  const char kind = bytes.front();
  bytes.remove_prefix(1);
  if (kind == 'd') check_directory(bytes);
  if (kind == 'c') check_chunks(bytes);
  if (kind == 'n') check_names(bytes);
}

}  // namespace

TOCSIN_FUZZ_TARGET(run_side, fuzz)

}  // namespace tocsin::tsdb
