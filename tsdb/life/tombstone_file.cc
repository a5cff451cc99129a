// SPDX-License-Identifier: Apache-2.0
#include "tsdb/life/tombstone_file.h"

#include <utility>

#include "base/log.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint64_t kMaxFileBytes = 1ULL << 30;

}  // namespace

Status TombstoneFile::load(bool* damaged) {
  const Turn::Holder turn(turn_);
  *damaged = false;
  if (files_.info(path_).status().code() == StatusCode::kNotFound) return ok();
  ASSIGN_OR_RETURN(const std::string bytes, files_.read_file(path_, kMaxFileBytes));
  StatusOr<Tombstones> read = Tombstones::decode(bytes);
  if (read.ok()) {
    *current_.lock() = std::make_shared<const Tombstones>(*std::move(read));
    return ok();
  }
  if (read.status().code() != StatusCode::kDataLoss) return annotate(read.status(), "{}", path_);
  *damaged = true;
  const std::string aside = path_ + ".damaged";
  base::log::error(
      "the list of deleted series is damaged: what was deleted and not yet cleaned is "
      "visible again; delete it once more",
      {{"path", path_}, {"kept_as", aside}, {"error", message(read.status())}});
  return files_.rename(path_, aside);
}

// REQUIRES: the turn is held.
Status TombstoneFile::replace(Tombstones next) {
  if (next == *snapshot()) return ok();
  // Also an empty one: a removed file could come back after a power cut.
  RETURN_IF_ERROR(write_file_atomically(files_, path_, next.encode()));
  *current_.lock() = std::make_shared<const Tombstones>(std::move(next));
  return ok();
}

Status TombstoneFile::add(const std::vector<Tombstone>& more) {
  const Turn::Holder turn(turn_);
  std::vector<Tombstone> all = snapshot()->list();
  all.insert(all.end(), more.begin(), more.end());
  Tombstones next(std::move(all));
  if (next.size() > max_intervals_) {
    return resource_exhausted("{} deleted intervals are more than {}: clean the tombstones first",
                              next.size(), max_intervals_);
  }
  return replace(std::move(next));
}

Status TombstoneFile::reduce(const Rest& rest) {
  const Turn::Holder turn(turn_);
  std::vector<Tombstone> left;
  for (const Tombstone& stone : snapshot()->list()) {
    for (const Interval& interval : rest(stone)) left.push_back({stone.id, interval});
  }
  return replace(Tombstones(std::move(left)));
}

Status TombstoneFile::hold(const std::function<Status()>& work) {
  const Turn::Holder turn(turn_);
  return work();
}

}  // namespace tocsin::tsdb
