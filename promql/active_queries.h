// SPDX-License-Identifier: Apache-2.0
//
// ActiveQueries: the file that names the queries that run now, so that after a crash the culprit is
// known. As in Prometheus: "[", then a slot of 1000 bytes per query that may run at a time, each
// zeroes or {"query":"...","timestamp_sec":N}, zeroes and a comma; without zeroes it is a JSON array
// but for its end.
//
// Owns: the file.
// Threads: shared.
// Errors: of the file, when it is opened. Does not throw.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/time.h"

namespace tocsin::promql {

class ActiveQueries {
 public:
  // The queries that a file of an earlier run names; none when it is absent, cannot be read or all
  // ended.
  static std::string unfinished(const std::string& path);

  // Makes the file anew. REQUIRES: slots > 0.
  static StatusOr<std::unique_ptr<ActiveQueries>> open(const std::string& path, std::size_t slots);
  ActiveQueries(const ActiveQueries&) = delete;
  ActiveQueries& operator=(const ActiveQueries&) = delete;

  // Notes a query, cut to what fits; gives its slot for remove(). REQUIRES: a slot is free.
  std::size_t add(std::string_view query, base::Timestamp started);
  void remove(std::size_t slot);

 private:
  ActiveQueries(std::unique_ptr<base::MappedFile> file, std::size_t slots);

  base::Mutex mutex_;
  const std::unique_ptr<base::MappedFile> file_;
  std::vector<std::size_t> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tocsin::promql
