// SPDX-License-Identifier: Apache-2.0
//
// The cut of a snapshot is a new journal segment, begun between two commits: what was visible is in
// runs or in segments before it. Seals, merges and deletions wait until it is copied, so nothing
// moves from one place to another meanwhile.
#include "tsdb/life/snapshot.h"

#include <algorithm>
#include <random>

#include "base/log.h"
#include "tsdb/journal/segment.h"

namespace tocsin::tsdb {
namespace {

using base::FileSystem;
using base::join_path;

constexpr std::string_view kSnapshots = "snapshots";
constexpr std::string_view kUnfinished = ".unfinished-";
constexpr std::size_t kCopyBytes = 1U << 20;

// As upstream: 20060102T150405Z and 16 hexadecimal digits at random.
std::string snapshot_name(base::Timestamp now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(seconds - day);
  std::random_device random;
  const std::uint64_t number = (std::uint64_t{random()} << 32U | random()) >> 1U;
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z-{:016x}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count(), number);
}

Status copy_file(FileSystem& files, const std::string& from, const std::string& to,
                 const std::function<void(std::uint64_t)>& copied = {}) {
  ASSIGN_OR_RETURN(const auto in, files.open_random(from));
  ASSIGN_OR_RETURN(const auto out, files.open_writable(to, FileSystem::OpenMode::kTruncate));
  std::string buffer(kCopyBytes, '\0');
  for (std::uint64_t at = 0; at < in->size();) {
    ASSIGN_OR_RETURN(const std::string_view part, in->read(at, kCopyBytes, buffer.data()));
    if (part.empty()) break;
    RETURN_IF_ERROR(out->append(part));
    at += part.size();
    if (copied) copied(part.size());
  }
  return out->sync();
}

// Copies the segments that a replay needs and that end before `end`.
Status copy_journal(const Core& core, std::uint64_t end, const std::string& to) {
  FileSystem& files = core.files;
  const std::string from = join_path(core.directory, "journal");
  RETURN_IF_ERROR(files.create_directories(to));
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files.list(from));
  for (const std::string& name : names) {
    const std::optional<std::uint64_t> number = parse_segment_name(name);
    if (!number || *number < core.runs->journal_position().segment || *number >= end) continue;
    RETURN_IF_ERROR(copy_file(files, join_path(from, name), join_path(to, name)));
  }
  return files.sync_directory(to);
}

// REQUIRES: nothing is sealed, merged, dropped or deleted meanwhile.
Status fill(Core& core, const std::string& directory, const SnapshotOptions& options) {
  Status cut;
  std::uint64_t end = 0;
  core.queue->exclusive([&] {
    cut = core.journal->roll();
    end = core.journal->segment();
  });
  RETURN_IF_ERROR(cut);
  RETURN_IF_ERROR(core.runs->checkpoint(join_path(directory, "store")));
  if (!core.files.info(join_path(directory, "store")).ok()) {
    return failed_precondition("snapshots need the journal and the store in one file system");
  }
  if (!options.skip_head) RETURN_IF_ERROR(copy_journal(core, end, join_path(directory, "journal")));
  for (const std::string_view name : {std::string_view(TombstoneFile::kName), kNotesFile}) {
    const std::string path = join_path(core.directory, name);
    if (!core.files.info(path).ok()) continue;
    RETURN_IF_ERROR(copy_file(core.files, path, join_path(directory, name)));
  }
  return core.files.sync_directory(directory);
}

}  // namespace

