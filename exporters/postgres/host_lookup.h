// SPDX-License-Identifier: Apache-2.0
//
// HostLookup finds the addresses of hosts within a deadline, because libpq itself would wait for a
// name server as long as that likes.
//
// A lookup that is late goes on, and the next request for the same host waits for that one, so that
// lookups never pile up. At most kMaxPending are under way.
//
// Threads: shared.
// Errors: kDeadlineExceeded, kUnavailable (no such host), kResourceExhausted.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "base/status.h"
#include "base/string_map.h"
#include "base/time.h"
#include "exporters/postgres/conninfo.h"

namespace tocsin::exporters::postgres {

class HostLookup {
 public:
  explicit HostLookup(const base::Clock& clock) : clock_(clock) {}
  // A lookup under way keeps what it writes to, for good.
  ~HostLookup();
  HostLookup(const HostLookup&) = delete;
  HostLookup& operator=(const HostLookup&) = delete;

  // `info` with `hostaddr` for every host that is a name; a host with several addresses comes several
  // times, so that all are tried.
  StatusOr<Conninfo> with_addresses(const Conninfo& info, base::SteadyTime deadline);

 private:
  struct Lookup;
  static constexpr std::size_t kMaxPending = 64;

  StatusOr<std::vector<std::string>> addresses(const std::string& host, base::SteadyTime deadline);
  StatusOr<std::shared_ptr<Lookup>> begin(const std::string& host);

  const base::Clock& clock_;
  base::Mutex mutex_;
  StringMap<std::shared_ptr<Lookup>> pending_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tocsin::exporters::postgres
