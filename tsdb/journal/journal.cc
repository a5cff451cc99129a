// SPDX-License-Identifier: Apache-2.0
#include "tsdb/journal/journal.h"

#include <set>

#include "base/log.h"
#include "base/time.h"
#include "tsdb/journal/segment.h"

namespace tocsin::tsdb {

using base::FileSystem;

Journal::Journal(FileSystem& files, const base::Clock& clock, Options options)
    : files_(files),
      clock_(clock),
      options_(std::move(options)),
      next_segment_(options_.first_segment),
      size_(options_.older_bytes) {}

StatusOr<std::unique_ptr<Journal>> Journal::open(FileSystem& files, const base::Clock& clock,
                                                 Options options) {
  RETURN_IF_ERROR(files.create_directories(options.directory));
  std::unique_ptr<Journal> journal(new Journal(files, clock, std::move(options)));
  RETURN_IF_ERROR(journal->roll());
  return journal;
}

Journal::SegmentPtr Journal::current() const {
  base::MutexLock lock(mutex_);
  return current_;
}

void Journal::push_unsynced(SegmentPtr segment, std::string bytes) {
  unsynced_bytes_ += bytes.size();
  unsynced_.push_back({next_unsynced_++, std::move(segment), std::move(bytes)});
}

Status Journal::roll() {
  std::uint64_t number = 0;
  {
    base::MutexLock lock(mutex_);
    number = next_segment_++;  // a number is used once, also when creating its file fails
  }
  auto segment = std::make_shared<Segment>();
  segment->number = number;
  const std::string path = base::join_path(options_.directory, segment_name(number));
  ASSIGN_OR_RETURN(segment->writer, files_.open_writable(path, FileSystem::OpenMode::kTruncate));
  ASSIGN_OR_RETURN(segment->syncer, files_.open_writable(path, FileSystem::OpenMode::kAppend));
  const std::string header = segment_header(number, base::to_ms(clock_.now()));
  RETURN_IF_ERROR(segment->writer->append(header));
  segment->size = header.size();
  broken_ = false;
  base::MutexLock lock(mutex_);
  push_unsynced(segment, {});
  current_ = std::move(segment);
  directory_dirty_ = true;
  size_ += header.size();
  return ok();
}

StatusOr<std::uint64_t> Journal::segment_for_append() {
  bool full = false;
  {
    base::MutexLock lock(mutex_);
    full = unsynced_bytes_ > kMaxUnsyncedBytes;
  }
  if (full && !sync().ok()) RETURN_IF_ERROR(abandon());
  if (broken_ || current()->size >= options_.segment_bytes) RETURN_IF_ERROR(roll());
  return segment();
}

Status Journal::append(std::uint8_t type, std::span<const std::string> payloads) {
  std::vector<std::string> frames;
  frames.reserve(payloads.size());  // views of its strings are taken
  std::vector<std::string_view> parts;
  std::uint64_t bytes = 0;
  for (const std::string& payload : payloads) {
    if (payload.size() > kMaxJournalRecord)
      return resource_exhausted("batch too large for the journal");
    parts.push_back(frames.emplace_back(record_frame(type, payload)));
    parts.push_back(payload);
    bytes += kFrameBytes + payload.size();
  }
  RETURN_IF_ERROR(write(parts, bytes));
  std::string copy;
  copy.reserve(bytes);
  for (const std::string_view part : parts) copy += part;
  base::MutexLock lock(mutex_);
  push_unsynced(current_, std::move(copy));
  return ok();
}

Status Journal::write(std::span<const std::string_view> parts, std::uint64_t bytes) {
  if (broken_) RETURN_IF_ERROR(roll());
  const SegmentPtr segment = current();
  if (Status written = segment->writer->append_parts(parts); !written.ok()) {
    // When what was written of it cannot be cut off again, the segment ends in a torn record and
    // the next append goes to a new one.
    broken_ = !segment->writer->truncate(segment->size).ok();
    return annotate(written, "journal");
  }
  segment->size += bytes;
  base::MutexLock lock(mutex_);
  size_ += bytes;
  return ok();
}

Status Journal::sync() {
  const Turn::Holder turn(sync_turn_);
  std::vector<SegmentPtr> dirty;
  std::uint64_t end = 0;
  bool directory = false;
  {
    base::MutexLock lock(mutex_);
    end = next_unsynced_;
    directory = std::exchange(directory_dirty_, false);
    for (const Unsynced& piece : unsynced_) {
      if (dirty.empty() || dirty.back() != piece.segment) dirty.push_back(piece.segment);
    }
  }
  Status result;
  // The oldest first, so that a power cut does not keep a newer segment and lose an older one's
  // end.
  for (const SegmentPtr& segment : dirty) {
    if (result.ok()) result = segment->syncer->sync();
  }
  if (directory && result.ok()) result = files_.sync_directory(options_.directory);
  base::MutexLock lock(mutex_);
  if (!result.ok()) {
    directory_dirty_ = directory_dirty_ || directory;
    return annotate(result, "journal");
  }
  while (!unsynced_.empty() && unsynced_.front().id < end) {
    unsynced_bytes_ -= unsynced_.front().bytes.size();
    unsynced_.pop_front();
  }
  return ok();
}

Status Journal::abandon() {
  std::string again;
  std::uint64_t end = 0;
  {
    base::MutexLock lock(mutex_);
    end = next_unsynced_;
    for (const Unsynced& piece : unsynced_) again += piece.bytes;
  }
  RETURN_IF_ERROR(roll());
  const std::string_view part = again;
  if (!again.empty()) RETURN_IF_ERROR(write({&part, 1}, again.size()));
  base::MutexLock lock(mutex_);
  while (!unsynced_.empty() && unsynced_.front().id < end) {
    unsynced_bytes_ -= unsynced_.front().bytes.size();
    unsynced_.pop_front();
  }
  push_unsynced(current_, std::move(again));
  return ok();
}

Status Journal::remove_before(std::uint64_t segment) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.list(options_.directory));
  for (const std::string& name : names) {
    const std::optional<std::uint64_t> number = parse_segment_name(name);
    if (!number || *number >= segment) continue;
    const std::string path = base::join_path(options_.directory, name);
    const StatusOr<base::FileInfo> info = files_.info(path);
    RETURN_IF_ERROR(files_.remove(path));
    base::MutexLock lock(mutex_);
    std::erase_if(unsynced_, [&](const Unsynced& piece) ABSL_NO_THREAD_SAFETY_ANALYSIS {
      if (piece.segment->number != *number) return false;
      unsynced_bytes_ -= piece.bytes.size();
      return true;
    });
    if (info.ok()) size_ -= std::min(size_, info->size);
  }
  return ok();
}