StatusOr<std::string> write_snapshot(Core& core, const SnapshotOptions& options) {
  const Turn::Holder turn(core.maintenance);
  RETURN_IF_ERROR(core.space.admit());
  const std::string name = snapshot_name(core.clock.now());
  const std::string parent = join_path(core.directory, kSnapshots);
  const std::string unfinished = join_path(parent, fmt::format("{}{}", kUnfinished, name));
  RETURN_IF_ERROR(core.files.create_directories(unfinished));
  Status written = core.tombstones.hold([&] { return fill(core, unfinished, options); });
  if (written.ok()) written = core.files.rename(unfinished, join_path(parent, name));
  if (written.ok()) written = core.files.sync_directory(parent);
  if (!written.ok()) {
    if (const Status removed = core.files.remove_recursively(unfinished); !removed.ok()) {
      base::log::warn("cannot remove an unfinished snapshot", {{"error", message(removed)}});
    }
    return annotate(written, "snapshot");
  }
  base::log::info("snapshot written", {{"name", name}, {"skip_head", options.skip_head}});
  return name;
}

Status remove_unfinished_snapshots(FileSystem& files, const std::string& directory) {
  const std::string parent = join_path(directory, kSnapshots);
  const StatusOr<std::vector<std::string>> names = files.list(parent);
  if (!names.ok()) {
    return names.status().code() == StatusCode::kNotFound ? ok() : names.status();
  }
  for (const std::string& name : *names) {
    if (!name.starts_with(kUnfinished)) continue;
    base::log::info("removing a snapshot that was never whole", {{"name", name}});
    RETURN_IF_ERROR(files.remove_recursively(join_path(parent, name)));
  }
  return ok();
}

// Restoring -------------------------------------------------------------------------------------

namespace {

class Copier {
 public:
  Copier(FileSystem& files, const std::function<void(std::uint64_t)>& progress)
      : files_(files), progress_(progress) {}

  // Everything but locks, logs and snapshots. A database is two folders deep.
  Status copy(const std::string& from, const std::string& to, int depth) {
    RETURN_IF_ERROR(files_.create_directories(to));
    ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.list(from));
    for (const std::string& name : names) {
      if (name == "lock" || name == "LOCK" || name.starts_with("LOG") || name == kSnapshots)
        continue;
      const std::string source = join_path(from, name);
      const std::string target = join_path(to, name);
      ASSIGN_OR_RETURN(const base::FileInfo info, files_.info(source));
      if (info.is_directory && depth > 0) {
        RETURN_IF_ERROR(copy(source, target, depth - 1));
      } else if (!info.is_directory) {
        RETURN_IF_ERROR(copy_file(files_, source, target, [this](std::uint64_t bytes) {
          done_ += bytes;
          if (progress_) progress_(done_);
        }));
      }
    }
    return files_.sync_directory(to);
  }

 private:
  FileSystem& files_;
  const std::function<void(std::uint64_t)>& progress_;
  std::uint64_t done_ = 0;
};

// Empties what a restore left that did not end; refuses everything else that is there.
Status make_room(FileSystem& files, const std::string& to) {
  RETURN_IF_ERROR(files.create_directories(to));
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files.list(to));
  // The mark itself may be unfinished: then nothing else is there.
  const bool unfinished = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name.starts_with(kRestoringName);
  });
  if (!names.empty() && !unfinished) {
    return failed_precondition("{} is not empty; restore into an empty folder", to);
  }
  for (const std::string& name : names) {
    if (name != kRestoringName) RETURN_IF_ERROR(files.remove_recursively(join_path(to, name)));
  }
  return write_file_atomically(files, join_path(to, kRestoringName), "unfinished\n");
}

}  // namespace

Status restore_snapshot(FileSystem& files, const std::string& from, const std::string& to,
                        const std::function<void(std::uint64_t)>& progress) {
  if (!files.info(join_path(from, "store")).ok()) {
    return failed_precondition("{} is no snapshot: it has no folder `store`", from);
  }
  if (files.info(join_path(from, kRestoringName)).ok()) {
    return failed_precondition("{} holds a restore that did not end", from);
  }
  RETURN_IF_ERROR(make_room(files, to));
  RETURN_IF_ERROR(Copier(files, progress).copy(from, to, 1));
  RETURN_IF_ERROR(files.remove(join_path(to, kRestoringName)));
  return files.sync_directory(to);
}

}  // namespace tocsin::tsdb
