// SPDX-License-Identifier: Apache-2.0
//
// tocsin-postgres-exporter: serves what PostgreSQL servers know about themselves.
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "base/log.h"
#include "exporters/common/elastic_pool.h"
#include "exporters/common/footprint.h"
#include "exporters/common/metrics_handler.h"
#include "exporters/common/stop_signal.h"
#include "exporters/common/version.h"
#include "exporters/common/web.h"
#include "exporters/postgres/exporter.h"

namespace tocsin::exporters::postgres {
namespace {

constexpr std::string_view kProgram = "tocsin-postgres-exporter";
// Requests that wait for a server, beside those that find their thread at once.
constexpr std::size_t kMaxThreads = 48;

Status serve(const PostgresOptions& options, const WebOptions& web) {
  const base::SystemClock clock;
  net::IoLoop loop(clock);
  StopSignal stop;
  loop.on_signals({SIGINT, SIGTERM}, [&stop](int) { stop.set(); });
  PostgresExporter exporter(options, clock, base::real_file_system());
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
  ElasticPool handlers({.name = "http", .usual = 1, .most = kMaxThreads}, clock, loop);
  ASSIGN_OR_RETURN(const std::unique_ptr<net::HttpServer> server,
                   start_server(web, handler, {loop, handlers, clock}));
  for (const std::string& address : server->addresses()) {
    base::log::info("listening", {{"address", address}});
  }
  drop_pages_of_start();
  stop.wait();
  exporter.stop();
  server->stop();
  handlers.stop();
  base::log::info("stopped");
  return ok();
}

Status read_options(Flags* flags, const std::vector<std::string>& arguments,
                    PostgresOptions* options, Flags::Outcome* outcome) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): before other threads start
  const auto get = [](const char* name) { return std::getenv(name); };
  RETURN_IF_ERROR(flags->read_environment(get));
  ASSIGN_OR_RETURN(*outcome, flags->parse(arguments));
  if (*outcome != Flags::Outcome::kRun) return ok();
  ASSIGN_OR_RETURN(options->sources, data_sources(get, base::real_file_system()));
  return ok();
}

int main_with(const std::vector<std::string>& arguments) {
  PostgresOptions options;
  WebOptions web;
  web.listen_addresses = {":9187"};
  Flags flags(std::string(kProgram),
              "Serves metrics of PostgreSQL. DATA_SOURCE_NAME in the environment says of which "
              "server.");
  add_web_flags(&flags, &web);
  flags.environment("web.telemetry-path", "PG_EXPORTER_WEB_TELEMETRY_PATH");
  add_postgres_flags(&flags, &options);
  auto outcome = Flags::Outcome::kRun;
  Status status = read_options(&flags, arguments, &options, &outcome);
  if (!status.ok()) {
    fmt::print(stderr, "{}: error: {}, try --help\n", kProgram, message(status));
    return 1;
  }
  if (outcome == Flags::Outcome::kHelp) {
    fmt::print("{}", flags.help());
    return 0;
  }
  if (outcome == Flags::Outcome::kVersion) {
    fmt::print("{}, version {} (linux/{})\n", kProgram, version(), architecture());
    return 0;
  }
  base::log::configure(web.log);
  base::log::info("starting tocsin-postgres-exporter", {{"version", version()}});
  status = serve(options, web);
  if (status.ok()) return 0;
  base::log::error("cannot start", {{"error", message(status)}});
  return 1;
}

}  // namespace
}  // namespace tocsin::exporters::postgres

int main(int argc, char** argv) {
  // Scrapes are seconds apart: asking the system for memory again costs less than keeping it.
  constexpr int kSlack = 16 << 10;
  tocsin::exporters::keep_heap_small(kSlack);
  std::signal(SIGPIPE, SIG_IGN);
  return tocsin::exporters::postgres::main_with(std::vector<std::string>(argv + 1, argv + argc));
}
