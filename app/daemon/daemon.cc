// SPDX-License-Identifier: Apache-2.0
//
// tidy: allow(includes) it puts everything together
#include "app/daemon/daemon.h"

#include <unistd.h>

#include <csignal>
#include <utility>

#include "app/config/alertmanager_config.h"
#include "app/config/prometheus_config.h"
#include "app/daemon/alert_forwarder.h"
#include "app/daemon/machine.h"
#include "base/check.h"
#include "base/executor.h"
#include "base/log.h"
#include "collector/collector.h"
#include "net/beast.h"
#include "net/curl.h"
#include "storage/bounded_event_log.h"
#include "tsdb/db.h"
#include "web/admin_api.h"
#include "web/alertmanager_api.h"
#include "web/instrument.h"
#include "web/pages.h"
#include "web/prometheus_api.h"
#include "web/query_api.h"
#include "web/query_log.h"
#include "web/remote_write.h"
#include "web/series_api.h"
#include "web/status_api.h"

namespace tocsin::app {

namespace {

// Pages of one moment (collector::scrape_offset) that one thread stores, a fraction of a millisecond each.
constexpr std::size_t kIngestBacklog = 16;
constexpr std::string_view kWritePath = "/api/v1/write";
constexpr std::string_view kQueryPath = "/api/v1/query";
constexpr std::string_view kAnalyzePath = "/api/x/query_analyze";
// Queries that wait for their turn where they are listed and may end; more wait unseen.
constexpr std::size_t kQueriesInLine = 8;
constexpr base::Duration kDefaultRetention{15LL * 24 * 3600 * 1000};

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 && name[0] != '\0' ? name : "localhost";
}

// http://HOST:PORT of a bound address; a wildcard address becomes this machine's name.
std::string derive_url(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.empty() || host == "0.0.0.0" || host == "[::]") host = host_name();
  return "http://" + host + address.substr(colon);
}

// A server's handler that can be exchanged while it serves.
class HandlerSwitch {
 public:
  void set(std::shared_ptr<const net::Router> router) { *router_.lock() = std::move(router); }
  net::HttpResponse operator()(const net::HttpRequest& request) const {
    std::shared_ptr<const net::Router> router = *router_.lock();
    return router->route(request);
  }

 private:
  base::Guarded<std::shared_ptr<const net::Router>> router_;
};

// What signals ask for.
struct Wishes {
  base::Mutex mutex;
  base::CondVar changed;
  bool reload ABSL_GUARDED_BY(mutex) = false;
  bool stop ABSL_GUARDED_BY(mutex) = false;
};

}  // namespace

