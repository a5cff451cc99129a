// SPDX-License-Identifier: Apache-2.0
//
// RedisScraper: one scrape of one server: connect, ask, show.
//
// What is always asked goes out in one piece, INFO first, so that a page costs few round trips; the
// rest follows while there is time. What came in time is shown: redis_up says whether INFO did,
// redis_exporter_last_scrape_error what went wrong first.
//
// Borrows: RedisOptions and Services (must outlive it).
// Threads: shared; a scrape blocks its thread, until its budget is used up at the latest.
// Errors: none; they are metrics.
#pragma once

#include <string>

#include "base/file_system.h"
#include "base/mutex.h"
#include "base/string_map.h"
#include "base/time.h"
#include "exporters/redis/connection.h"
#include "exporters/redis/metrics.h"
#include "exporters/redis/options.h"

namespace tocsin::exporters {

class RedisScraper {
 public:
  struct Services {
    const base::Clock& clock;
    base::FileSystem& files;
    net::HostLookup& lookup;
    net::TlsClient& tls;
  };
  struct Request {
    RedisTarget target;
    RedisConnection::Login login;
    KeyOptions keys;
  };

  RedisScraper(const RedisOptions& options, Services services)
      : options_(options), services_(services) {}

  // Adds the families of one scrape, and returns how long it took in seconds.
  double scrape(const Request& request, base::Duration budget, RedisMetrics* out) const;

  // The addresses of the nodes of the cluster that the server belongs to.
  StatusOr<std::vector<std::string>> cluster_nodes(const Request& request,
                                                   base::Duration budget) const;

 private:
  struct Answers;

  StatusOr<std::unique_ptr<RedisConnection>> open(const RedisTarget& target, const Request& request,
                                                  base::SteadyTime deadline) const;
  // Returns the first error; sets *up once INFO was shown.
  Status run(const Request& request, base::SteadyTime deadline, RedisMetrics* out, bool* up) const;
  void ask(RedisConnection* server) const;
  Status take_answers(RedisConnection* server, Answers* answers) const;
  void show_answers(const Answers& answers, RedisMetrics* out) const;
  Status run_sections(const Request& request, RedisConnection* server, const Answers& answers,
                      RedisMetrics* out) const;
  // Logs when a server begins to fail and when it is well again, not every scrape.
  void note(const std::string& address, const Status& status) const;

  static constexpr std::size_t kMaxFailing = 1000;

  const RedisOptions& options_;
  const Services services_;
  const base::Guarded<StringSet> failing_;  // addresses
};

// The address in a line of CLUSTER NODES, the name of the host instead when it has one and that is
// wanted; "" for none.
std::string node_address(std::string_view line, bool want_name);

}  // namespace tocsin::exporters
