// SPDX-License-Identifier: Apache-2.0
//
// tocsin-redis-exporter: serves what a Redis server tells about itself.
#include "exporters/common/elastic_pool.h"
#include "exporters/common/run_exporter.h"
#include "exporters/redis/redis_handler.h"

namespace tocsin::exporters {
namespace {

// Pages at once: more wait, so that servers that hang take no more threads than these.
constexpr std::size_t kMaxHandlerThreads = 16;

Status serve(const RedisOptions& options, ExporterFrame* frame) {
  net::HostLookup lookup;
  net::TlsClient tls(base::real_file_system(), options.tls);
  const RedisScraper scraper(options, {frame->clock, base::real_file_system(), lookup, tls});
  ASSIGN_OR_RETURN(
      const std::unique_ptr<RedisHandler> handler,
      RedisHandler::make(options, frame->web.telemetry_path, scraper, base::real_file_system()));
  // One thread does for scrapes in turn, and keeps the memory that threads cache for themselves once.
  ElasticPool handlers({.name = "http", .usual = 1, .most = kMaxHandlerThreads}, frame->clock,
                       frame->loop);
  ASSIGN_OR_RETURN(const std::unique_ptr<net::HttpServer> server,
                   frame->serve({.handler = handler->routes(), .handlers = handlers}));
  server->stop();
  // A scrape or a look-up of a name may still wait for somebody.
  ExporterFrame::end_at_once();
}

Status check(RedisOptions* options, WebOptions* web) {
  if (options->debug) web->log.level = base::log::Level::kDebug;
  return options->validate(base::real_file_system());
}

}  // namespace
}  // namespace tocsin::exporters

int main(int argc, char** argv) {
  using namespace tocsin::exporters;
  RedisOptions options;
  return run_exporter(
      {.name = "tocsin-redis-exporter",
       .about = "Serves metrics of a Redis server.",
       .listen_address = ":9121",
       .style = Flags::Style::kGo,
       .add_flags = [&](Flags* flags, WebOptions* web) { add_redis_flags(flags, &options, web); },
       .check = [&](WebOptions* web) { return check(&options, web); },
       .serve = [&](ExporterFrame* frame) { return serve(options, frame); }},
      argc, argv);
}
