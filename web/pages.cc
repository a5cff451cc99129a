// SPDX-License-Identifier: Apache-2.0
#include "web/pages.h"

#include <memory>
#include <utility>

#include "base/escape.h"
#include "formats/text_writer.h"
#include "model/timestamp.h"
#include "model/value.h"
#include "web/api/targets_json.h"

namespace tocsin::web {

namespace {

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --bad: #d33; --warn: #c80; --good: #293; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
header { display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap; }
header span { opacity: .7; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; }
th, td { padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
code { font: 13px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
.cards { display: flex; gap: .8rem; flex-wrap: wrap; margin: 1rem 0; }
.card { background: var(--soft); border-radius: .5rem; padding: .6rem 1rem; min-width: 8rem; }
.card b { display: block; font-size: 1.4rem; }
.up, .ok, .inactive { color: var(--good); } .down, .err, .firing { color: var(--bad); font-weight: 600; }
.pending, .unknown { color: var(--warn); } .error { color: var(--bad); }
)";

net::HttpResponse html_page(std::string_view title, std::string_view body) {
  net::HttpResponse response;
  response.headers.set("Content-Type", "text/html; charset=utf-8");
  response.headers.set(
      "Content-Security-Policy",
      "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'");
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Cache-Control", "no-cache");
  response.body = fmt::format(
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>{}</title><style>{}</style></head><body>{}</body></"
      "html>\n",
      base::markup_escaped(title), kStyle, body);
  return response;
}

// Rounded for people: "60.5 KiB".
std::string size_text(std::uint64_t bytes) {
  static constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return fmt::format("{:.{}f} {}", value, unit == 0 ? 0 : 1, kUnits[unit]);
}

std::string card(std::string_view name, std::string_view value) {
  return fmt::format("<div class=\"card\"><b>{}</b>{}</div>", base::markup_escaped(value),
                     base::markup_escaped(name));
}

std::string ago(base::Timestamp now, base::Timestamp then) {
  if (then == model::kNoTime || base::to_ms(then) == 0) return "never";
  return fmt::format("{:.1f} s ago", base::to_seconds(now - then));
}

std::string targets_table(const PageServices& services) {
  const collector::TargetsSnapshot targets = services.collector->targets();
  std::string rows;
  const base::Timestamp now = services.clock.now();
  for (const collector::TargetStatus& target : targets.active) {
    const std::string_view health = health_text(target.health);
    rows += fmt::format(
        "<tr><td>{}</td><td><code>{}</code></td><td class=\"{}\">{}</td><td>{}</td><td>{:.0f} "
        "ms</td><td "
        "class=\"error\">{}</td></tr>",
        base::markup_escaped(target.job), base::markup_escaped(target.scrape_url), health, health,
        ago(now, target.last_scrape), static_cast<double>(target.last_duration.count()),
        base::markup_escaped(target.last_error));
  }
  return "<h2>Targets</h2><table><tr><th>Job</th><th>URL</th><th>Health</th><th>Last "
         "scrape</th><th>Took</th>"
         "<th>Error</th></tr>" +
         rows + "</table>";
}

std::string rule_alerts(const rules::RuleStatus& rule) {
  std::string out;
  for (const rules::ActiveAlert& alert : rule.alerts) {
    out += fmt::format("<div><code>{}</code> = {}</div>",
                       base::markup_escaped(alert.labels.to_string()),
                       model::format_float(alert.value));
  }
  return out;
}

std::string rules_table(const PageServices& services) {
  std::string rows;
  for (const rules::GroupStatus& group : services.rules->groups()) {
    for (const rules::RuleStatus& rule : group.rules) {
      const bool alerting = rule.options.kind == rules::RuleOptions::Kind::kAlerting;
      const std::string_view state =
          alerting ? rules::state_text(rule.state) : std::string_view(rule.health);
      rows += fmt::format(
          "<tr><td>{}</td><td>{}</td><td class=\"{}\">{}</td><td><code>{}</code>{}</td><td "
          "class=\"error\">{}</td></tr>",
          base::markup_escaped(group.name), base::markup_escaped(rule.options.name), state, state,
          base::markup_escaped(rule.query), rule_alerts(rule),
          base::markup_escaped(rule.last_error));
    }
  }
  return "<h2>Rules and "
         "alerts</h2><table><tr><th>Group</th><th>Rule</th><th>State</th><th>Expression</th>"
         "<th>Error</th></tr>" +
         rows + "</table>";
}

std::string notifier_table(const PageServices& services) {
  std::string rows;
  for (const notifier::GroupView& group : services.notifier->groups({})) {
    for (const notifier::AlertView& alert : group.alerts) {
      rows += fmt::format("<tr><td>{}</td><td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
                          base::markup_escaped(group.receiver), alert.state(),
                          base::markup_escaped(alert.alert.labels.to_string()),
                          base::markup_escaped(alert.alert.annotations.get("summary")));
    }
  }
  std::string out = "<h2>Alerts at the notifier</h2>";
  if (rows.empty()) return out + "<p>None.</p>";
  return out + "<table><tr><th>Receiver</th><th>State</th><th>Labels</th><th>Summary</th></tr>" +
         rows + "</table>";
}

std::string_view event_text(storage::EventKind kind) {
  switch (kind) {
    case storage::EventKind::kAlertPending:
      return "alert pending";
    case storage::EventKind::kAlertFiring:
      return "alert firing";
    case storage::EventKind::kAlertResolved:
      return "alert resolved";
    case storage::EventKind::kNotificationSent:
      return "notification sent";
    case storage::EventKind::kNotificationFailed:
      return "notification failed";
    case storage::EventKind::kSilenceCreated:
      return "silence created";
    case storage::EventKind::kSilenceExpired:
      return "silence expired";
    case storage::EventKind::kAlertSuppressed:
      return "alert suppressed";
  }
  return "";
}

std::string events_table(const PageServices& services) {
  constexpr std::size_t kShown = 30;
  StatusOr<std::vector<storage::Event>> events =
      services.events->recent(model::kMinTime, model::kMaxTime, kShown);
  if (!events.ok() || events->empty()) return "";
  std::string rows;
  for (const storage::Event& event : *events) {
    rows += fmt::format("<tr><td>{}</td><td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
                        model::format_rfc3339(event.time), event_text(event.kind),
                        base::markup_escaped(event.labels.to_string()),
                        base::markup_escaped(event.text));
  }
  return "<h2>What happened</h2><table><tr><th>Time "
         "(UTC)</th><th>Event</th><th>Labels</th><th></th></tr>" +
         rows + "</table>";
}

net::HttpResponse status_page(const PageServices& services, std::string_view name) {
  std::string body =
      fmt::format("<header><h1>{}</h1><span>version {} (speaks Prometheus {})</span></header>",
                  name, base::markup_escaped(services.build.tocsin_version),
                  base::markup_escaped(services.build.version));
  if (services.storage != nullptr) {
    const storage::StoreStats stats = services.storage->stats();
    body += "<div class=\"cards\">" + card("active series", std::to_string(stats.active_series)) +
            card("on disk", size_text(stats.bytes_on_disk)) +
            card("journal", size_text(stats.journal_bytes)) +
            card("runs", std::to_string(stats.runs)) + "</div>";
  }
  if (services.collector != nullptr) body += targets_table(services);
  if (services.rules != nullptr) body += rules_table(services);
  if (services.notifier != nullptr) body += notifier_table(services);
  if (services.events != nullptr) body += events_table(services);
  return html_page(name, body);
}

net::Handler fixed_text(int status, std::string text) {
  return [status, text](const net::HttpRequest&) { return net::HttpResponse::text(status, text); };
}

net::Handler reload_handler(const std::function<Status()>& reload) {
  return [reload](const net::HttpRequest&) {
    Status status = reload();
    if (status.ok()) return net::HttpResponse::text(200, "");
    return net::HttpResponse::text(500,
                                   fmt::format("failed to reload config: {}\n", message(status)));
  };
}

}  // namespace

void add_metrics_page(net::Router& router, base::Registry& registry) {
  router.add("GET", "/metrics", [&registry](const net::HttpRequest&) {
    std::vector<base::MetricFamily> families = registry.gather();
    base::collect_process_metrics(&families);
    net::HttpResponse response;
    response.headers.set("Content-Type", formats::kTextContentType);
    formats::write_text(families, &response.body);
    return response;
  });
}

void add_prometheus_pages(net::Router& router, const PageServices& services) {
  add_metrics_page(router, services.metrics);
  router.add("GET", "/",
             [services](const net::HttpRequest&) { return status_page(services, "Tocsin"); });
  router.add("GET", "/-/healthy", fixed_text(200, "Prometheus Server is Healthy.\n"));
  router.add("GET", "/-/ready", fixed_text(200, "Prometheus Server is Ready.\n"));
  router.add("POST,PUT", "/-/reload",
             services.enable_lifecycle ? reload_handler(services.reload)
                                       : fixed_text(403, "Lifecycle API is not enabled."));
}

void add_alertmanager_pages(net::Router& router, const PageServices& services) {
  add_metrics_page(router, services.metrics);
  router.add("GET", "/", [services](const net::HttpRequest&) {
    return status_page(services, "Tocsin Alertmanager");
  });
  router.add("GET", "/-/healthy", fixed_text(200, "OK"));
  router.add("GET", "/-/ready", fixed_text(200, "OK"));
  router.add("POST", "/-/reload", reload_handler(services.reload));
}

void add_starting_pages(net::Router& router, base::Registry& registry) {
  add_metrics_page(router, registry);
  router.add("GET", "/-/healthy", fixed_text(200, "Prometheus Server is Healthy.\n"));
  const net::Handler unavailable = [](const net::HttpRequest&) {
    net::HttpResponse response = net::HttpResponse::text(503, "Service Unavailable");
    response.headers.set("X-Prometheus-Stopping", "false");
    return response;
  };
  router.add("GET", "/-/ready", unavailable);
  router.add("GET", "/", unavailable);
  router.add("GET,POST,PUT,DELETE", "/{rest...}", unavailable);
}

}  // namespace tocsin::web
