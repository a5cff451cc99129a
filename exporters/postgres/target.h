// SPDX-License-Identifier: Apache-2.0
//
// Target: one database that the exporter asks, over one connection that is kept between scrapes.
//
// A statement has a share of the time that the scrape still has, and the server is told to stop it
// after that (statement_timeout; lock_timeout is 100 ms). A connection that does not answer is put
// aside, not closed, and one more is made; while the one put aside is still silent there is no third,
// so that a server that is stuck is never given more than two.
//
// Threads: confined, to one scrape after another.
// Errors: as Session.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "exporters/postgres/custom_queries.h"
#include "exporters/postgres/options.h"
#include "exporters/postgres/row_mapper.h"
#include "exporters/postgres/session.h"
#include "exporters/postgres/table.h"

namespace tocsin::exporters::postgres {

// A page while it is made.
struct Scrape {
  struct Result {
    Status status;  // the first error
    double seconds = 0;
  };

  base::SteadyTime deadline;
  std::size_t shares = 1;  // pieces of work that still want some of the time
  SampleBudget samples = {};
  std::vector<base::MetricFamily> families = {};
  std::map<std::string, Result, std::less<>> results = {};  // by collector
  bool failed = false;                                      // something beside the collectors

  // What each piece has when all get the same.
  base::Duration even_share(const base::Clock& clock) const;
  // What the next piece may take.
  base::Duration next_share(const base::Clock& clock);
};

class Target {
 public:
  enum class Role {
    kFirst,  // shows the server, and its own database
    kOther,  // of another data source: shows what upstream shows of it
    kDiscovered,
  };

  Target(Conninfo info, Role role, const PostgresOptions& options, const CustomQueries* queries,
         Session::Services services);

  // Connects, or sees that the connection is still there. `page` is when the page must be served.
  Status open(base::SteadyTime page);

  // Runs the collectors in `names` that are for this role, and what belongs to no collector.
  // REQUIRES: open() was OK.
  void collect(const std::vector<std::string>& names, Scrape* scrape);
  // How many shares of the time that takes.
  std::size_t shares(const std::vector<std::string>& names) const;

  // Other databases of the server. REQUIRES: as above.
  StatusOr<std::vector<std::string>> other_databases(Scrape* scrape);

  const Conninfo& info() const { return info_; }
  // Since the start.
  std::size_t connections_made() const { return connections_made_; }

 private:
  struct Cached {
    base::SteadyTime at;
    std::vector<base::MetricFamily> families;
  };

  bool runs(const CollectorSpec& spec, const std::vector<std::string>& names) const;
  bool runs(const CustomQuery& query) const;
  Status prepare(base::SteadyTime deadline);
  Status run(std::string_view sql, Scrape* scrape, const Session::OnRows& on_rows);
  Status run_once(std::string_view sql, base::Duration share, base::SteadyTime page,
                  const Session::OnRows& on_rows);
  Status run_query(const Query& query, const LabelPairs& labels, Scrape* scrape);
  Status run_collector(const CollectorSpec& spec, Scrape* scrape);
  Status run_custom(const CustomQuery& query, Scrape* scrape);
  void show_version(Scrape* scrape) const;
  void put_aside();

  const Conninfo info_;
  const Role role_;
  const PostgresOptions& options_;
  const CustomQueries* const queries_;
  const Session::Services services_;
  std::unique_ptr<Session> session_;
  std::vector<std::unique_ptr<Session>> silent_;  // put aside
  base::SteadyTime started_;                      // when session_ began to connect
  bool is_prepared_ = false;                      // session_ is there and ready
  std::int64_t timeout_ms_ = 0;                   // what the server was told; 0 = nothing yet
  std::size_t connections_made_ = 0;
  std::string version_text_;
  LabelPairs server_labels_;                          // of families that upstream gives `server`
  std::map<std::string, Cached, std::less<>> cache_;  // by name of the custom query
};

}  // namespace tocsin::exporters::postgres
