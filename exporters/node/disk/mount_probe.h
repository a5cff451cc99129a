// SPDX-License-Identifier: Apache-2.0
//
// MountProbe asks mounted file systems for their sizes. A mount that does not answer within the
// timeout (a network file system whose server is gone) costs one thread, which is given up; it is
// not asked again until that thread comes back.
//
// Owns: its threads, which live for one call.
// Borrows: clock, timers. One whose threads are stuck
// leaves those behind when it is destroyed.
// Threads: confined, to one thread after another; `ask` runs on several threads.
// Errors: per mount: what `ask` returned, or kDeadlineExceeded "mountpoint timeout".
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/time.h"
#include "exporters/node/collectors.h"

namespace tocsin::exporters {

class MountProbe {
 public:
  struct Options {
    base::Duration timeout{5'000};  // for each mount
    std::size_t workers = 4;        // mounts asked at once
    std::size_t max_stuck = 64;     // threads given up; above it no mount is asked
  };
  using Ask = std::function<StatusOr<MountStats>(const std::string& path)>;

  MountProbe(Options options, Ask ask, const base::Clock& clock, base::Timers& timers);
  ~MountProbe();
  MountProbe(const MountProbe&) = delete;
  MountProbe& operator=(const MountProbe&) = delete;

  // The answers in the order of `paths`, which differ from each other.
  std::vector<StatusOr<MountStats>> ask_all(const std::vector<std::string>& paths);
  std::size_t stuck() const { return stuck_.size(); }

 private:
  struct Round;
  struct Stuck {
    std::unique_ptr<base::ThreadPool> thread;
    std::shared_ptr<std::atomic<bool>> returned;
  };
  // The threads of a round, one each; null: given up.
  using Lanes = std::vector<std::unique_ptr<base::ThreadPool>>;

  void forget_returned();
  void wait(const std::shared_ptr<Round>& round);
  void staff(const std::shared_ptr<Round>& round, Lanes* lanes) const;
  void give_up_on_late(const std::shared_ptr<Round>& round, Lanes* lanes);

  const Options options_;
  const Ask ask_;
  const base::Clock& clock_;
  base::Timers& timers_;
  std::map<std::string, Stuck> stuck_;  // by path
};

}  // namespace tocsin::exporters
