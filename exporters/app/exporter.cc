// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/exporter.h"

#include "base/escape.h"
#include "base/log.h"
#include "exporters/app/fields.h"
#include "exporters/app/probe_handler.h"
#include "exporters/common/families.h"
#include "exporters/common/metrics_handler.h"
#include "exporters/common/page.h"
#include "exporters/common/version.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::string_view kTimeoutHeader = "X-Prometheus-Scrape-Timeout-Seconds";
constexpr base::Duration kDefaultBudget{10'000};

}  // namespace

AppExporter::AppExporter(Options options, InputServices services, base::Executor& collectors)
    : options_(std::move(options)),
      services_(services),
      inputs_({collectors, services.clock, services.timers}) {
  add_routes();
}

AppExporter::~AppExporter() { stop(); }

StatusOr<std::unique_ptr<AppExporter>> AppExporter::open(Options options, InputServices services,
                                                         base::Executor& collectors) {
  ASSIGN_OR_RETURN(AppConfig config, AppConfig::load(options.config_file, options.kinds, services));
  std::unique_ptr<AppExporter> exporter(new AppExporter(std::move(options), services, collectors));
  exporter->take(std::move(config));
  return exporter;
}

void AppExporter::take(AppConfig config) {
  auto active = std::make_shared<const Active>(Active{config.probes, config.root});
  inputs_.apply(std::move(config.inputs), std::move(config.labels));
  // Whoever reaches this port then reaches everything that this machine can.
  if (!active->probes->allowed) {
    base::log::warn("probe_targets_allow is not configured, /probe asks every target");
  }
  base::MutexLock lock(mutex_);
  active_ = std::move(active);
  reload_ok_ = true;
  loaded_at_ = services_.clock.now();
}

Status AppExporter::reload() {
  {
    base::MutexLock lock(mutex_);
    while (reloading_) turn_.wait(mutex_);
    if (stopped_) return cancelled("the exporter stops");
    reloading_ = true;
  }
  StatusOr<AppConfig> config = AppConfig::load(options_.config_file, options_.kinds, services_);
  const Status status = config.status();
  if (config.ok()) {
    take(*std::move(config));
    base::log::info("loaded the configuration", {{"file", options_.config_file}});
  } else {
    base::log::error("cannot reload the configuration, the old one stays",
                     {{"error", message(status)}});
  }
  base::MutexLock lock(mutex_);
  reload_ok_ = status.ok();
  reloading_ = false;
  turn_.notify_all();
  return status;
}

void AppExporter::stop() {
  {
    base::MutexLock lock(mutex_);
    while (reloading_) turn_.wait(mutex_);
    if (std::exchange(stopped_, true)) return;
  }
  inputs_.stop();
}

void AppExporter::add_routes() {
  const auto get = [this](std::string_view path, net::Handler handler) {
    router_.add("GET", path, std::move(handler));
  };
  get(options_.telemetry_path, [this](const net::HttpRequest& r) { return serve_metrics(r); });
  get("/probe", [this](const net::HttpRequest& r) { return serve_probe(r); });
  get("/config", [this](const net::HttpRequest&) { return serve_config(); });
  get("/-/healthy",
      [](const net::HttpRequest&) { return net::HttpResponse::text(200, "Healthy"); });
  get("/logs", [](const net::HttpRequest&) {
    return net::HttpResponse::text(501, "not supported yet: /logs, use /probe with debug=true\n");
  });
  if (options_.telemetry_path != "/") {
    get("/", [this](const net::HttpRequest&) { return serve_landing_page(); });
  }
  router_.add("POST,PUT", "/-/reload", [this](const net::HttpRequest&) { return serve_reload(); });
  get("/-/reload", [](const net::HttpRequest&) {
    return net::HttpResponse::text(405, "This endpoint requires a POST request.\n");
  });
  for (const InputKind& kind : options_.kinds) {
    if (kind.route.empty()) continue;
    router_.add("GET,POST,PUT,DELETE", fmt::format("/{}/{{rest...}}", kind.route),
                [this, route = kind.route](const net::HttpRequest& request) {
                  return inputs_.serve(route, request);
                });
  }
}

