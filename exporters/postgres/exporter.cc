// SPDX-License-Identifier: Apache-2.0
#include "exporters/postgres/exporter.h"

#include <algorithm>

#include "base/log.h"
#include "exporters/common/footprint.h"
#include "exporters/common/metrics_handler.h"
#include "exporters/common/page.h"

namespace tocsin::exporters::postgres {
namespace {

constexpr std::uint64_t kMaxConfigFile = 1 << 20;
constexpr std::size_t kMaxNoted = 1'000;  // things whose failure is remembered

base::MetricFamily single(std::string name, std::string help, base::MetricType type,
                          LabelPairs labels, double value) {
  return {std::move(name), std::move(help), type, {{"", std::move(labels), value}}};
}

}  // namespace

PostgresExporter::PostgresExporter(PostgresOptions options, const base::Clock& clock,
                                   base::FileSystem& files)
    : options_(std::move(options)),
      clock_(clock),
      files_(files),
      names_(options_.enabled_collectors()),
      queries_(load_custom_queries(options_.queries_file, options_.metric_prefix, files)) {
  load_config();
  for (const Conninfo& info : options_.sources) {
    const auto role = targets_.empty() ? Target::Role::kFirst : Target::Role::kOther;
    targets_.push_back(
        std::make_unique<Target>(info, role, options_, queries_.queries.get(), services()));
  }
}

PostgresExporter::~PostgresExporter() = default;

void PostgresExporter::load_config() {
  const StatusOr<std::string> text = files_.read_file(options_.config_file, kMaxConfigFile);
  Status status = text.status();
  if (text.ok()) {
    StatusOr<AuthConfig> config = AuthConfig::parse(*text, options_.config_file, files_);
    status = config.status();
    if (status.ok()) config_ = *std::move(config);
  }
  if (!status.ok()) {
    base::log::warn("no configuration for /probe",
                    {{"file", options_.config_file}, {"error", message(status)}});
  }
  config_families_.push_back(single("postgres_exporter_config_last_reload_successful",
                                    "Postgres exporter config loaded successfully.",
                                    base::MetricType::kGauge, {}, status.ok() ? 1 : 0));
  config_families_.push_back(
      single("postgres_exporter_config_last_reload_success_timestamp_seconds",
             "Timestamp of the last successful configuration reload.", base::MetricType::kGauge, {},
             status.ok() ? base::to_seconds(clock_.now()) : 0));
}

std::size_t PostgresExporter::count_connections() const {
  std::size_t count = 0;
  for (const std::unique_ptr<Target>& target : targets_) count += target->connections_made();
  return count;
}

double PostgresExporter::seconds_since(base::SteadyTime start) const {
  return std::chrono::duration<double>(clock_.steady_now() - start).count();
}

// Logs a change for the worse or back, not every scrape.
void PostgresExporter::note(const std::string& what, const Status& status) {
  {
    base::MutexLock lock(mutex_);
    const auto it = failing_.find(what);
    const bool was_failing = it != failing_.end();
    if (was_failing != status.ok()) return;
    if (status.ok()) {
      failing_.erase(it);
    } else if (failing_.size() < kMaxNoted) {
      failing_.emplace(what, true);
    }
  }
  if (status.ok()) {
    base::log::info("works again", {{"what", what}});
  } else {
    base::log::warn("failed", {{"what", what}, {"error", message(status)}});
  }
}

void PostgresExporter::note_collectors(const Scrape& scrape) {
  for (const auto& [name, result] : scrape.results) {
    if (result.status.code() == StatusCode::kNotFound) {
      base::log::debug("collector found nothing",
                       {{"name", name}, {"error", message(result.status)}});
    } else {
      note("collector " + name, result.status);
    }
  }
}

bool PostgresExporter::scrape_target(Target* target, const std::vector<std::string>& names,
                                     Scrape* scrape) {
  const Status status = target->open(scrape->deadline);
  note(fmt::format("connection {}", loggable(target->info())), status);
  if (!status.ok()) return false;
  target->collect(names, scrape);
  // Connecting takes much code that is not needed again; a probe comes too often for this.
  return true;
}

void PostgresExporter::scrape_discovered(Target* first, const std::vector<std::string>& names,
                                         Scrape* scrape) {
  StatusOr<std::vector<std::string>> databases = first->other_databases(scrape);
  if (!databases.ok()) {
    scrape->failed = true;
    return;
  }
  if (databases->size() > options_.max_databases) {
    note("databases", out_of_range("{} databases, of which {} are shown", databases->size(),
                                   options_.max_databases));
    databases->resize(options_.max_databases);
  }
  for (std::size_t i = 0; i < databases->size(); ++i) {
    Conninfo info = first->info();
    set_conninfo(&info, "dbname", (*databases)[i]);
    // One connection after another: the server has them to spare for its users.
    Target target(info, Target::Role::kDiscovered, options_, queries_.queries.get(), services());
    scrape->shares = target.shares(names) * (databases->size() - i);
    if (!scrape_target(&target, names, scrape)) scrape->failed = true;
  }
}

bool PostgresExporter::ask(const Targets& targets, const std::vector<std::string>& names,
                           Scrape* scrape) {
  const base::SteadyTime deadline = scrape->deadline;
  std::size_t connected = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    Target* target = targets[i].get();
    // A data source that does not answer leaves time for the others.
    scrape->shares = targets.size() - i;
    scrape->deadline = std::min(deadline, clock_.steady_now() + scrape->even_share(clock_));
    scrape->shares = target->shares(names);
    if (scrape_target(target, names, scrape)) {
      ++connected;
      if (i == 0 && options_.discovers_databases) scrape_discovered(target, names, scrape);
    } else {
      scrape->failed = true;
    }
    scrape->deadline = deadline;
  }
  if (connected != 0) note_collectors(*scrape);
  return connected != 0;
}

