// SPDX-License-Identifier: Apache-2.0
//
// FileSource: file_sd_configs. Looks at the files' size and modification time every kPollInterval
// (or the refresh interval when that is shorter), reads those that changed, and reads all of them
// each refresh interval.
//
// A file that cannot be read or parsed keeps its last good groups; a file that is gone empties
// them. Every target gets the label __meta_filepath. Polling instead of inotify: it also works on
// network file systems and with files replaced through links, and needs no descriptor; the price is
// a delay of at most kPollInterval.
// Threads: reading happens on SourceServices::blocking, one piece
// at a time.
// Errors: logged and counted in prometheus_sd_refresh_failures_total{mechanism="file"}.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/gate.h"
#include "base/mutex.h"
#include "discovery/options.h"
#include "discovery/source.h"

namespace tocsin::discovery {

class FileSource final : public Source {
 public:
  static constexpr base::Duration kPollInterval{5'000};
  static constexpr std::uint64_t kMaxFileBytes = 64ULL << 20;

  FileSource(FileOptions options, const SourceServices& services);
  ~FileSource() override;

  void start(Sink sink) override;
  void stop() override;

 private:
  struct File {
    std::uint64_t size = 0;
    base::Timestamp modified;
    std::set<std::string> sources;  // of the groups it last sent
  };

  void poll();
  void refresh();
  std::vector<std::string> expand() const;
  // Appends the file's changed groups to `updates`.
  void read(const std::string& path, bool force, std::vector<TargetGroup>* updates);
  void fail(const std::string& path, const Status& status);
  void arm();

  const FileOptions options_;
  const SourceServices services_;
  base::Counter& failures_;
  base::Gate gate_;
  base::Strand strand_;
  Sink sink_;

  // Confined to strand_.
  std::map<std::string, File> files_;
  base::SteadyTime next_full_{};

  base::Mutex mutex_;
  base::Timers::Id timer_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tocsin::discovery
