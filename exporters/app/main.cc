// SPDX-License-Identifier: Apache-2.0
//
// tocsin-app-exporter: probes, access logs, proxies, queues, health endpoints, statsd and push.
#include <unistd.h>

#include <csignal>

#include "base/log.h"
#include "exporters/app/exporter.h"
#include "exporters/app/options.h"
#include "exporters/common/elastic_pool.h"
#include "exporters/common/footprint.h"
#include "exporters/common/stop_signal.h"
#include "exporters/common/version.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::string_view kProgram = "tocsin-app-exporter";
// Requests to /probe, and other requests, that wait for somebody.
constexpr std::size_t kMaxProbes = 48;
constexpr std::size_t kMaxThreads = 48;
// Pieces of inputs that wait.
constexpr std::size_t kMaxWorkers = 32;
// Of a request to /push; the input has a limit of its own.
constexpr std::uint64_t kMaxBodyBytes = 4 << 20;

Status serve(const AppOptions& options, WebOptions web) {
  const base::SystemClock clock;
  net::IoLoop loop(clock);
  net::HostLookup lookup;
  ElasticPool collectors({.name = "inputs", .most = AppConfig::kMaxInputs}, clock, loop);
  ElasticPool workers({.name = "workers", .most = kMaxWorkers}, clock, loop);
  const InputServices services{clock, loop, base::real_file_system(), lookup, workers};
  ASSIGN_OR_RETURN(const std::unique_ptr<AppExporter> exporter,
                   AppExporter::open({.config_file = options.config_file,
                                      .telemetry_path = web.telemetry_path,
                                      .kinds = input_kinds(),
                                      .timeout_offset = options.timeout_offset,
                                      .max_requests = web.max_requests,
                                      .exporter_metrics = !web.disable_exporter_metrics},
                                     services, collectors));
  StopSignal stop;
  base::ThreadPool reloads({.name = "reload", .threads = 1});
  loop.on_signals({SIGINT, SIGTERM, SIGHUP}, [&](int signal) {
    if (signal != SIGHUP) return stop.set();
    // What is wrong with the file is logged, and a metric.
    static_cast<void>(reloads.post([&exporter] { static_cast<void>(exporter->reload()); }));
  });
  const net::Handler handler = [&exporter](const net::HttpRequest& request) {
    net::HttpResponse response = exporter->serve(request);
    give_back_heap();
    return response;
  };
  ElasticPool handlers({.name = "http", .most = kMaxThreads}, clock, loop);
  ElasticPool probes({.name = "probes", .most = kMaxProbes}, clock, loop);
  web.max_body_bytes = kMaxBodyBytes;
  // Its connections need no threads: however many probes hang, a page has its turn.
  web.server = ServerKind::kBeast;
  const auto choose = [&probes](const net::HttpRequest& request) -> base::Executor* {
    return !request.path.empty() && request.path[0] == "probe" ? &probes : nullptr;
  };
  ASSIGN_OR_RETURN(
      const std::unique_ptr<net::HttpServer> server,
      start_server(web, handler,
                   {.loop = loop, .handlers = handlers, .clock = clock, .choose = choose}));
  for (const std::string& address : server->addresses()) {
    base::log::info("listening", {{"address", address}});
  }
  drop_pages_of_start();
  stop.wait();
  server->stop();
  exporter->stop();
  base::log::info("stopped");
  // A probe or a look-up of a name may still wait for somebody: nothing would be gained by it.
  ::_exit(0);
}

Status check_config(const AppOptions& options) {
  const base::SystemClock clock;
  net::IoLoop loop(clock);
  net::HostLookup lookup;
  const InputServices services{clock, loop, base::real_file_system(), lookup, loop};
  return AppConfig::load(options.config_file, input_kinds(), services).status();
}

int main_with(const std::vector<std::string>& arguments) {
  AppOptions options;
  WebOptions web;
  web.listen_addresses = {":9115"};
  Flags flags(
      std::string(kProgram),
      "Probes services over HTTP, TCP, ICMP, DNS and WebSocket, and serves metrics of logs, "
      "proxies, queues and applications that have none.");
  add_app_flags(&flags, &options, &web);
  const StatusOr<Flags::Outcome> outcome = flags.parse(arguments);
  if (!outcome.ok()) {
    fmt::print(stderr, "{}: error: {}, try --help\n", kProgram, message(outcome.status()));
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
  if (options.config_check) {
    const Status status = check_config(options);
    if (status.ok()) {
      base::log::info("the configuration is good", {{"file", options.config_file}});
    } else {
      base::log::error("the configuration is bad", {{"error", message(status)}});
    }
    return status.ok() ? 0 : 1;
  }
  base::log::info("starting tocsin-app-exporter", {{"version", version()}});
  const Status status = serve(options, std::move(web));
  base::log::error("cannot start", {{"error", message(status)}});
  return 1;
}

}  // namespace
}  // namespace tocsin::exporters::app

int main(int argc, char** argv) {
  tocsin::exporters::keep_heap_small();
  std::signal(SIGPIPE, SIG_IGN);
  return tocsin::exporters::app::main_with(std::vector<std::string>(argv + 1, argv + argc));
}