struct Daemon::Impl {
  explicit Impl(DaemonOptions given)
      : options(std::move(given)),
        http_pool({"http", 8, 10'000, 0}),
        ingest_pool({.name = "ingest", .threads = usable_cores(), .backlog = kIngestBacklog}),
        rules_pool({"rules", options.rule_workers, 100'000, 0}),
        queries_pool({"queries", usable_cores(), 100'000, 5}),
        query_http_pool({"query_http", options.max_concurrency + kQueriesInLine, 10'000, 5}),
        blocking_pool({"blocking", 2, 100'000, 0}),
        notifier_pool({"notifier", 1, 1'000'000, 0}),
        write_pool({"write", options.remote_write.enabled ? usable_cores() : 1, 1000, 0}),
        loop(clock) {}

  void catch_signals();
  Status listen();
  Status open_store(const PrometheusConfig& config);
  Status open_notifier();
  Status open_engine(const PrometheusConfig& config);
  StatusOr<std::shared_ptr<const promql::QueryLog>> open_query_log(const std::string& path);
  void end_queries();
  Status apply(PrometheusConfig config, std::optional<notifier::NotifierConfig> alertmanager);
  Status load(PrometheusConfig* config, std::optional<notifier::NotifierConfig>* alertmanager);
  Status reload();
  void serve();
  tsdb::Options store_options(const PrometheusConfig& config) const;
  void log_features() const;
  void note_reload(bool ok);
  void stop();

  DaemonOptions options;
  base::SystemClock clock;
  base::Registry metrics;
  std::shared_ptr<Wishes> wishes;  // of signals; null when they are not caught
  base::ThreadPool http_pool, ingest_pool, rules_pool, queries_pool, query_http_pool, blocking_pool,
      notifier_pool, write_pool;
  std::unique_ptr<tsdb::Db> db;
  storage::BoundedEventLog events;
  // Behind the store: dropping timers of targets that are gone still forgets their groups there.
  net::IoLoop loop;
  std::unique_ptr<net::HttpClient> http;
  std::unique_ptr<net::HttpClient> notifier_http;
  std::unique_ptr<net::MailSender> mail;
  std::unique_ptr<promql::ActiveQueries> active_queries;
  std::unique_ptr<promql::Engine> engine;
  std::unique_ptr<notifier::Notifier> notifier;
  AlertForwarder forwarder;
  std::unique_ptr<rules::Evaluator> rules;
  std::unique_ptr<collector::Collector> collector;
  HandlerSwitch handler, alertmanager_handler;
  std::unique_ptr<net::HttpServer> server, alertmanager_server;

  std::string external_url, alertmanager_url;
  base::Guarded<std::string> printed_config;
  base::Mutex reload_mutex;  // one reload at a time; held over file reads, never by a request that
                             // does not reload
  bool stopped = false;
};

void Daemon::Impl::catch_signals() {
  wishes = std::make_shared<Wishes>();
  loop.on_signals({SIGINT, SIGTERM, SIGHUP}, [to = wishes](int signal) {
    base::MutexLock lock(to->mutex);
    (signal == SIGHUP ? to->reload : to->stop) = true;
    to->changed.notify_one();
  });
}

Status Daemon::Impl::listen() {
  auto starting = std::make_shared<net::Router>();
  web::add_starting_pages(*starting, metrics);
  handler.set(starting);
  net::HttpServerOptions server_options;
  server_options.listen_addresses = options.listen_addresses;
  server_options.max_connections = options.max_connections;
  const auto choose = [this](const net::HttpRequest& request) -> base::Executor* {
    if (request.target.starts_with(kWritePath)) return &write_pool;
    const bool queries =
        request.target.starts_with(kQueryPath) || request.target.starts_with(kAnalyzePath);
    return queries ? &query_http_pool : nullptr;
  };
  const net::BeastServices services{loop, http_pool, clock, &metrics, choose};
  server = net::make_beast_server(
      server_options, [this](const net::HttpRequest& r) { return handler(r); }, services);
  RETURN_IF_ERROR(server->start());
  external_url =
      options.external_url.empty() ? derive_url(server->addresses().front()) : options.external_url;
  for (const std::string& address : server->addresses())
    base::log::info("Listening on", {{"address", address}});
  if (options.alertmanager_config_file.empty()) return ok();

  alertmanager_handler.set(starting);
  server_options.listen_addresses = options.alertmanager_listen_addresses;
  const net::BeastServices second{loop, http_pool, clock};
  alertmanager_server = net::make_beast_server(
      server_options, [this](const net::HttpRequest& r) { return alertmanager_handler(r); },
      second);
  RETURN_IF_ERROR(alertmanager_server->start());
  alertmanager_url = options.alertmanager_external_url.empty()
                         ? derive_url(alertmanager_server->addresses().front())
                         : options.alertmanager_external_url;
  for (const std::string& address : alertmanager_server->addresses()) {
    base::log::info("Listening on", {{"address", address}, {"component", "alertmanager"}});
  }
  return ok();
}

tsdb::Options Daemon::Impl::store_options(const PrometheusConfig& config) const {
  tsdb::Options store;
  store.retention_bytes =
      config.has_retention_size ? config.retention_bytes : options.retention_bytes;
  store.retention_percentage = config.retention_percentage;
  const bool by_space = store.retention_bytes != 0 || store.retention_percentage != 0;
  store.retention = config.has_retention ? config.retention
                                         : options.retention.value_or(by_space ? base::Duration(0)
                                                                               : kDefaultRetention);
  store.retention_min_free = options.retention_min_free;
  store.reserve_bytes = options.reserve_bytes;
  store.max_active_series = options.max_active_series;
  store.max_new_series_per_minute = options.max_new_series_per_minute;
  store.out_of_order_window = config.out_of_order_window;
  store.max_exemplars = options.features.exemplars ? config.max_exemplars : 0;
  return store;
}

Status Daemon::Impl::open_store(const PrometheusConfig& config) {
  const base::SteadyTime started = clock.steady_now();
  StatusOr<std::unique_ptr<tsdb::Db>> opened = tsdb::Db::open(
      options.storage_path, store_options(config), {clock, base::real_file_system(), metrics});
  if (!opened.ok())
    return annotate(opened.status(), "opening the store in {}", options.storage_path);
  db = std::move(*opened);
  const double seconds = std::chrono::duration<double>(clock.steady_now() - started).count();
  metrics
      .gauge("prometheus_tsdb_data_replay_duration_seconds",
             "Time taken to replay the data on disk.")
      .set(seconds);
  base::log::info("store open", {{"path", options.storage_path}, {"seconds", seconds}});
  return ok();
}

Status Daemon::Impl::open_notifier() {
  if (options.alertmanager_config_file.empty()) return ok();
  notifier_http = net::make_http_client(loop, blocking_pool, {.user_agent = "Alertmanager/0.34.0"});
  mail = net::make_mail_sender(loop, blocking_pool);
  notifier::NotifierOptions notifier_options = options.notifier;
  notifier_options.external_url = alertmanager_url;
  RETURN_IF_ERROR(base::real_file_system().create_directories(notifier_options.directory));
  ASSIGN_OR_RETURN(notifier,
                   notifier::Notifier::open(notifier_options,
                                            {clock, loop, notifier_pool, base::real_file_system(),
                                             metrics, *notifier_http, *mail, &events}));
  forwarder.set_notifier(notifier.get());
  return ok();
}

Status Daemon::Impl::open_engine(const PrometheusConfig& config) {
  promql::EngineOptions engine_options;
  engine_options.lookback = options.lookback;
  engine_options.timeout = options.query_timeout;
  engine_options.max_samples = options.max_samples;
  engine_options.max_concurrent = options.max_concurrency;
  engine_options.max_memory_bytes = options.query_memory.value_or(physical_memory_bytes() / 2);
  engine_options.max_query_bytes = options.query_memory_each;
  engine_options.default_subquery_step = config.evaluation_interval;
  engine_options.delayed_name_removal = options.features.delayed_name_removal;
  engine_options.use_start_timestamps = options.features.use_start_timestamps;
  engine_options.type_and_unit_labels = options.features.type_and_unit_labels;
  engine_options.parser = parser_options(options.features);
  const std::string active_path = base::join_path(options.storage_path, "queries.active");
  const std::string unfinished = promql::ActiveQueries::unfinished(active_path);
  if (!unfinished.empty()) {
    base::log::info("These queries didn't finish in prometheus' last run:",
                    {{"queries", unfinished}});
  }
  ASSIGN_OR_RETURN(active_queries,
                   promql::ActiveQueries::open(active_path, options.max_concurrency));
  engine = std::make_unique<promql::Engine>(
      engine_options,
      promql::Engine::Services{clock, &queries_pool, &metrics, active_queries.get()});
  http = net::make_http_client(loop, blocking_pool, {.user_agent = "Prometheus/3.14.0"});
  rules = std::make_unique<rules::Evaluator>(
      rules::Evaluator::Services{
          clock, loop, rules_pool, metrics, *engine, *db, *db,
          [this](std::vector<model::Alert> alerts) { forwarder.send(std::move(alerts)); }, &events},
      options.alert_timing);
  collector = std::make_unique<collector::Collector>(collector::Collector::Services{
      clock, loop, ingest_pool, blocking_pool, base::real_file_system(), metrics, *http, *db});
  return ok();
}

Status Daemon::Impl::load(PrometheusConfig* config,
                          std::optional<notifier::NotifierConfig>* alertmanager) {
  base::FileSystem& files = base::real_file_system();
  ASSIGN_OR_RETURN(*config, load_prometheus_config(files, options.config_file,
                                                   {options.features.extra_scrape_metrics,
                                                    parser_options(options.features)}));
  for (collector::ScrapeOptions& job : config->collector.jobs) {
    job.features = {options.features.exemplars, options.features.zero_starts,
                    options.features.store_starts, options.features.type_and_unit_labels};
  }
  if (options.alertmanager_config_file.empty()) return ok();
  ASSIGN_OR_RETURN(*alertmanager,
                   load_alertmanager_config(files, options.alertmanager_config_file));
  return ok();
}

// Opened again at each reload, so that the file may be moved away.
StatusOr<std::shared_ptr<const promql::QueryLog>> Daemon::Impl::open_query_log(
    const std::string& path) {
  base::Counter& failures = metrics.counter("prometheus_engine_query_log_failures_total",
                                            "The number of query log failures.");
  if (path.empty()) return nullptr;
  ASSIGN_OR_RETURN(std::shared_ptr<web::QueryLogFile> file,
                   web::QueryLogFile::open(path, {clock, base::real_file_system(), failures}));
  return std::make_shared<const promql::QueryLog>(
      [file](const promql::FinishedQuery& query) { file->write(query); });
}

// So that nobody waits for them when the program is to stop.
void Daemon::Impl::end_queries() {
  if (!engine) return;
  for (const promql::Engine::Running& query : engine->running()) {
    static_cast<void>(engine->kill(query.id));
  }
}

Status Daemon::Impl::apply(PrometheusConfig config,
                           std::optional<notifier::NotifierConfig> alertmanager) {
  ASSIGN_OR_RETURN(auto query_log, open_query_log(config.query_log_file));
  if (notifier && alertmanager) RETURN_IF_ERROR(notifier->apply(std::move(*alertmanager)));
  config.rules.external_url = external_url;
  RETURN_IF_ERROR(rules->apply(config.rules));
  forwarder.set_relabel(std::move(config.alert_relabel));
  collector->apply(config.collector);
  db->reconfigure(store_options(config));
  engine->set_query_log(std::move(query_log));
  *printed_config.lock() = std::move(config.printed);
  return ok();
}

void Daemon::Impl::log_features() const {
  for (const std::string& name : options.features.needless) {
    base::log::info("feature is not needed here", {{"feature", name}});
  }
  for (const std::string& name : options.features.unknown) {
    base::log::warn("Unknown option for --enable-feature", {{"option", name}});
  }
}

void Daemon::Impl::note_reload(bool ok) {
  const auto note = [this, ok](const std::string& prefix, const std::string& what) {
    metrics
        .gauge(prefix + "config_last_reload_successful",
               "Whether the last " + what + "configuration reload attempt was successful.")
        .set(ok ? 1 : 0);
    base::Gauge& when =
        metrics.gauge(prefix + "config_last_reload_success_timestamp_seconds",
                      "Timestamp of the last successful " + what + "configuration reload.");
    if (ok) when.set(base::to_seconds(clock.now()));
  };
  note("prometheus_", "");
  if (notifier) note("alertmanager_", "alertmanager ");
}

Status Daemon::Impl::reload() {
  base::MutexLock lock(reload_mutex);
  PrometheusConfig config;
  std::optional<notifier::NotifierConfig> alertmanager;
  Status status = load(&config, &alertmanager);
  if (status.ok()) status = apply(std::move(config), std::move(alertmanager));
  note_reload(status.ok());
  if (status.ok()) {
    base::log::info("configuration reloaded", {{"file", options.config_file}});
  } else {
    base::log::warn("configuration not reloaded; the old one stays", {{"error", message(status)}});
  }
  return status;
}

void Daemon::Impl::serve() {
  web::BuildInfo build;
  metrics
      .gauge("prometheus_build_info", "A metric with a constant '1' value labeled by version.",
             {"version", "tocsin_version"})
      .with({build.version, build.tocsin_version})
      .set(1);
  metrics
      .gauge("prometheus_ready",
             "Whether Prometheus startup was fully completed and the server is ready for normal "
             "operation.")
      .set(1);
  web::PageServices pages{clock,
                          metrics,
                          collector.get(),
                          rules.get(),
                          db.get(),
                          notifier.get(),
                          &events,
                          [this] { return reload(); },
                          options.enable_lifecycle,
                          external_url,
                          build};
  auto router = std::make_shared<net::Router>();
  router->wrap(web::instrument(web::Server::kPrometheus, metrics, clock));
  web::add_prometheus_pages(*router, pages);
  web::add_admin_api(*router, {*db, options.enable_admin_api});
  web::add_status_api(*router, *db);
  web::add_series_api(*router, {*db, *db, *collector, engine->options().parser});
  web::add_query_api(
      *router, {clock, *engine, *db, options.enable_admin_api, options.features.per_step_stats});
  web::add_prometheus_api(*router, {clock, *db, *collector, *rules, external_url, build,
                                    options.flags, [this] { return *printed_config.lock(); }});
  web::add_remote_write(
      *router, options.remote_write.enabled
                   ? std::make_shared<web::RemoteWrite>(
                         options.remote_write, web::RemoteWrite::Services{clock, metrics, *db})
                   : nullptr);
  if (notifier) {
    web::BuildInfo alertmanager_build = build;
    alertmanager_build.version = "0.34.0";  // whose API this is
    const web::AlertmanagerApiServices api{clock, *notifier, metrics, alertmanager_build};
    web::add_alertmanager_api(*router, api);
    auto second = std::make_shared<net::Router>();
    second->wrap(web::instrument(web::Server::kAlertmanager, metrics, clock));
    web::PageServices own = pages;
    own.collector = nullptr;
    own.rules = nullptr;
    own.storage = nullptr;
    web::add_alertmanager_pages(*second, own);
    web::add_alertmanager_api(*second, api);
    metrics
        .gauge("alertmanager_build_info", "A metric with a constant '1' value labeled by version.",
               {"version"})
        .with({alertmanager_build.version})
        .set(1);
    alertmanager_handler.set(second);
  }
  handler.set(router);
}

void Daemon::Impl::stop() {
  if (std::exchange(stopped, true)) return;
  end_queries();
  if (server) server->stop();
  if (alertmanager_server) alertmanager_server->stop();
  if (collector) collector->stop();
  if (rules) rules->stop();
  forwarder.set_notifier(nullptr);
  if (notifier) notifier->stop();
  http.reset();
  notifier_http.reset();
  mail.reset();
  loop.stop();
  end_queries();
  for (base::ThreadPool* pool : {&http_pool, &write_pool, &rules_pool, &query_http_pool,
                                 &queries_pool, &ingest_pool, &notifier_pool, &blocking_pool}) {
    pool->stop();
  }
  if (db) db->stop();
}

Daemon::Daemon(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Daemon::~Daemon() { stop(); }

StatusOr<std::unique_ptr<Daemon>> Daemon::start(DaemonOptions options) {
  std::unique_ptr<Daemon> daemon(new Daemon(std::make_unique<Impl>(std::move(options))));
  Impl& impl = *daemon->impl_;
  if (impl.options.catch_signals) impl.catch_signals();
  impl.log_features();
  PrometheusConfig config;
  std::optional<notifier::NotifierConfig> alertmanager;
  RETURN_IF_ERROR(impl.load(&config, &alertmanager));
  RETURN_IF_ERROR(impl.listen());
  RETURN_IF_ERROR(impl.open_store(config));
  RETURN_IF_ERROR(impl.open_notifier());
  RETURN_IF_ERROR(impl.open_engine(config));
  RETURN_IF_ERROR(impl.apply(std::move(config), std::move(alertmanager)));
  impl.note_reload(true);
  impl.serve();
  base::log::info("Server is ready to receive web requests.");
  return daemon;
}

Status Daemon::reload() { return impl_->reload(); }

void Daemon::run_until_signal() {
  CHECK(impl_->wishes != nullptr);
  Wishes& wishes = *impl_->wishes;
  for (;;) {
    {
      base::MutexLock lock(wishes.mutex);
      while (!wishes.reload && !wishes.stop) wishes.changed.wait(wishes.mutex);
      if (wishes.stop) break;
      wishes.reload = false;
    }
    static_cast<void>(reload());  // logged and counted there
  }
  base::log::info("stopping");
  stop();
}

void Daemon::stop() { impl_->stop(); }

std::vector<std::string> Daemon::addresses() const { return impl_->server->addresses(); }

std::vector<std::string> Daemon::alertmanager_addresses() const {
  return impl_->alertmanager_server ? impl_->alertmanager_server->addresses()
                                    : std::vector<std::string>();
}

}  // namespace tocsin::app
