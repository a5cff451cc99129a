// SPDX-License-Identifier: Apache-2.0
//
// DiskFaults: faults of the disk below one directory, for everything in this process that uses the
// system's files, libraries included: RocksDB fails, freezes and loses power together with the
// journal.
//
// A program that links disk_faults.cc calls its write(), fsync(), rename() and so on instead of the
// C library's. They count the calls that change something below the directory, from 1, and make the
// chosen one fail. What the C library does inside of itself (stdio) passes by.
// power_cut() takes back what a power cut may: bytes behind what was synced of a file, and names
// made or renamed in a directory since it was synced. Bytes that were overwritten in place, and
// removals, are not taken back.
// Threads: shared; one object at a time.
#pragma once

#include <cstdint>
#include <string>

namespace tocsin::tests {

class DiskFaults {
 public:
  enum class Fault {
    kError,      // EIO
    kDiskFull,   // ENOSPC
    kTornWrite,  // half of the write is done, then EIO; the others as kError
    kFreeze,     // this call and all after it fail, as if the process had died here
    kTornFreeze,
    kKill,  // the process dies here
  };

  explicit DiskFaults(std::string directory);
  ~DiskFaults();
  DiskFaults(const DiskFaults&) = delete;
  DiskFaults& operator=(const DiskFaults&) = delete;

  // Makes call number `n` from now (1: the next) fail; the later ones work again unless it freezes.
  void fail_at(std::uint64_t n, Fault fault);
  // Makes call number `n` from now, of those on a path with `part` in it, wait for release().
  void hang_at(std::uint64_t n, std::string part);
  // Waits until that call has come, or until release(), and says whether it has come.
  bool wait_until_hanging();
  // Lets it go on, and none wait any more.
  void release();
  void clear();
  std::uint64_t calls() const;
  // Whether the chosen call has come.
  bool hit() const;
  // Counting of what is synced starts anew with it. REQUIRES: no file is open.
  void power_cut();
};

}  // namespace tocsin::tests
