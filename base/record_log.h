// SPDX-License-Identifier: Apache-2.0
//
// A record log: an append-only file of CRC-protected records, for small state that must survive a
// crash (silences, the notification log). docs/formats/record_log.md has the bytes:
//   file   = magic "TCSNLOG1" | record*
//   record = length u32 | masked crc32c u32 of (type, payload) | type u8 | payload      (little
//   endian)
//
// Threads: confined; one owner at a time. Does not throw.
// Errors: a torn or damaged tail ends reading and is reported, never an error of the whole file.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/status.h"

namespace tocsin::base {

// CRC-32C (Castagnoli) of `data`, continuing from `crc` (0 to start).
std::uint32_t crc32c(std::string_view data, std::uint32_t crc = 0);

struct RecordLogReplay {
  std::uint64_t records = 0;
  std::uint64_t valid_bytes = 0;    // length of the readable prefix
  std::uint64_t damaged_bytes = 0;  // behind it: a torn write or damage
};

class RecordLog {
 public:
  // Largest payload, in bytes.
  static constexpr std::uint32_t kMaxPayload = 64U << 20;

  // Called for each record in order; the view is valid during the call.
  using Reader = std::function<Status(std::uint8_t type, std::string_view payload)>;

  // Opens or creates the log, passes every readable record to `reader`, and cuts a damaged tail
  // off. Fails when the file is not a record log or `reader` fails. Borrows: files.
  static StatusOr<std::unique_ptr<RecordLog>> open(FileSystem& files, std::string path,
                                                   const Reader& reader);

  ~RecordLog();
  RecordLog(const RecordLog&) = delete;
  RecordLog& operator=(const RecordLog&) = delete;

  // Writes one record; it survives a crash of the process when this returns OK, and a power cut
  // after sync(). On error the log ends where it did before.
  Status append(std::uint8_t type, std::string_view payload);
  // After it fails, append() and sync() fail until rewrite() succeeds: the system may have dropped
  // bytes that were acknowledged before.
  Status sync();

  // Replaces the whole log by the records that `write` appends through its argument, atomically: on
  // error the old log stays.
  using Rewriter =
      std::function<Status(const std::function<Status(std::uint8_t, std::string_view)>&)>;
  Status rewrite(const Rewriter& write);

  std::uint64_t size_bytes() const;
  const RecordLogReplay& replay() const;

 private:
  struct Impl;
  explicit RecordLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::base