std::uint64_t Journal::segment() const { return current()->number; }

std::uint64_t Journal::size_bytes() const {
  base::MutexLock lock(mutex_);
  return size_;
}

// Replay ----------------------------------------------------------------------------------------

namespace {

// After kill -9 acknowledged records may still be on their way to the disk, and nobody else would
// sync them.
Status sync_file(FileSystem& files, const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, files.open_writable(path, FileSystem::OpenMode::kAppend));
  return file->sync();
}

Status replay_segment(FileSystem& files, const std::string& path, std::uint64_t offset,
                      const JournalVisitor& visit, JournalReplay* result) {
  ASSIGN_OR_RETURN(const std::string bytes, files.read_file(path, UINT64_MAX));
  if (bytes.empty())
    return files.remove(path);  // created, and nothing of it synced before a power cut
  const StatusOr<SegmentHeader> header = parse_segment_header(bytes);
  if (!header.ok() && header.status().code() != StatusCode::kDataLoss) {
    return annotate(header.status(), "{}", path);
  }
  std::string_view rest = bytes;
  if (header.ok()) {
    if (result->oldest_created_ms == 0) result->oldest_created_ms = header->created_ms;
    const std::uint64_t begin = std::max<std::uint64_t>(offset, kSegmentHeaderBytes);
    rest.remove_prefix(std::min<std::size_t>(rest.size(), begin));
    while (const std::optional<Record> record = take_record(&rest)) {
      ++result->records;
      RETURN_IF_ERROR(annotate(visit(record->type, record->payload), "{}", path));
    }
    if (rest.empty()) return sync_file(files, path);
  }
  ++result->torn_segments;
  result->damaged_bytes += rest.size();
  base::log::warn("journal segment ends in a torn record, which is cut off",
                  {{"path", path}, {"bytes", rest.size()}, {"offset", bytes.size() - rest.size()}});
  // Cut, so that the next start does not report it again.
  if (!header.ok()) return files.remove(path);
  ASSIGN_OR_RETURN(const auto file, files.open_writable(path, FileSystem::OpenMode::kAppend));
  RETURN_IF_ERROR(file->truncate(bytes.size() - rest.size()));
  return file->sync();
}

}  // namespace

Status replay_journal(FileSystem& files, const std::string& directory, JournalPosition from,
                      const JournalVisitor& visit, JournalReplay* result) {
  RETURN_IF_ERROR(files.create_directories(directory));
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files.list(directory));
  std::set<std::uint64_t> numbers;
  for (const std::string& name : names) {
    if (const std::optional<std::uint64_t> number = parse_segment_name(name))
      numbers.insert(*number);
  }
  result->next_segment = std::max<std::uint64_t>(1, from.segment + 1);
  for (const std::uint64_t number : numbers) {
    result->next_segment = std::max(result->next_segment, number + 1);
    if (number < from.segment) continue;
    const std::string path = base::join_path(directory, segment_name(number));
    RETURN_IF_ERROR(
        replay_segment(files, path, number == from.segment ? from.offset : 0, visit, result));
  }
  for (const std::uint64_t number : numbers) {
    const StatusOr<base::FileInfo> info =
        files.info(base::join_path(directory, segment_name(number)));
    if (info.ok()) result->bytes += info->size;
  }
  return files.sync_directory(directory);
}

}  // namespace tocsin::tsdb
