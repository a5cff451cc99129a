// SPDX-License-Identifier: Apache-2.0
//
// PostgresExporter makes pages of metrics of the databases that the data sources name, and of those
// that a request to /probe names and the configuration allows.
//
// There is one scrape at a time of the data sources; another waits for it within its own budget. A
// probe has connections of its own, for as long as it takes.
//
// Owns: connections. Borrows: clock, files (must outlive it).
// Threads: shared; collect() and serve_probe() block their thread, at most for the budget.
// Errors: of collect() none: pg_up 0 and pg_scrape_collector_success 0 are values. serve_probe():
// statuses 400, 403, 503.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/mutex.h"
#include "exporters/common/page_source.h"
#include "exporters/postgres/auth_config.h"
#include "exporters/postgres/options.h"
#include "exporters/postgres/target.h"
#include "net/host_lookup.h"
#include "net/http.h"

namespace tocsin::exporters::postgres {

class PostgresExporter final : public PageSource {
 public:
  // Reads the configuration and the custom queries; what cannot be read is logged and shown as a
  // metric, as upstream does.
  PostgresExporter(PostgresOptions options, const base::Clock& clock, base::FileSystem& files);
  ~PostgresExporter() override;

  const std::vector<std::string>& names() const override { return names_; }
  // With pg_up, pg_exporter_* and pg_scrape_collector_*.
  std::vector<base::MetricFamily> collect(const std::vector<std::string>& names,
                                          base::Duration budget) override;

  // /probe?target=host:port/database&auth_module=name
  net::HttpResponse serve_probe(const net::HttpRequest& request);

  // Ends the scrapes under way with what they have; later ones end at once. Idempotent.
  void stop() { stopping_.store(true); }

 private:
  using Targets = std::vector<std::unique_ptr<Target>>;
  static constexpr std::size_t kMaxProbes = 32;
  static constexpr std::size_t kMaxProbesOfTarget = 4;

  void load_config();
  Session::Services services() { return {clock_, hosts_, stopping_}; }
  // Asks every target; whether there was a connection to one.
  bool ask(const Targets& targets, const std::vector<std::string>& names, Scrape* scrape);
  bool scrape_target(Target* target, const std::vector<std::string>& names, Scrape* scrape);
  void scrape_discovered(Target* first, const std::vector<std::string>& names, Scrape* scrape);
  static void show_collectors(const std::vector<std::string>& names, Scrape* scrape);
  void show_self(bool is_up, double seconds, std::uint64_t number, Scrape* scrape) const;
  std::size_t count_connections() const;
  double seconds_since(base::SteadyTime start) const;
  void note(const std::string& what, const Status& status);
  void note_collectors(const Scrape& scrape);
  bool begin_probe(const std::string& target);
  void end_probe(const std::string& target);

  const PostgresOptions options_;
  const base::Clock& clock_;
  base::FileSystem& files_;
  const std::vector<std::string> names_;
  net::HostLookup hosts_;
  std::atomic<bool> stopping_ = false;
  LoadedQueries queries_;
  AuthConfig config_;
  std::vector<base::MetricFamily> config_families_;

  base::Mutex mutex_;
  base::CondVar changed_;
  bool is_scraping_ ABSL_GUARDED_BY(mutex_) = false;
  bool was_up_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint64_t scrapes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t probes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::size_t> probes_of_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, bool> failing_ ABSL_GUARDED_BY(mutex_);  // what was logged as failing
  Targets targets_;  // the list is constant; its targets are of the thread that set is_scraping_
};

}  // namespace tocsin::exporters::postgres
