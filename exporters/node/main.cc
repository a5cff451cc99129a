// SPDX-License-Identifier: Apache-2.0
//
// tocsin-node-exporter: serves what the kernel knows about this machine.
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>

#include "base/log.h"
#include "exporters/common/elastic_pool.h"
#include "exporters/common/footprint.h"
#include "exporters/common/metrics_handler.h"
#include "exporters/common/runner.h"
#include "exporters/common/stop_signal.h"
#include "exporters/common/version.h"
#include "exporters/common/web.h"
#include "exporters/node/collectors.h"
#include "exporters/node/options.h"

namespace tocsin::exporters {
namespace {

constexpr std::string_view kProgram = "tocsin-node-exporter";
constexpr std::size_t kHandlerThreads = 4;

// The first pages still belong to the start: their calls into libraries are bound, which reads
// tables of symbols that nobody reads again.
net::Handler dropping_pages_of_start(net::Handler handler) {
  constexpr int kFirstPages = 2;
  auto pages = std::make_shared<std::atomic<int>>(0);
  return [handler = std::move(handler), pages](const net::HttpRequest& request) {
    net::HttpResponse response = handler(request);
    if (pages->load() < kFirstPages && pages->fetch_add(1) < kFirstPages) drop_pages_of_start();
    return response;
  };
}

Status serve(const NodeOptions& node, const WebOptions& web) {
  const base::SystemClock clock;
  net::IoLoop loop(clock);
  StopSignal stop;
  loop.on_signals({SIGINT, SIGTERM}, [&stop](int) { stop.set(); });
  const NodeServices services = system_services(base::real_file_system(), clock, loop);
  ASSIGN_OR_RETURN(std::vector<std::unique_ptr<Collector>> collectors,
                   make_collectors(node, services));
  // A thread for each when all are stuck, so that none holds up another.
  ElasticPool workers({.name = "collect", .most = std::max<std::size_t>(collectors.size(), 2)},
                      clock, loop);
  Runner runner("node", std::move(collectors), {workers, clock, loop});
  MetricsHandler handler({.title = "Node Exporter",
                          .program = "node_exporter",
                          .telemetry_path = web.telemetry_path,
                          .max_requests = web.max_requests,
                          .exporter_metrics = !web.disable_exporter_metrics,
                          .disabled_collectors = node.disabled_collectors()},
                         runner);
  base::ThreadPool handlers({.name = "http", .threads = kHandlerThreads});
  ASSIGN_OR_RETURN(
      const std::unique_ptr<net::HttpServer> server,
      start_server(web, dropping_pages_of_start(handler.routes()), {loop, handlers, clock}));
  for (const std::string& address : server->addresses()) {
    base::log::info("listening", {{"address", address}});
  }
  drop_pages_of_start();
  stop.wait();
  runner.stop();
  server->stop();
  handlers.stop();
  if (runner.running() != 0) {
    // A thread inside a system call that does not return cannot be joined.
    base::log::warn("stopped with a collector still running");
    ::_exit(0);
  }
  base::log::info("stopped");
  return ok();
}

int main_with(const std::vector<std::string>& arguments) {
  NodeOptions node;
  WebOptions web;
  web.listen_addresses = {":9100"};
  Flags flags(std::string(kProgram),
              "Serves metrics of this machine: CPU, memory, disks, file systems, network.");
  add_web_flags(&flags, &web);
  add_node_flags(&flags, &node);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs yet
  Status status = flags.read_environment([](const char* name) { return std::getenv(name); });
  StatusOr<Flags::Outcome> outcome = Flags::Outcome::kRun;
  if (status.ok()) {
    outcome = flags.parse(arguments);
    status = outcome.status();
  }
  if (status.ok()) status = node.validate();
  if (!status.ok()) {
    fmt::print(stderr, "{}: error: {}, try --help\n", kProgram, message(status));
    return 1;
  }
  if (*outcome == Flags::Outcome::kHelp) {
    fmt::print("{}", flags.help());
    return 0;
  }
  if (*outcome == Flags::Outcome::kVersion) {
    fmt::print("{}, version {} (linux/{})\n", kProgram, version(), architecture());
    return 0;
  }
  base::log::configure(web.log);
  base::log::info("starting tocsin-node-exporter", {{"version", version()}});
  status = serve(node, web);
  if (status.ok()) return 0;
  base::log::error("cannot start", {{"error", message(status)}});
  return 1;
}

}  // namespace
}  // namespace tocsin::exporters

int main(int argc, char** argv) {
  tocsin::exporters::keep_heap_small();
  std::signal(SIGPIPE, SIG_IGN);
  return tocsin::exporters::main_with(std::vector<std::string>(argv + 1, argv + argc));
}