net::HttpResponse AppExporter::serve(const net::HttpRequest& request) const {
  return router_.route(request);
}

void AppExporter::append_own(std::vector<base::MetricFamily>* out) const {
  bool is_good = false;
  double loaded_at = 0;
  {
    base::MutexLock lock(mutex_);
    is_good = reload_ok_;
    loaded_at = base::to_seconds(loaded_at_);
  }
  Families families(out);
  // The names of blackbox_exporter are for the alerts that its users have.
  for (const std::string_view program : {"app_exporter", "blackbox_exporter"}) {
    families.gauge(fmt::format("{}_config_last_reload_successful", program),
                   "Whether the last reload of the configuration succeeded.", {},
                   is_good ? 1.0 : 0.0);
    families.gauge(fmt::format("{}_config_last_reload_success_timestamp_seconds", program),
                   "When the configuration that counts was loaded.", {}, loaded_at);
  }
  families.counter("blackbox_module_unknown_total", "Probes of modules that do not exist.", {},
                   static_cast<double>(unknown_modules_.load()));
  out->push_back(build_info("app_exporter"));
}

net::HttpResponse AppExporter::serve_metrics(const net::HttpRequest& request) {
  struct Count {
    std::atomic<std::size_t>& pages;
    ~Count() { pages.fetch_sub(1); }
  };
  const std::size_t before = pages_.fetch_add(1);
  const Count count{pages_};
  if (options_.max_requests != 0 && before >= options_.max_requests) {
    return net::HttpResponse::text(
        503, fmt::format("Limit of concurrent requests reached ({}), try again later.\n",
                         options_.max_requests));
  }
  std::vector<base::MetricFamily> families =
      inputs_.collect(scrape_budget(request.headers.get(kTimeoutHeader), kDefaultBudget));
  append_own(&families);
  if (options_.exporter_metrics) base::collect_process_metrics(&families);
  const std::size_t dropped = tidy_families(&families);
  if (dropped != 0) base::log::debug("dropped samples that came twice", {{"count", dropped}});
  return page_response(families, choose_format(request.headers.get("Accept")));
}

std::shared_ptr<const AppExporter::Active> AppExporter::active() const {
  base::MutexLock lock(mutex_);
  return active_;
}

net::HttpResponse AppExporter::serve_probe(const net::HttpRequest& request) {
  const std::shared_ptr<const Active> now = active();
  ProbeAnswer answer =
      app::serve_probe(request, *now->probes, {services_.clock, services_.files, services_.lookup},
                       options_.timeout_offset);
  if (answer.is_unknown_module) unknown_modules_.fetch_add(1);
  return std::move(answer.response);
}

net::HttpResponse AppExporter::serve_config() const {
  return net::HttpResponse::text(200, print_masked(active()->root));
}

net::HttpResponse AppExporter::serve_reload() {
  const Status status = reload();
  if (status.ok()) return net::HttpResponse::text(200, "");
  return net::HttpResponse::text(500,
                                 fmt::format("failed to reload config: {}\n", message(status)));
}

net::HttpResponse AppExporter::serve_landing_page() const {
  net::HttpResponse response;
  response.headers.set("Content-Type", "text/html; charset=UTF-8");
  response.body = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"UTF-8\">\n"
      "<title>App Exporter</title>\n</head>\n<body>\n<h1>App Exporter</h1>\n"
      "<p>Tocsin's App Exporter, version {}</p>\n<ul>\n<li><a href=\"{}\">Metrics</a></li>\n"
      "<li><a href=\"/config\">Configuration</a></li>\n</ul>\n</body>\n</html>\n",
      version(), base::markup_escaped(options_.telemetry_path));
  return response;
}

}  // namespace tocsin::exporters::app
