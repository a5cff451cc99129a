// SPDX-License-Identifier: Apache-2.0
//
// tocsin-app-exporter: probes, access logs, proxies, queues, health endpoints, statsd and push.
#include "base/log.h"
#include "exporters/app/exporter.h"
#include "exporters/app/options.h"
#include "exporters/common/elastic_pool.h"
#include "exporters/common/footprint.h"
#include "exporters/common/run_exporter.h"

namespace tocsin::exporters::app {
namespace {

// Requests to /probe, and other requests, that wait for somebody.
constexpr std::size_t kMaxProbes = 48;
constexpr std::size_t kMaxThreads = 48;
// Pieces of inputs that wait.
constexpr std::size_t kMaxWorkers = 32;
// Of a request to /push; the input has a limit of its own.
constexpr std::uint64_t kMaxBodyBytes = 4 << 20;
// A probe over TLS needs about 100 KiB; probes come every second.
constexpr std::size_t kHeapSlack = 256 << 10;

Status serve(const AppOptions& options, ExporterFrame* frame) {
  const base::Clock& clock = frame->clock;
  net::IoLoop& loop = frame->loop;
  WebOptions& web = frame->web;
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
  base::ThreadPool reloads({.name = "reload", .threads = 1});
  const auto reload = [&] {
    // What is wrong with the file is logged, and a metric.
    static_cast<void>(reloads.post([&exporter] { static_cast<void>(exporter->reload()); }));
  };
  const net::Handler handler = [&exporter](const net::HttpRequest& request) {
    net::HttpResponse response = exporter->serve(request);
    give_back_heap(kHeapSlack);
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
      frame->serve(
          {.handler = handler, .handlers = handlers, .choose = choose, .on_hangup = reload}));
  server->stop();
  exporter->stop();
  // A probe or a look-up of a name may still wait for somebody.
  ExporterFrame::end_at_once();
}

Status check_config(const AppOptions& options) {
  const base::SystemClock clock;
  net::IoLoop loop(clock);
  net::HostLookup lookup;
  const InputServices services{clock, loop, base::real_file_system(), lookup, loop};
  return AppConfig::load(options.config_file, input_kinds(), services).status();
}

// The exit code of --config.check; nothing without it.
std::optional<int> check_instead(const AppOptions& options) {
  if (!options.config_check) return std::nullopt;
  const Status status = check_config(options);
  if (status.ok()) {
    base::log::info("the configuration is good", {{"file", options.config_file}});
    return 0;
  }
  base::log::error("the configuration is bad", {{"error", message(status)}});
  return 1;
}

}  // namespace
}  // namespace tocsin::exporters::app

int main(int argc, char** argv) {
  using namespace tocsin::exporters;
  app::AppOptions options;
  return run_exporter(
      {.name = "tocsin-app-exporter",
       .about =
           "Probes services over HTTP, TCP, ICMP, DNS and WebSocket, and serves metrics of logs, "
           "proxies, queues and applications that have none.",
       .listen_address = ":9115",
       .add_flags = [&](Flags* flags, WebOptions* web) { add_app_flags(flags, &options, web); },
       .instead = [&] { return app::check_instead(options); },
       .serve = [&](ExporterFrame* frame) { return app::serve(options, frame); }},
      argc, argv);
}
