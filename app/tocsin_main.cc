// SPDX-License-Identifier: Apache-2.0
//
// main() of tocsin. Exit codes as upstream: 2 for unusable flags or configuration, 1 for a failure
// at run time.
#include <csignal>
#include <cstdio>

#include "app/daemon/daemon.h"
#include "app/daemon/flags.h"
#include "base/log.h"

// What jemalloc reads before main: memory that was freed goes back to the system after a second, by a
// thread of jemalloc's, threads take memory by the core they run on, and keep little of it for themselves;
// small pieces of a size lie in single pages (docs/decisions/0024-jemalloc.md).
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf =
    "percpu_arena:percpu,background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,"
    "tcache_max:1024,tcache_nslots_small_max:40,slab_sizes:48-1280:1";
}

int main(int argc, char** argv) {
  // A peer that is gone is an error of the write, not the end of the program.
  std::signal(SIGPIPE, SIG_IGN);
  namespace app = tocsin::app;
  namespace base = tocsin::base;
  using tocsin::message;
  using tocsin::StatusCode;
  using tocsin::StatusOr;
  StatusOr<app::ParsedFlags> flags =
      app::parse_flags(std::vector<std::string>(argv + 1, argv + argc));
  if (!flags.ok()) {
    fmt::print(stderr, "tocsin: error: {}\n", message(flags.status()));
    return 2;
  }
  if (!flags->print.empty()) {
    fmt::print("{}", flags->print);
    return 0;
  }
  base::log::configure(flags->options.log);
  flags->options.catch_signals = true;
  StatusOr<std::unique_ptr<app::Daemon>> daemon = app::Daemon::start(std::move(flags->options));
  if (!daemon.ok()) {
    fmt::print(stderr, "tocsin: error: {}\n", message(daemon.status()));
    const bool usage = daemon.status().code() == StatusCode::kInvalidArgument ||
                       daemon.status().code() == StatusCode::kUnimplemented ||
                       daemon.status().code() == StatusCode::kNotFound;
    return usage ? 2 : 1;
  }
  (*daemon)->run_until_signal();
  return 0;
}
