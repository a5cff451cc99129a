// SPDX-License-Identifier: Apache-2.0
#include "app/daemon/flags.h"

#include <CLI/CLI.hpp>

#include "model/timestamp.h"
#include "web/build_info.h"

namespace tocsin::app {

namespace {

// Flags of upstream that are known and not built yet.
constexpr std::string_view kNotYet[] = {"--config.auto-reload",
                                        "--config.auto-reload-interval",
                                        "--web.config.file",
                                        "--web.read-timeout",
                                        "--web.route-prefix",
                                        "--web.user-assets",
                                        "--web.enable-otlp-receiver",
                                        "--web.console.templates",
                                        "--web.console.libraries",
                                        "--web.page-title",
                                        "--web.cors.origin",
                                        "--storage.tsdb.no-lockfile",
                                        "--storage.agent.path",
                                        "--agent",
                                        "--alertmanager.notification-queue-capacity",
                                        "--cluster.listen-address",
                                        "--cluster.peer",
                                        "--alertmanager.web.config.file",
                                        "--alertmanager.web.route-prefix"};

constexpr std::string_view kAbout =
    "Tocsin collects metrics, stores them, answers PromQL, evaluates alerting rules and notifies "
    "people.\n"
    "It reads prometheus.yml, rule files and alertmanager.yml and serves the APIs of Prometheus "
    "and, when an\n"
    "alertmanager configuration is given, of Alertmanager.\n\n"
    "  tocsin --config.file=prometheus.yml --storage.tsdb.path=data/ "
    "--alertmanager.config.file=alertmanager.yml\n\n"
    "SIGHUP or POST /-/reload (with --web.enable-lifecycle) reads the configuration again.";

// Texts of the flags that need more than CLI11's own conversion.
struct Texts {
  std::string retention, retention_size, retention_min_free;
  std::string reserve = "128MB";
  std::string lookback = "5m", timeout = "2m";
  std::string query_memory, query_memory_each;
  std::string outage_tolerance = "1h", grace_period = "10m", resend_delay = "1m";
  std::string notifier_retention = "120h", maintenance_interval = "15m", gc_interval = "30m";
  std::string log_level = "info", log_format = "logfmt";
  std::vector<std::string> write_messages{"prometheus.WriteRequest"};
  std::vector<std::string> features;
};

void add_storage_flags(CLI::App& cli, DaemonOptions& options, Texts& texts) {
  cli.add_option("--storage.tsdb.path", options.storage_path, "Base path for metrics storage.")
      ->capture_default_str();
  cli.add_option("--storage.tsdb.retention.time", texts.retention,
                 "How long to retain samples (15d unless a size or percentage is given); "
                 "storage.tsdb.retention.time of the configuration wins. 0: no limit.");
  cli.add_option(
         "--storage.tsdb.retention.size", texts.retention_size,
         "How many bytes of samples to keep, with a unit (B, KB, MB, GB, TB, PB, EB; powers "
         "of 1024): the oldest go first; storage.tsdb.retention.size of the configuration "
         "wins. 0: no limit.")
      ->default_str("0");
  cli.add_option("--storage.tsdb.retention.min-free", texts.retention_min_free,
                 "Drop the oldest samples when less than this is free on the disk, with a unit. 0: "
                 "never.")
      ->default_str("0");
  cli.add_option("--storage.tsdb.reserve", texts.reserve,
                 "Free disk space that ingestion leaves alone, with a unit: below it samples are "
                 "refused until there is space again.")
      ->capture_default_str();
  cli.add_option("--storage.tsdb.max-active-series", options.max_active_series,
                 "Series in memory above which samples of new ones are refused.")
      ->capture_default_str();
  cli.add_option("--storage.tsdb.max-new-series-per-minute", options.max_new_series_per_minute,
                 "New series in a minute above which samples of more are refused until the next. "
                 "0: no limit.")
      ->capture_default_str();
}

void add_write_flags(CLI::App& cli, DaemonOptions& options, Texts& texts) {
  cli.add_flag("--web.enable-remote-write-receiver,!--no-web.enable-remote-write-receiver",
               options.remote_write.enabled,
               "Enable API endpoint accepting remote write requests.");
  cli.add_option("--web.remote-write-receiver.accepted-protobuf-messages", texts.write_messages,
                 "Remote write protobuf messages to accept: prometheus.WriteRequest, "
                 "io.prometheus.write.v2.Request. May be repeated.")
      ->take_all()
      ->default_str(texts.write_messages.front());
}

void add_feature_flag(CLI::App& cli, Texts& texts) {
  cli.add_option("--enable-feature", texts.features,
                 "Comma separated names of experimental features: exemplar-storage, "
                 "created-timestamp-zero-ingestion, st-storage, extra-scrape-metrics, "
                 "promql-experimental-functions, promql-extended-range-selectors, "
                 "promql-binop-fill-modifiers, promql-delayed-name-removal, promql-per-step-stats, "
                 "use-start-timestamps. "
                 "May be repeated.")
      ->take_all();
}

void add_server_flags(CLI::App& cli, DaemonOptions& options, Texts& texts) {
  cli.add_option("--config.file", options.config_file, "Prometheus configuration file path.")
      ->capture_default_str();
  cli.add_option("--web.listen-address", options.listen_addresses,
                 "Address to listen on for UI, API and metrics. May be repeated; port 0 takes any "
                 "free port.")
      ->take_all()
      ->default_str(options.listen_addresses.front());
  cli.add_option(
      "--web.external-url", options.external_url,
      "The URL under which this server is reachable from outside, used in links of alerts.");
  cli.add_flag("--web.enable-lifecycle,!--no-web.enable-lifecycle", options.enable_lifecycle,
               "Enable reload via HTTP request.");
  cli.add_flag("--web.enable-admin-api,!--no-web.enable-admin-api", options.enable_admin_api,
               "Enable API endpoints for admin control actions: deleting series, cleaning "
               "tombstones, snapshots, ending queries.");
  cli.add_option("--web.max-connections", options.max_connections,
                 "Maximum number of simultaneous connections.")
      ->capture_default_str();
  add_write_flags(cli, options, texts);
  add_storage_flags(cli, options, texts);
  cli.add_option("--query.lookback-delta", texts.lookback,
                 "The maximum duration for looking back at samples during expression evaluations.")
      ->capture_default_str();
  cli.add_option("--query.timeout", texts.timeout,
                 "Maximum time a query may take before being aborted.")
      ->capture_default_str();
  cli.add_option("--query.max-concurrency", options.max_concurrency,
                 "Maximum number of queries executed concurrently.")
      ->capture_default_str();
  cli.add_option(
         "--query.max-samples", options.max_samples,
         "Maximum number of samples a single query can load into memory. A native histogram "
         "counts by its size, 16 bytes being one sample.")
      ->capture_default_str();
  cli.add_option(
      "--query.max-memory", texts.query_memory,
      "How much memory all queries together may hold, results on their way to clients "
      "included, with a unit. Half of the machine's memory when not given. 0: no limit.");
  cli.add_option("--query.max-memory-per-query", texts.query_memory_each,
                 "How much memory one query may hold, with a unit. 0: no limit of its own.")
      ->default_str("0");
  cli.add_option("--rules.alert.for-outage-tolerance", texts.outage_tolerance,
                 "Max time to tolerate an outage for restoring the \"for\" state of an alert.")
      ->capture_default_str();
  cli.add_option("--rules.alert.for-grace-period", texts.grace_period,
                 "Minimum duration between an alert and its restored \"for\" state.")
      ->capture_default_str();
  cli.add_option("--rules.alert.resend-delay", texts.resend_delay,
                 "Minimum time to wait before resending an alert to the notifier.")
      ->capture_default_str();
  cli.add_option("--rules.max-concurrent-evals", options.rule_workers,
                 "Rule groups evaluated at the same time.")
      ->capture_default_str();
  cli.add_option("--log.level", texts.log_level,
                 "Only log messages with the given severity or above: debug, info, warn, error.")
      ->capture_default_str();
  cli.add_option("--log.format", texts.log_format, "Output format of log messages: logfmt, json.")
      ->capture_default_str();
}

void add_notifier_flags(CLI::App& cli, DaemonOptions& options, Texts& texts) {
  const auto group = [](CLI::Option* option) { option->group("Notifier"); };
  group(cli.add_option(
      "--alertmanager.config.file", options.alertmanager_config_file,
      "Alertmanager configuration file; turns the built-in notifier and its API on."));
  group(cli.add_option("--alertmanager.web.listen-address", options.alertmanager_listen_addresses,
                       "Address of the Alertmanager API. May be repeated.")
            ->take_all()
            ->default_str(options.alertmanager_listen_addresses.front()));
  group(cli.add_option("--alertmanager.web.external-url", options.alertmanager_external_url,
                       "The URL under which the Alertmanager API is reachable from outside."));
  group(cli.add_option("--alertmanager.storage.path", options.notifier.directory,
                       "Directory of silences and the notification log.")
            ->capture_default_str());
  group(cli.add_option("--alertmanager.data.retention", texts.notifier_retention,
                       "How long to keep ended silences and notifications (Go duration).")
            ->capture_default_str());
  group(cli.add_option("--alertmanager.data.maintenance-interval", texts.maintenance_interval,
                       "Interval between compactions of the notifier's logs (Go duration).")
            ->capture_default_str());
  group(cli.add_option("--alertmanager.alerts.gc-interval", texts.gc_interval,
                       "Interval between removals of resolved alerts (Go duration).")
            ->capture_default_str());
  group(cli.add_option("--alertmanager.silences.max-silences", options.notifier.max_silences,
                       "Maximum number of silences, ended ones included; 0 means no limit.")
            ->capture_default_str());
  group(cli.add_option("--alertmanager.silences.max-silence-size-bytes",
                       options.notifier.max_silence_bytes,
                       "Maximum size of one silence in bytes; 0 means no limit.")
            ->capture_default_str());
}

using Parse = StatusOr<base::Duration> (*)(std::string_view);

Status convert(std::string_view flag, const std::string& text, Parse parse, base::Duration* out) {
  StatusOr<base::Duration> duration = parse(text);
  if (!duration.ok()) return annotate(duration.status(), "--{}", flag);
  *out = *duration;
  return ok();
}

Status accept_messages(const std::vector<std::string>& names, web::RemoteWriteOptions* options) {
  options->accepts_v1 = options->accepts_v2 = false;
  for (const std::string& name : names) {
    if (name == "prometheus.WriteRequest") {
      options->accepts_v1 = true;
    } else if (name == "io.prometheus.write.v2.Request") {
      options->accepts_v2 = true;
    } else {
      return invalid_argument(
          "unknown type for remote write protobuf message {}, supported: prometheus.WriteRequest, "
          "io.prometheus.write.v2.Request",
          name);
    }
  }
  return ok();
}

Status convert_size(std::string_view flag, const std::string& text, std::uint64_t* out) {
  if (text.empty() || text == "0") {
    *out = 0;
    return ok();
  }
  StatusOr<std::uint64_t> size = model::parse_size(text);
  if (!size.ok()) return annotate(size.status(), "--{}", flag);
  *out = *size;
  return ok();
}

Status finish(const Texts& texts, DaemonOptions* options) {
  RETURN_IF_ERROR(accept_messages(texts.write_messages, &options->remote_write));
  ASSIGN_OR_RETURN(options->features, parse_features(texts.features));
  options->remote_write.store_starts = options->features.store_starts;
  options->remote_write.zero_starts = options->features.zero_starts;
  options->remote_write.type_and_unit = options->features.type_and_unit_labels;
  const Parse prometheus = model::parse_duration;
  const Parse go = model::parse_go_duration;
  if (!texts.retention.empty()) {
    options->retention.emplace();
    RETURN_IF_ERROR(
        convert("storage.tsdb.retention.time", texts.retention, prometheus, &*options->retention));
  }
  RETURN_IF_ERROR(
      convert_size("storage.tsdb.retention.size", texts.retention_size, &options->retention_bytes));
  RETURN_IF_ERROR(convert_size("storage.tsdb.retention.min-free", texts.retention_min_free,
                               &options->retention_min_free));
  RETURN_IF_ERROR(convert_size("storage.tsdb.reserve", texts.reserve, &options->reserve_bytes));
  if (!texts.query_memory.empty()) {
    options->query_memory.emplace();
    RETURN_IF_ERROR(convert_size("query.max-memory", texts.query_memory, &*options->query_memory));
  }
  RETURN_IF_ERROR(convert_size("query.max-memory-per-query", texts.query_memory_each,
                               &options->query_memory_each));
  rules::AlertTiming& timing = options->alert_timing;
  RETURN_IF_ERROR(convert("query.lookback-delta", texts.lookback, prometheus, &options->lookback));
  RETURN_IF_ERROR(convert("query.timeout", texts.timeout, prometheus, &options->query_timeout));
  RETURN_IF_ERROR(convert("rules.alert.for-outage-tolerance", texts.outage_tolerance, prometheus,
                          &timing.outage_tolerance));
  RETURN_IF_ERROR(convert("rules.alert.for-grace-period", texts.grace_period, prometheus,
                          &timing.grace_period));
  RETURN_IF_ERROR(
      convert("rules.alert.resend-delay", texts.resend_delay, prometheus, &timing.resend_delay));
  notifier::NotifierOptions& notifier = options->notifier;
  RETURN_IF_ERROR(
      convert("alertmanager.data.retention", texts.notifier_retention, go, &notifier.retention));
  RETURN_IF_ERROR(convert("alertmanager.data.maintenance-interval", texts.maintenance_interval, go,
                          &notifier.maintenance_interval));
  RETURN_IF_ERROR(convert("alertmanager.alerts.gc-interval", texts.gc_interval, go,
                          &notifier.alert_gc_interval));
  ASSIGN_OR_RETURN(options->log.level, base::log::parse_level(texts.log_level));
  ASSIGN_OR_RETURN(options->log.format, base::log::parse_format(texts.log_format));
  if (options->rule_workers == 0 || options->max_concurrency == 0 ||
      options->max_connections == 0) {
    return invalid_argument(
        "--rules.max-concurrent-evals, --query.max-concurrency and --web.max-connections must be "
        "at least 1");
  }
  return ok();
}

std::map<std::string, std::string> shown_flags(const CLI::App& cli) {
  std::map<std::string, std::string> shown;
  for (const CLI::Option* option : cli.get_options()) {
    const std::string name = option->get_single_name();
    if (name == "help" || name == "version") continue;
    std::string value = option->get_default_str();
    if (option->count() > 0)
      value = option->get_expected_min() == 0 ? "true" : CLI::detail::join(option->results(), ",");
    if (option->count() == 0 && option->get_expected_min() == 0) value = "false";
    shown.emplace(name, value);
  }
  return shown;
}

}  // namespace

StatusOr<ParsedFlags> parse_flags(std::vector<std::string> arguments) {
  for (const std::string& argument : arguments) {
    const std::string name = argument.substr(0, argument.find('='));
    for (std::string_view flag : kNotYet) {
      if (name == flag) return unimplemented("not supported yet: {}", flag);
    }
  }
  ParsedFlags parsed;
  Texts texts;
  parsed.options.notifier.directory = "data/alertmanager";
  CLI::App cli{std::string(kAbout), "tocsin"};
  cli.get_formatter()->column_width(50);
  cli.set_help_flag("-h,--help", "Show this text.");
  const web::BuildInfo build;
  cli.set_version_flag("--version", fmt::format("tocsin, version {} (speaks Prometheus {})",
                                                build.tocsin_version, build.version));
  add_server_flags(cli, parsed.options, texts);
  add_feature_flag(cli, texts);
  add_notifier_flags(cli, parsed.options, texts);
  try {
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    cli.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    parsed.print = cli.help();
    return parsed;
  } catch (const CLI::CallForVersion& version) {
    parsed.print = std::string(version.what()) + "\n";
    return parsed;
  } catch (const CLI::Error& error) {
    return invalid_argument("{}; `tocsin --help` lists the flags", error.what());
  }
  RETURN_IF_ERROR(finish(texts, &parsed.options));
  parsed.options.flags = shown_flags(cli);
  return parsed;
}

}  // namespace tocsin::app
