// SPDX-License-Identifier: Apache-2.0
//
// run_exporter(): what the main functions of the exporters share: flags, --help and --version, log,
// signals, the server, and little memory.
//
// Functions and values of main. ExporterFrame. Owns: clock and io loop. Threads: confined to main;
// on_hangup runs on the io thread.
// Errors: of flags and files, printed with exit code 1; of serve(), logged with exit code 1.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "base/time.h"
#include "exporters/common/flags.h"
#include "exporters/common/stop_signal.h"
#include "exporters/common/web.h"
#include "net/beast.h"
#include "net/http_server.h"
#include "net/io_loop.h"

namespace tocsin::exporters {

// What an exporter serves with, between the reading of its flags and the end of the program.
class ExporterFrame {
 public:
  explicit ExporterFrame(WebOptions options) : web(std::move(options)) {}
  ExporterFrame(const ExporterFrame&) = delete;
  ExporterFrame& operator=(const ExporterFrame&) = delete;

  struct Serving {
    net::Handler handler;
    base::Executor& handlers;
    // As in net::BeastServices.
    std::function<base::Executor*(const net::HttpRequest&)> choose = nullptr;
    std::function<void()> on_hangup = nullptr;  // null: SIGHUP ends the program
  };
  // Serves until SIGINT or SIGTERM. The server then still answers: stop it when its turn has come.
  StatusOr<std::unique_ptr<net::HttpServer>> serve(Serving serving);

  // Ends the program, for those in which something may hang that nothing would be gained by waiting
  // for.
  [[noreturn]] static void end_at_once();

  WebOptions web;
  const base::SystemClock clock;

 private:
  StopSignal stop_;  // the loop's thread sets it

 public:
  net::IoLoop loop{clock};
};

struct ExporterProgram {
  std::string name;   // "tocsin-node-exporter"
  std::string about;  // for --help
  std::string listen_address;
  Flags::Style style = Flags::Style::kKingpin;
  int heap_slack = 128 << 10;  // see keep_heap_small()
  std::function<void(Flags*, WebOptions*)> add_flags;
  // Checks what the flags say together, and may change it; null: nothing to check.
  std::function<Status(WebOptions*)> check = nullptr;
  // Does something else than serving when the flags say so, and returns the exit code.
  std::function<std::optional<int>()> instead = nullptr;
  std::function<Status(ExporterFrame*)> serve;
};

// Returns the exit code of main(), which must call it first.
int run_exporter(const ExporterProgram& program, int argc, char** argv);

}  // namespace tocsin::exporters