void PostgresExporter::show_collectors(const std::vector<std::string>& names, Scrape* scrape) {
  base::MetricFamily durations{"pg_scrape_collector_duration_seconds",
                               "postgres_exporter: Duration of a collector scrape.",
                               base::MetricType::kGauge,
                               {}};
  base::MetricFamily successes{"pg_scrape_collector_success",
                               "postgres_exporter: Whether a collector succeeded.",
                               base::MetricType::kGauge,
                               {}};
  for (const std::string& name : names) {
    const auto it = scrape->results.find(name);
    // Those that are not there were not asked: the server could not be reached.
    const bool was_asked = it != scrape->results.end();
    durations.samples.push_back({"", {{"collector", name}}, was_asked ? it->second.seconds : 0});
    const bool success = was_asked && it->second.status.ok();
    successes.samples.push_back({"", {{"collector", name}}, success ? 1.0 : 0.0});
  }
  scrape->families.push_back(std::move(durations));
  scrape->families.push_back(std::move(successes));
}

void PostgresExporter::show_self(bool is_up, double seconds, std::uint64_t number,
                                 Scrape* scrape) const {
  const LabelPairs& labels = options_.constant_labels;
  std::vector<base::MetricFamily>& out = scrape->families;
  out.push_back(single("pg_up",
                       "Whether the last scrape of metrics from PostgreSQL was able to connect to "
                       "the server (1 for yes, 0 for no).",
                       base::MetricType::kGauge, labels, is_up ? 1 : 0));
  out.push_back(single("pg_exporter_last_scrape_error",
                       "Whether the last scrape of metrics from PostgreSQL resulted in an error (1 "
                       "for error, 0 for success).",
                       base::MetricType::kGauge, labels, scrape->failed ? 1 : 0));
  out.push_back(single("pg_exporter_last_scrape_duration_seconds",
                       "Duration of the last scrape of metrics from PostgreSQL.",
                       base::MetricType::kGauge, labels, seconds));
  out.push_back(single("pg_exporter_scrapes_total",
                       "Total number of times PostgreSQL was scraped for metrics.",
                       base::MetricType::kCounter, labels, static_cast<double>(number)));
  out.insert(out.end(), queries_.families.begin(), queries_.families.end());
}

