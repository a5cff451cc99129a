// SPDX-License-Identifier: Apache-2.0
//
// TombstoneFile: the tombstones of a database, in memory and in its file `tombstones`.
//
// The file is small and replaced as a whole, so that a deletion is there wholly or not at all.
// Owns: the file. Borrows: FileSystem.
// Threads: shared; changes wait for each other, readers never wait for them.
// Errors: kResourceExhausted above the limit of intervals; of the files, and then nothing changed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/mutex.h"
#include "tsdb/core/turn.h"
#include "tsdb/life/tombstones.h"

namespace tocsin::tsdb {

class TombstoneFile {
 public:
  static constexpr std::string_view kName = "tombstones";

  TombstoneFile(base::FileSystem& files, std::string path, std::size_t max_intervals)
      : files_(files), path_(std::move(path)), max_intervals_(max_intervals) {}

  // Reads the file; none is fine. A damaged one is set aside under another name and reported in
  // *damaged: what it deleted is visible again, and the rest of the database is not lost with it.
  Status load(bool* damaged);

  std::shared_ptr<const Tombstones> snapshot() const { return *current_.lock(); }

  // Adds tombstones; they are on the disk when it returns OK.
  Status add(const std::vector<Tombstone>& more);
  // Changes each interval of each series to what `rest` leaves of it (an empty list forgets it).
  using Rest = std::function<std::vector<Interval>(const Tombstone&)>;
  Status reduce(const Rest& rest);
  // While `work` runs nothing changes, also not on the disk.
  Status hold(const std::function<Status()>& work);

 private:
  Status replace(Tombstones next);

  base::FileSystem& files_;
  const std::string path_;
  const std::size_t max_intervals_;
  Turn turn_;
  base::Guarded<std::shared_ptr<const Tombstones>> current_{std::make_shared<const Tombstones>()};
};

}  // namespace tocsin::tsdb
