// SPDX-License-Identifier: Apache-2.0
//
// RedisHandler answers the requests to the exporter: /metrics, /scrape?target=, /health, /-/reload,
// /discover-cluster-nodes and a landing page.
//
// The password of the flags goes to -redis.addr and to the targets of -scrape.allow-target only:
// who may ask /scrape for a server of his own shall not learn it.
//
// Borrows: RedisOptions, RedisScraper, FileSystem (must outlive it).
// Threads: shared; serving a page blocks for as long as the scrape takes.
// Errors: HTTP statuses with upstream's texts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/mutex.h"
#include "exporters/redis/options.h"
#include "exporters/redis/scraper.h"
#include "model/matcher.h"
#include "net/router.h"

namespace tocsin::exporters {

class RedisHandler {
 public:
  static StatusOr<std::unique_ptr<RedisHandler>> make(const RedisOptions& options,
                                                      std::string telemetry_path,
                                                      const RedisScraper& scraper,
                                                      base::FileSystem& files);

  // Routes for a server. The handler must outlive what is returned.
  net::Handler routes();

  net::HttpResponse serve_metrics(const net::HttpRequest& request);
  net::HttpResponse serve_scrape(const net::HttpRequest& request);
  net::HttpResponse serve_nodes(const net::HttpRequest& request);
  net::HttpResponse reload();
  net::HttpResponse serve_landing_page() const;

 private:
  struct Totals {
    double scrapes = 0, seconds = 0, bad_requests = 0;
  };

  RedisHandler(const RedisOptions& options, std::string telemetry_path, const RedisScraper& scraper,
               base::FileSystem& files)
      : options_(options),
        telemetry_path_(std::move(telemetry_path)),
        scraper_(scraper),
        files_(files) {}

  Status load_passwords();
  enum class Secrets { kSend, kKeep };  // those of the flags, to this target
  enum class About { kExporter, kTarget };
  RedisScraper::Request request_for(const RedisTarget& target, Secrets secrets) const;
  // The scrape that ?target= and its companions ask for; an error is 400 or 403.
  StatusOr<RedisScraper::Request> chosen_scrape(const net::HttpRequest& request) const;
  bool is_allowed(const RedisTarget& target) const;
  net::HttpResponse page(const net::HttpRequest& request, RedisMetrics* metrics,
                         const Totals& totals, About about) const;
  bool is_authorized(const net::HttpRequest& request) const;

  const RedisOptions& options_;
  const std::string telemetry_path_;
  const RedisScraper& scraper_;
  base::FileSystem& files_;
  std::vector<model::Regex> allowed_;
  base::Guarded<std::shared_ptr<const Passwords>> passwords_;
  base::Guarded<Totals> totals_;  // of /metrics
};

}  // namespace tocsin::exporters
