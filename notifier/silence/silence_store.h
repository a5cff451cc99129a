// SPDX-License-Identifier: Apache-2.0
//
// SilenceStore: silences by id, which of them mute an alert, and their record log.
//
// A change is in the log before the call that makes it returns. Alerts are matched through an index
// of the silences that are not expired: by one matcher of the form name="value", the others in a
// list.
// Owns: its log file. Borrows: FileSystem. Threads: shared. A change holds the log's lock
// over its write; readers never wait for it.
// Errors: open() fails on a log that it cannot read;
// set() with kInvalidArgument for a silence that is not valid, kResourceExhausted above a limit,
// kNotFound for an unknown id; on error nothing changes.
// Read next: docs/formats/notifier.md,
// silence_store_test.cc.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/mutex.h"
#include "base/record_log.h"
#include "model/labels.h"
#include "notifier/silence.h"

namespace tocsin::notifier {

class SilenceStore {
 public:
  struct Options {
    std::string path;
    base::Duration retention{};           // expired silences are kept as long
    std::uint64_t max_silences = 0;       // 0: no limit; expired ones count
    std::uint64_t max_silence_bytes = 0;  // of one record; 0: no limit
  };

  static StatusOr<std::unique_ptr<SilenceStore>> open(base::FileSystem& files, Options options);

  // Creates or changes a silence; returns its id. A change that would rewrite history (other
  // matchers, another start of an active one, ...) expires the old silence and makes a new one.
  StatusOr<std::string> set(Silence silence, base::Timestamp now);
  // Ends it now; an expired one stays as it is.
  Status expire(const std::string& id, base::Timestamp now);

  StatusOr<Silence> find(const std::string& id) const;
  // Active by end, pending by start, expired by end, newest first.
  std::vector<Silence> all(base::Timestamp now) const;
  // Ids of the active silences that match, sorted.
  std::vector<std::string> muting(const model::Labels& labels, base::Timestamp now) const;
  // How many are pending, active, expired: indexed by SilenceState.
  std::array<std::uint64_t, 3> counts(base::Timestamp now) const;

  // Drops what expired longer than the retention ago and compacts the log.
  Status maintain(base::Timestamp now);
  Status sync();
  std::uint64_t log_bytes() const;

 private:
  using Shared = std::shared_ptr<const Silence>;
  using Pair = std::pair<std::string, std::string>;

  explicit SilenceStore(Options options) : options_(std::move(options)) {}
  Status check(const Silence& silence) const;
  Status check_capacity() const ABSL_LOCKS_EXCLUDED(mutex_);
  Shared lookup(const std::string& id) const;
  Status write(const std::vector<Silence>& changes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  Status rewrite() ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void apply(Silence silence) ABSL_LOCKS_EXCLUDED(mutex_);
  void index(const Shared& silence) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void unindex(const Shared& silence) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<Shared>& bucket(const Silence& silence) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;

  // Taken before mutex_; held over the write of a record, so that the log has the order of the
  // changes.
  mutable base::Mutex change_mutex_;
  std::unique_ptr<base::RecordLog> log_ ABSL_GUARDED_BY(change_mutex_);
  bool must_rewrite_ ABSL_GUARDED_BY(change_mutex_) =
      false;  // the log refuses records since a failed sync

  mutable base::Mutex mutex_;
  std::map<std::string, Shared> silences_ ABSL_GUARDED_BY(mutex_);
  std::map<Pair, std::vector<Shared>> by_label_ ABSL_GUARDED_BY(mutex_);
  std::vector<Shared> unindexed_ ABSL_GUARDED_BY(mutex_);  // without a name="value" matcher
};

}  // namespace tocsin::notifier
