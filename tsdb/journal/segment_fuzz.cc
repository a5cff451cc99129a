// SPDX-License-Identifier: Apache-2.0
//
// Journal segments: whatever bytes a segment holds, replaying yields whole records and cuts the rest
// off, and a second replay yields the same.
#include "tsdb/journal/segment.h"

#include "base/check.h"
#include "base/testing/fuzz.h"
#include "base/testing/mem_fs.h"
#include "tsdb/journal/journal.h"

namespace tocsin::tsdb {
namespace {

std::vector<std::string> replay(base::FileSystem& files) {
  std::vector<std::string> records;
  JournalReplay result;
  const auto visit = [&](std::uint8_t type, std::string_view payload) {
    records.push_back(std::string(1, static_cast<char>(type)).append(payload));
    return ok();
  };
  if (!replay_journal(files, "/j", {}, visit, &result).ok()) records.emplace_back("refused");
  return records;
}

// With 'r' in front: a sound header and records of up to 31 bytes; a 't' ends them and is torn tail.
std::string segment_of(std::string_view bytes) {
  if (bytes.empty() || bytes.front() != 'r') return std::string(bytes);
  bytes.remove_prefix(1);
  std::string out = segment_header(1, 1000);
  while (!bytes.empty() && bytes.front() != 't') {
    const auto first = static_cast<std::uint8_t>(bytes.front());
    const std::string_view payload = bytes.substr(1, first % 32);
    out.append(record_frame(first >> 5U, payload)).append(payload);
    bytes.remove_prefix(1 + payload.size());
  }
  return out.append(bytes);
}

void fuzz(std::string_view bytes) {
  static_cast<void>(parse_segment_header(bytes));
  static_cast<void>(parse_segment_name(bytes));
  const std::unique_ptr<base::FileSystem> files = base::testing::make_mem_fs();
  CHECK(files->create_directories("/j").ok());
  const std::string path = "/j/" + segment_name(1);
  const auto file = files->open_writable(path, base::FileSystem::OpenMode::kTruncate);
  CHECK(file.ok() && (*file)->append(segment_of(bytes)).ok());
  const std::vector<std::string> first = replay(*files);
  CHECK(replay(*files) == first);
}

}  // namespace

TOCSIN_FUZZ_TARGET(segment, fuzz)

}  // namespace tocsin::tsdb
