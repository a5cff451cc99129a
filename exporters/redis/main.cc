// SPDX-License-Identifier: Apache-2.0
//
// tocsin-redis-exporter: serves what a Redis server tells about itself.
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "base/log.h"
#include "exporters/common/elastic_pool.h"
#include "exporters/common/footprint.h"
#include "exporters/common/stop_signal.h"
#include "exporters/common/version.h"
#include "exporters/redis/redis_handler.h"

namespace tocsin::exporters {
namespace {

constexpr std::string_view kProgram = "tocsin-redis-exporter";
// Pages at once: more wait, so that servers that hang take no more threads than these.
constexpr std::size_t kMaxHandlerThreads = 16;

Status serve(const RedisOptions& options, const WebOptions& web) {
  const base::SystemClock clock;
  net::IoLoop loop(clock);
  StopSignal stop;
  loop.on_signals({SIGINT, SIGTERM}, [&stop](int) { stop.set(); });
  net::HostLookup lookup;
  net::TlsClient tls(base::real_file_system(), options.tls);
  const RedisScraper scraper(options, {clock, base::real_file_system(), lookup, tls});
  ASSIGN_OR_RETURN(
      const std::unique_ptr<RedisHandler> handler,
      RedisHandler::make(options, web.telemetry_path, scraper, base::real_file_system()));
  // One thread does for scrapes in turn, and keeps the memory that threads cache for themselves once.
  ElasticPool handlers({.name = "http", .usual = 1, .most = kMaxHandlerThreads}, clock, loop);
  ASSIGN_OR_RETURN(const std::unique_ptr<net::HttpServer> server,
                   start_server(web, handler->routes(), {loop, handlers, clock}));
  for (const std::string& address : server->addresses()) {
    base::log::info("listening", {{"address", address}});
  }
  drop_pages_of_start();
  stop.wait();
  server->stop();
  base::log::info("stopped");
  // A scrape or a look-up of a name may still wait for somebody: nothing would be gained by it.
  ::_exit(0);
}

int main_with(const std::vector<std::string>& arguments) {
  RedisOptions options;
  WebOptions web;
  web.listen_addresses = {":9121"};
  Flags flags(std::string(kProgram), "Serves metrics of a Redis server.", Flags::Style::kGo);
  add_redis_flags(&flags, &options, &web);
  Status status = flags.read_environment([](const char* name) { return std::getenv(name); });
  Flags::Outcome outcome = Flags::Outcome::kRun;
  if (status.ok()) {
    const StatusOr<Flags::Outcome> parsed = flags.parse(arguments);
    status = parsed.status();
    if (parsed.ok()) outcome = *parsed;
  }
  if (status.ok() && outcome == Flags::Outcome::kRun) {
    status = options.validate(base::real_file_system());
  }
  if (!status.ok()) {
    fmt::print(stderr, "{}: error: {}, try -help\n", kProgram, message(status));
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
  if (options.debug) web.log.level = base::log::Level::kDebug;
  base::log::configure(web.log);
  base::log::info("starting tocsin-redis-exporter", {{"version", version()}});
  status = serve(options, web);
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
