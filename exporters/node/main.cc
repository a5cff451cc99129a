// SPDX-License-Identifier: Apache-2.0
//
// tocsin-node-exporter: serves what the kernel knows about this machine.
#include <atomic>

#include "base/log.h"
#include "exporters/common/elastic_pool.h"
#include "exporters/common/footprint.h"
#include "exporters/common/metrics_handler.h"
#include "exporters/common/run_exporter.h"
#include "exporters/common/runner.h"
#include "exporters/node/collectors.h"
#include "exporters/node/options.h"

namespace tocsin::exporters {
namespace {

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

Status serve(const NodeOptions& node, ExporterFrame* frame) {
  const WebOptions& web = frame->web;
  const NodeServices services =
      system_services(base::real_file_system(), frame->clock, frame->loop);
  ASSIGN_OR_RETURN(std::vector<std::unique_ptr<Collector>> collectors,
                   make_collectors(node, services));
  // A thread for each when all are stuck, so that none holds up another.
  ElasticPool workers({.name = "collect", .most = std::max<std::size_t>(collectors.size(), 2)},
                      frame->clock, frame->loop);
  Runner runner("node", std::move(collectors), {workers, frame->clock, frame->loop});
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
      frame->serve({.handler = dropping_pages_of_start(handler.routes()), .handlers = handlers}));
  runner.stop();
  server->stop();
  handlers.stop();
  if (runner.running() != 0) {
    // A thread inside a system call that does not return cannot be joined.
    base::log::warn("a collector is still running");
    ExporterFrame::end_at_once();
  }
  base::log::info("stopped");
  return ok();
}

}  // namespace
}  // namespace tocsin::exporters

int main(int argc, char** argv) {
  using namespace tocsin::exporters;
  NodeOptions node;
  return run_exporter(
      {.name = "tocsin-node-exporter",
       .about = "Serves metrics of this machine: CPU, memory, disks, file systems, network.",
       .listen_address = ":9100",
       .add_flags =
           [&](Flags* flags, WebOptions* web) {
             add_web_flags(flags, web);
             add_node_flags(flags, &node);
           },
       .check = [&](WebOptions*) { return node.validate(); },
       .serve = [&](ExporterFrame* frame) { return serve(node, frame); }},
      argc, argv);
}
