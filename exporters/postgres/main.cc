// SPDX-License-Identifier: Apache-2.0
//
// tocsin-postgres-exporter: serves what PostgreSQL servers know about themselves.
#include <cstdlib>

#include "base/log.h"
#include "exporters/common/elastic_pool.h"
#include "exporters/common/footprint.h"
#include "exporters/common/metrics_handler.h"
#include "exporters/common/run_exporter.h"
#include "exporters/postgres/exporter.h"

namespace tocsin::exporters::postgres {
namespace {

// Requests that wait for a server, beside those that find their thread at once.
constexpr std::size_t kMaxThreads = 48;

Status serve(const PostgresOptions& options, ExporterFrame* frame) {
  const WebOptions& web = frame->web;
  PostgresExporter exporter(options, frame->clock, base::real_file_system());
  MetricsHandler metrics({.title = "Postgres Exporter",
                          .program = "postgres_exporter",
                          .telemetry_path = web.telemetry_path,
                          .max_requests = web.max_requests,
                          .exporter_metrics = !web.disable_exporter_metrics,
                          .disabled_collectors = options.disabled_collectors()},
                         exporter);
  const net::Handler handler = [&exporter,
                                inner = metrics.routes()](const net::HttpRequest& request) {
    if (request.method == "GET" && request.path == std::vector<std::string>{"probe"})
      return exporter.serve_probe(request);
    net::HttpResponse response = inner(request);
    give_back_heap();
    return response;
  };
  // One thread does for scrapes in turn, and keeps the memory that threads cache for themselves once.
  ElasticPool handlers({.name = "http", .usual = 1, .most = kMaxThreads}, frame->clock,
                       frame->loop);
  ASSIGN_OR_RETURN(const std::unique_ptr<net::HttpServer> server,
                   frame->serve({.handler = handler, .handlers = handlers}));
  exporter.stop();
  server->stop();
  handlers.stop();
  base::log::info("stopped");
  return ok();
}

Status check(PostgresOptions* options) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): before other threads start
  const auto get = [](const char* name) { return std::getenv(name); };
  ASSIGN_OR_RETURN(options->sources, data_sources(get, base::real_file_system()));
  return ok();
}

}  // namespace
}  // namespace tocsin::exporters::postgres

int main(int argc, char** argv) {
  using namespace tocsin::exporters;
  postgres::PostgresOptions options;
  return run_exporter(
      {.name = "tocsin-postgres-exporter",
       .about = "Serves metrics of PostgreSQL. DATA_SOURCE_NAME in the environment says of which "
                "server.",
       .listen_address = ":9187",
       // Scrapes are seconds apart: asking the system for memory again costs less than keeping it.
       .heap_slack = 16 << 10,
       .add_flags =
           [&](Flags* flags, WebOptions* web) {
             add_web_flags(flags, web);
             flags->environment("web.telemetry-path", "PG_EXPORTER_WEB_TELEMETRY_PATH");
             add_postgres_flags(flags, &options);
           },
       .check = [&](WebOptions*) { return postgres::check(&options); },
       .serve = [&](ExporterFrame* frame) { return postgres::serve(options, frame); }},
      argc, argv);
}