std::vector<base::MetricFamily> PostgresExporter::collect(const std::vector<std::string>& names,
                                                          base::Duration budget) {
  const base::SteadyTime deadline =
      clock_.steady_now() + std::min(budget, options_.collection_timeout);
  std::uint64_t number = 0;
  bool is_mine = true;
  {
    base::MutexLock lock(mutex_);
    number = ++scrapes_;
    while (is_scraping_ && is_mine) is_mine = changed_.wait_until(mutex_, deadline);
    is_mine = !is_scraping_;
    if (is_mine) is_scraping_ = true;
  }
  const base::SteadyTime start = clock_.steady_now();
  Scrape scrape{.deadline = deadline, .samples = {.left = options_.max_samples}};
  if (is_mine) {
    const std::size_t connections = count_connections();
    const bool is_up = ask(targets_, names, &scrape);
    // Making a connection takes much code that is not needed again.
    if (count_connections() != connections) drop_pages_of_start();
    base::MutexLock lock(mutex_);
    was_up_ = is_up;
    is_scraping_ = false;
    changed_.notify_all();
  } else {
    // Another scrape took all the time: what it finds is what is known.
    scrape.failed = true;
  }
  bool is_up = false;
  {
    base::MutexLock lock(mutex_);
    is_up = was_up_;
  }
  if (!targets_.empty()) show_collectors(names, &scrape);
  show_self(is_up, seconds_since(start), number, &scrape);
  scrape.families.insert(scrape.families.end(), config_families_.begin(), config_families_.end());
  return std::move(scrape.families);
}

bool PostgresExporter::begin_probe(const std::string& target) {
  base::MutexLock lock(mutex_);
  std::size_t& of_target = probes_of_[target];
  if (probes_ >= kMaxProbes || of_target >= kMaxProbesOfTarget) {
    if (of_target == 0) probes_of_.erase(target);
    return false;
  }
  ++probes_;
  ++of_target;
  return true;
}

void PostgresExporter::end_probe(const std::string& target) {
  base::MutexLock lock(mutex_);
  --probes_;
  const auto it = probes_of_.find(target);
  if (--it->second == 0) probes_of_.erase(it);
}

net::HttpResponse PostgresExporter::serve_probe(const net::HttpRequest& request) {
  const std::string target(request.query.get("target"));
  if (target.empty()) return net::HttpResponse::text(400, "target is required\n");
  const std::string name(request.query.get("auth_module"));
  const AuthModule* module = nullptr;
  if (!name.empty()) {
    const auto it = config_.modules.find(name);
    if (it == config_.modules.end()) {
      return net::HttpResponse::text(400, fmt::format("auth_module {} not found\n", name));
    }
    module = &it->second;
    if (module->username.empty() || module->password.empty()) {
      return net::HttpResponse::text(
          400, fmt::format("auth_module {} has no username or password\n", name));
    }
  }
  StatusOr<Conninfo> info = probe_conninfo(target, module);
  if (!info.ok()) {
    return net::HttpResponse::text(
        400, fmt::format("could not configure dsn for target: {}\n", message(info.status())));
  }
  if (!config_.allows(*info)) {
    return net::HttpResponse::text(
        403, fmt::format("the target is not in probe_targets of {}\n", options_.config_file));
  }
  const std::string place =
      fmt::format("{}:{}", conninfo_value(*info, "host"), conninfo_value(*info, "port"));
  if (!begin_probe(place)) {
    return net::HttpResponse::text(503, "Limit of concurrent probes reached, try again later.\n");
  }
  Targets targets;
  targets.push_back(std::make_unique<Target>(*std::move(info), Target::Role::kFirst, options_,
                                             queries_.queries.get(), services()));
  const base::Duration budget = scrape_budget(
      request.headers.get("X-Prometheus-Scrape-Timeout-Seconds"), base::Duration(10'000));
  const base::SteadyTime start = clock_.steady_now();
  Scrape scrape{.deadline = start + std::min(budget, options_.collection_timeout),
                .samples = {.left = options_.max_samples}};
  const bool is_up = ask(targets, names_, &scrape);
  show_collectors(names_, &scrape);
  show_self(is_up, seconds_since(start), 1, &scrape);
  targets.clear();
  end_probe(place);
  tidy_families(&scrape.families);
  return page_response(scrape.families, choose_format(request.headers.get("Accept")));
}

}  // namespace tocsin::exporters::postgres
