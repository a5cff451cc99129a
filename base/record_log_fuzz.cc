// SPDX-License-Identifier: Apache-2.0
//
// The record log (silences, notifications): whatever the file holds, what is read is a prefix that stays,
// and what is appended behind it is read too.
#include "base/record_log.h"

#include "base/check.h"
#include "base/testing/fuzz.h"
#include "base/testing/mem_fs.h"

namespace tocsin::base {
namespace {

using Records = std::vector<std::pair<std::uint8_t, std::string>>;

StatusOr<std::unique_ptr<RecordLog>> open(FileSystem& files, Records* records) {
  return RecordLog::open(files, "/log", [&](std::uint8_t type, std::string_view payload) {
    records->emplace_back(type, payload);
    return ok();
  });
}

// The bytes as they are, or, to get past the checksums, as a sequence of records of up to 15 bytes
// with the rest as a torn tail.
std::string file_of(std::string_view bytes) {
  if (bytes.empty() || bytes.front() != 'r') return std::string(bytes);
  bytes.remove_prefix(1);
  const std::unique_ptr<FileSystem> files = testing::make_mem_fs();
  Records none;
  const auto log = open(*files, &none);
  CHECK(log.ok());
  for (int i = 0; i < 20 && !bytes.empty() && bytes.front() != 't'; ++i) {
    const auto first = static_cast<std::uint8_t>(bytes.front());
    CHECK((*log)->append(first >> 4U, bytes.substr(1, first % 16)).ok());
    bytes.remove_prefix(std::min<std::size_t>(bytes.size(), 1U + first % 16));
  }
  std::string file = *files->read_file("/log", 1U << 20U);
  return file.append(bytes);
}

void fuzz(std::string_view bytes) {
  const std::unique_ptr<FileSystem> files = testing::make_mem_fs();
  CHECK((*files->open_writable("/log", FileSystem::OpenMode::kTruncate))
            ->append(file_of(bytes))
            .ok());
  Records first;
  {
    auto log = open(*files, &first);
    if (!log.ok()) return;
    CHECK((*log)->append(7, "appended").ok());
  }
  Records second;
  const auto log = open(*files, &second);
  CHECK(log.ok());
  CHECK((*log)->replay().damaged_bytes == 0);
  first.emplace_back(std::uint8_t{7}, "appended");
  CHECK(first == second);
}

}  // namespace

TOCSIN_FUZZ_TARGET(record_log, fuzz)

}  // namespace tocsin::base
