// SPDX-License-Identifier: Apache-2.0
#include "exporters/common/run_exporter.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "base/log.h"
#include "exporters/common/footprint.h"
#include "exporters/common/version.h"

namespace tocsin::exporters {
namespace {

StatusOr<Flags::Outcome> read_flags(const ExporterProgram& program,
                                    const std::vector<std::string>& arguments, Flags* flags,
                                    WebOptions* web) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): before other threads start
  RETURN_IF_ERROR(flags->read_environment([](const char* name) { return std::getenv(name); }));
  ASSIGN_OR_RETURN(const Flags::Outcome outcome, flags->parse(arguments));
  if (outcome == Flags::Outcome::kRun && program.check) RETURN_IF_ERROR(program.check(web));
  return outcome;
}

int serve(const ExporterProgram& program, WebOptions web) {
  base::log::configure(web.log);
  if (program.instead) {
    if (const std::optional<int> code = program.instead()) return *code;
  }
  base::log::info("starting", {{"program", program.name}, {"version", version()}});
  ExporterFrame frame(std::move(web));
  const Status status = program.serve(&frame);
  if (status.ok()) return 0;
  base::log::error("cannot start", {{"error", message(status)}});
  return 1;
}

}  // namespace

StatusOr<std::unique_ptr<net::HttpServer>> ExporterFrame::serve(Serving serving) {
  std::vector<int> signals = {SIGINT, SIGTERM};
  if (serving.on_hangup) signals.push_back(SIGHUP);
  loop.on_signals(signals, [this, on_hangup = serving.on_hangup](int signal) {
    if (signal == SIGHUP) return on_hangup();
    stop_.set();
  });
  ASSIGN_OR_RETURN(std::unique_ptr<net::HttpServer> server,
                   start_server(web, std::move(serving.handler),
                                {.loop = loop,
                                 .handlers = serving.handlers,
                                 .clock = clock,
                                 .choose = std::move(serving.choose)}));
  for (const std::string& address : server->addresses()) {
    base::log::info("listening", {{"address", address}});
  }
  drop_pages_of_start();
  stop_.wait();
  return server;
}

void ExporterFrame::end_at_once() {
  base::log::info("stopped");
  ::_exit(0);
}

int run_exporter(const ExporterProgram& program, int argc, char** argv) {
  keep_heap_small(program.heap_slack);
  std::signal(SIGPIPE, SIG_IGN);
  WebOptions web;
  web.listen_addresses = {program.listen_address};
  Flags flags(program.name, program.about, program.style);
  program.add_flags(&flags, &web);
  const StatusOr<Flags::Outcome> outcome =
      read_flags(program, std::vector<std::string>(argv + 1, argv + argc), &flags, &web);
  if (!outcome.ok()) {
    fmt::print(stderr, "{}: error: {}, try {}help\n", program.name, message(outcome.status()),
               program.style == Flags::Style::kGo ? "-" : "--");
    return 1;
  }
  switch (*outcome) {
    case Flags::Outcome::kHelp:
      fmt::print("{}", flags.help());
      return 0;
    case Flags::Outcome::kVersion:
      fmt::print("{}, version {} (linux/{})\n", program.name, version(), architecture());
      return 0;
    case Flags::Outcome::kRun:
      break;
  }
  return serve(program, std::move(web));
}

}  // namespace tocsin::exporters
