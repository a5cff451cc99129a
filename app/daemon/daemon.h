// SPDX-License-Identifier: Apache-2.0
//
// Daemon: the whole of tocsin in one object: store, collector, rules, notifier and web, wired
// together.
//
// Owns: everything.
// Threads: start() and stop() from one thread; reload() from any.
// Errors: start() fails with what to mend (a port that is taken, a bad configuration, a locked
// directory); a failed reload leaves everything as it was.
// Read next: docs/architecture.md,
// docs/threads.md.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/daemon/options.h"
#include "base/status.h"

namespace tocsin::app {

class Daemon {
 public:
  // Listens, opens the store, loads the configuration; when it returns OK the program is ready.
  static StatusOr<std::unique_ptr<Daemon>> start(DaemonOptions options);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Reads both configuration files again.
  Status reload();
  // Blocks until SIGINT or SIGTERM; SIGHUP reloads. REQUIRES: the options say catch_signals.
  void run_until_signal();
  // Stops in reverse order of start; idempotent.
  void stop();

  std::vector<std::string> addresses() const;               // bound, host:port
  std::vector<std::string> alertmanager_addresses() const;  // empty without a notifier

 private:
  struct Impl;
  explicit Daemon(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::app
