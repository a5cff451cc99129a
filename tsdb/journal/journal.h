// SPDX-License-Identifier: Apache-2.0
//
// Journal: an append-only log of batches in segment files; what makes a commit survive kill -9.
//
//   segment NNNNNNNN.seg = header record*
//   header = magic "TCSNJNL1" | version u32 | reserved u32 | segment u64 | created ms i64 | crc32c
//   of these record = length u32 | crc32c u32 of (type, payload) | type u8 | payload     (little
//   endian)
//
// A record is whole or its tail is torn; then reading of its segment ends there. A segment whose
// write or sync failed is abandoned: what was not known to be on the disk is written again into the
// next one, so readers skip by sequence number.
// Hides: segments, which bytes are synced. Owns: the
// files below its directory.
// Borrows: FileSystem, Clock. Threads: append(), roll(),
// segment_for_append() and abandon() by one thread at a time (the commit leader); sync(),
// remove_before() and the sizes by any. No lock is held over I/O.
// Errors: kResourceExhausted and kUnavailable from the files; nothing of a failed append is ever
// read again.
// Read next: docs/formats/tsdb_journal.md, batch_codec.h.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/mutex.h"
#include "base/status.h"
#include "tsdb/core/turn.h"
#include "tsdb/run/run_store.h"

namespace tocsin::tsdb {

inline constexpr std::uint32_t kMaxJournalRecord = 256U << 20;  // payload bytes
inline constexpr std::uint64_t kMaxUnsyncedBytes = 64ULL
                                                   << 20;  // above, the next append syncs first

class Journal {
 public:
  struct Options {
    std::string directory;
    std::uint64_t segment_bytes = 64ULL << 20;
    std::uint64_t first_segment = 1;  // above all that exist
    std::uint64_t older_bytes = 0;    // of segments that exist
  };

  // Starts a new segment.
  static StatusOr<std::unique_ptr<Journal>> open(base::FileSystem& files, const base::Clock& clock,
                                                 Options options);

  // Number of the segment that the next append writes to; starts that segment when it is time.
  StatusOr<std::uint64_t> segment_for_append();
  // Writes one record per payload, with one system call. On error none of them counts.
  Status append(std::uint8_t type, std::span<const std::string> payloads);
  // Starts a new segment.
  Status roll();

  // Brings everything appended so far to the disk. After an error the leader calls abandon().
  Status sync();
  // Gives up the segments that failed to sync: writes what they may have lost into a new segment.
  Status abandon();

  // Deletes segments with smaller numbers.
  Status remove_before(std::uint64_t segment);
  std::uint64_t segment() const;
  std::uint64_t size_bytes() const;

 private:
  struct Segment {
    std::uint64_t number = 0;
    std::unique_ptr<base::WritableFile> writer;  // the leader's
    std::unique_ptr<base::WritableFile> syncer;  // the same file, for sync()
    std::uint64_t size = 0;                      // good bytes; the leader's
  };
  using SegmentPtr = std::shared_ptr<Segment>;
  struct Unsynced {
    std::uint64_t id;
    SegmentPtr segment;
    std::string bytes;
  };

  Journal(base::FileSystem& files, const base::Clock& clock, Options options);
  SegmentPtr current() const;
  Status write(std::span<const std::string_view> parts, std::uint64_t bytes);
  void push_unsynced(SegmentPtr segment, std::string bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  base::FileSystem& files_;
  const base::Clock& clock_;
  const Options options_;

  bool broken_ = false;  // the leader's: the current segment may end in a torn record

  Turn sync_turn_;

  mutable base::Mutex mutex_;
  SegmentPtr current_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t next_segment_ ABSL_GUARDED_BY(mutex_);
  std::deque<Unsynced> unsynced_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t next_unsynced_ ABSL_GUARDED_BY(mutex_) = 1;
  std::uint64_t unsynced_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool directory_dirty_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint64_t size_ ABSL_GUARDED_BY(mutex_);
};

struct JournalReplay {
  std::uint64_t records = 0;
  std::uint64_t torn_segments = 0;  // that ended in something else than a whole record
  std::uint64_t damaged_bytes = 0;
  std::uint64_t bytes = 0;             // of all segments that exist
  std::uint64_t next_segment = 1;      // above all that exist
  std::int64_t oldest_created_ms = 0;  // of the first segment read; 0 without
};
// Calls visit for each record from `from` on; its payload is valid during the call. Torn tails are
// cut off and counted.
using JournalVisitor = std::function<Status(std::uint8_t type, std::string_view payload)>;
Status replay_journal(base::FileSystem& files, const std::string& directory, JournalPosition from,
                      const JournalVisitor& visit, JournalReplay* result);

}  // namespace tocsin::tsdb
