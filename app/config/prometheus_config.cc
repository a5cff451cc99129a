// SPDX-License-Identifier: Apache-2.0
#include "app/config/prometheus_config.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <utility>

#include "app/config/fields.h"
#include "app/config/rule_file.h"
#include "base/yaml.h"
#include "discovery/target_file.h"
#include "model/timestamp.h"

namespace tocsin::app {

namespace {

constexpr std::uint64_t kMaxConfigBytes = 64ULL << 20;

// Every discovery of upstream that is not built yet.
constexpr std::string_view kOtherDiscoveries[] = {
    "kubernetes_sd_configs",   "http_sd_configs",      "ec2_sd_configs",      "consul_sd_configs",
    "dns_sd_configs",          "docker_sd_configs",    "azure_sd_configs",    "gce_sd_configs",
    "dockerswarm_sd_configs",  "openstack_sd_configs", "nomad_sd_configs",    "hetzner_sd_configs",
    "digitalocean_sd_configs", "ecs_sd_configs",       "aws_sd_configs",      "puppetdb_sd_configs",
    "linode_sd_configs",       "eureka_sd_configs",    "scaleway_sd_configs", "marathon_sd_configs",
    "serverset_sd_configs",    "nerve_sd_configs",     "rds_sd_configs",      "msk_sd_configs",
    "elasticache_sd_configs",  "lightsail_sd_configs", "ovhcloud_sd_configs", "vultr_sd_configs",
    "ionos_sd_configs",        "oci_sd_configs",       "uyuni_sd_configs",    "kuma_sd_configs",
    "triton_sd_configs",       "stackit_sd_configs",   "outscale_sd_configs"};

struct GlobalOptions {
  base::Duration scrape_interval{60'000};
  base::Duration scrape_timeout{10'000};
  bool has_scrape_timeout = false;
  base::Duration evaluation_interval{60'000};
  base::Duration rule_query_offset{0};
  std::vector<formats::ScrapeProtocol> protocols;
  collector::ScrapeLimits limits;
  bool extra_metrics = false;
  formats::HistogramOptions histograms;
  bool convert_classic = false;
  model::Labels external_labels;
  std::string query_log_file;
};

// Replaces $var and ${var} by environment variables ("" when unset); "$$" is "$".
std::string expand_environment(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    if (text[i + 1] == '$') {
      out += text[++i];
      continue;
    }
    const bool braces = text[i + 1] == '{';
    std::size_t begin = i + (braces ? 2 : 1);
    std::size_t end = begin;
    while (end < text.size() &&
           (text[end] == '_' || (text[end] >= 'a' && text[end] <= 'z') ||
            (text[end] >= 'A' && text[end] <= 'Z') || (text[end] >= '0' && text[end] <= '9'))) {
      ++end;
    }
    const std::string name(text.substr(begin, end - begin));
    // Read while the configuration is loaded, when no other thread changes the environment.
    const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): see above
    if (value != nullptr) out += value;
    i = braces && end < text.size() && text[end] == '}' ? end : end - 1;
  }
  return out;
}

void read_limits(base::YamlMapping& mapping, collector::ScrapeLimits* limits) {
  const auto inherit = [&mapping](std::string_view key, std::uint64_t* out) {
    std::uint64_t value = 0;
    read_count(mapping, key, &value);
    if (value != 0) *out = value;  // 0 in a job means the global limit
  };
  std::uint64_t body = 0;
  read_size(mapping, "body_size_limit", &body);
  if (body != 0) limits->body_bytes = body;
  inherit("sample_limit", &limits->samples);
  inherit("target_limit", &limits->targets);
  inherit("label_limit", &limits->labels);
  inherit("label_name_length_limit", &limits->label_name_bytes);
  inherit("label_value_length_limit", &limits->label_value_bytes);
  inherit("keep_dropped_targets", &limits->kept_dropped_targets);
}

void read_protocols(base::YamlMapping& mapping, std::vector<formats::ScrapeProtocol>* out) {
  std::vector<std::string> names;
  mapping.string_list("scrape_protocols", &names);
  std::vector<formats::ScrapeProtocol> protocols;
  for (const std::string& name : names) {
    StatusOr<formats::ScrapeProtocol> protocol = formats::parse_scrape_protocol(name);
    if (!protocol.ok()) return mapping.fail("scrape_protocols", message(protocol.status()));
    if (std::find(protocols.begin(), protocols.end(), *protocol) != protocols.end()) {
      return mapping.fail("scrape_protocols",
                          fmt::format("duplicated protocol in scrape_protocols, got {}", name));
    }
    protocols.push_back(*protocol);
  }
  if (!protocols.empty()) *out = std::move(protocols);
}

void read_fallback_protocol(base::YamlMapping& mapping, collector::ScrapeOptions* job) {
  std::string name;
  mapping.string("fallback_scrape_protocol", &name);
  if (name.empty()) return;
  StatusOr<formats::ScrapeProtocol> protocol = formats::parse_scrape_protocol(name);
  if (!protocol.ok()) return mapping.fail("fallback_scrape_protocol", message(protocol.status()));
  job->fallback_protocol = *protocol;
}

// Keys of global and scrape_configs alike. `histograms` holds their values so far; the others are
// only accepted with their default meaning.
void read_shared_switches(base::YamlMapping& mapping, formats::HistogramOptions* histograms,
                          bool* convert_classic) {
  mapping.boolean("scrape_native_histograms", &histograms->native);
  mapping.boolean("always_scrape_classic_histograms", &histograms->classic_too);
  mapping.boolean("convert_classic_histograms_to_nhcb", convert_classic);
  std::string scheme = "utf8";
  mapping.string("metric_name_validation_scheme", &scheme);
  if (scheme == "legacy") {
    mapping.fail("metric_name_validation_scheme",
                 "not supported yet: metric_name_validation_scheme legacy");
  } else if (scheme != "utf8") {
    mapping.fail("metric_name_validation_scheme",
                 fmt::format("unknown metric name validation scheme {:?}", scheme));
  }
  std::string escaping = "allow-utf-8";
  mapping.string("metric_name_escaping_scheme", &escaping);
  if (escaping != "allow-utf-8" && !escaping.empty()) {
    mapping.fail("metric_name_escaping_scheme",
                 "not supported yet: metric_name_escaping_scheme other than allow-utf-8");
  }
  mapping.unsupported({"scrape_failure_log_file"});
}

Status read_global(const base::YamlNode& node, GlobalOptions* global) {
  base::YamlMapping mapping(node);
  read_duration(mapping, "scrape_interval", &global->scrape_interval);
  global->has_scrape_timeout = mapping.has("scrape_timeout");
  read_duration(mapping, "scrape_timeout", &global->scrape_timeout);
  read_duration(mapping, "evaluation_interval", &global->evaluation_interval);
  read_duration(mapping, "rule_query_offset", &global->rule_query_offset);
  if (global->scrape_interval.count() == 0) global->scrape_interval = base::Duration(60'000);
  if (global->evaluation_interval.count() == 0)
    global->evaluation_interval = base::Duration(60'000);
  if (!global->has_scrape_timeout) {
    global->scrape_timeout = std::min(global->scrape_timeout, global->scrape_interval);
  }
  if (global->scrape_timeout > global->scrape_interval) {
    mapping.fail("scrape_timeout", "global scrape timeout greater than scrape interval");
  }
  read_protocols(mapping, &global->protocols);
  read_limits(mapping, &global->limits);
  read_shared_switches(mapping, &global->histograms, &global->convert_classic);
  mapping.boolean("extra_scrape_metrics", &global->extra_metrics);
  model::Labels labels;
  read_labels(mapping, "external_labels", &labels);
  model::LabelsBuilder expanded;
  for (const model::LabelView& label : labels)
    expanded.set(label.name, expand_environment(label.value));
  global->external_labels = expanded.build();
  mapping.string("query_log_file", &global->query_log_file);
  return mapping.finish();
}

StatusOr<discovery::FileOptions> read_file_discovery(const base::YamlNode& node,
                                                     std::string_view directory) {
  discovery::FileOptions options;
  std::vector<std::string> patterns;
  base::YamlMapping mapping(node);
  mapping.string_list("files", &patterns, base::YamlMapping::kRequired);
  read_duration(mapping, "refresh_interval", &options.refresh_interval);
  if (patterns.empty())
    mapping.fail("files", "file service discovery config must contain at least one path name");
  for (const std::string& pattern : patterns) {
    const std::size_t star = pattern.find('*');
    const bool last_part =
        star == std::string::npos || (pattern.find('/', star) == std::string::npos &&
                                      pattern.find('*', star + 1) == std::string::npos);
    const bool extension =
        pattern.ends_with(".json") || pattern.ends_with(".yml") || pattern.ends_with(".yaml");
    if (!last_part || !extension) {
      mapping.fail("files", fmt::format("path name {:?} is not valid for file discovery", pattern));
    }
    options.patterns.push_back(base::join_path(directory, pattern));
  }
  RETURN_IF_ERROR(mapping.finish());
  return options;
}

void read_sources(base::YamlMapping& mapping, std::string_view directory,
                  collector::ScrapeOptions* job) {
  discovery::StaticOptions fixed;
  mapping.each("static_configs", [&fixed](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(discovery::TargetGroup group, discovery::parse_target_group(item));
    group.source = std::to_string(fixed.groups.size());
    fixed.groups.push_back(std::move(group));
    return ok();
  });
  if (!fixed.groups.empty()) job->sources.emplace_back(std::move(fixed));
  const std::string dir(directory);
  mapping.each("file_sd_configs", [&](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(discovery::FileOptions options, read_file_discovery(item, dir));
    job->sources.emplace_back(std::move(options));
    return ok();
  });
  for (std::string_view key : kOtherDiscoveries) mapping.unsupported({key});
}

// A target with a path in it is a mistake unless relabelling takes it apart.
void check_static_targets(base::YamlMapping& mapping, const collector::ScrapeOptions& job) {
  if (!job.relabel.empty()) return;
  for (const discovery::SourceOptions& source : job.sources) {
    const auto* fixed = std::get_if<discovery::StaticOptions>(&source);
    if (fixed == nullptr) continue;
    for (const discovery::TargetGroup& group : fixed->groups) {
      for (const model::Labels& target : group.targets) {
        const std::string_view address = target.get("__address__");
        if (address.find('/') != std::string_view::npos) {
          mapping.fail("static_configs", fmt::format("{:?} is not a valid hostname", address));
        }
      }
    }
  }
}

void read_times(base::YamlMapping& mapping, const GlobalOptions& global,
                collector::ScrapeOptions* job) {
  base::Duration interval{0}, timeout{0};
  read_duration(mapping, "scrape_interval", &interval);
  read_duration(mapping, "scrape_timeout", &timeout);
  job->interval = interval.count() != 0 ? interval : global.scrape_interval;
  job->timeout = timeout.count() != 0 ? timeout : std::min(global.scrape_timeout, job->interval);
  if (job->timeout > job->interval) {
    mapping.fail(
        "scrape_timeout",
        fmt::format("scrape timeout greater than scrape interval for scrape config with job "
                    "name {:?}",
                    job->job));
  }
}

void read_params(base::YamlMapping& mapping, collector::ScrapeOptions* job) {
  mapping.with("params", [job](const base::YamlNode& params) -> Status {
    for (const auto& [name, values] : params.entries()) {
      ASSIGN_OR_RETURN(std::vector<std::string> list, values.as_string_list());
      job->params.emplace_back(name, std::move(list));
    }
    return ok();
  });
}

// The finest schema whose buckets grow by `factor` at least; 0 sets no limit.
std::int32_t finest_schema(double factor) {
  if (!(factor > 1)) return model::kMaxExponentialSchema;
  const double schema = std::floor(-std::log2(std::log2(factor)));
  return static_cast<std::int32_t>(
      std::clamp<double>(schema, model::kMinExponentialSchema, model::kMaxExponentialSchema));
}

StatusOr<collector::ScrapeOptions> read_job(const base::YamlNode& node, const GlobalOptions& global,
                                            std::string_view directory) {
  collector::ScrapeOptions job;
  job.limits = global.limits;
  job.protocols = global.protocols;
  job.extra_metrics = global.extra_metrics;
  job.histograms = global.histograms;
  job.convert_classic = global.convert_classic;
  base::YamlMapping mapping(node);
  mapping.string("job_name", &job.job);
  if (job.job.empty()) mapping.fail("job_name", "job_name is empty");
  read_times(mapping, global, &job);
  mapping.string("metrics_path", &job.metrics_path);
  mapping.string("scheme", &job.scheme);
  if (job.scheme != "http" && job.scheme != "https")
    mapping.fail("scheme", "scheme must be http or https");
  read_params(mapping, &job);
  mapping.boolean("honor_labels", &job.honor_labels);
  mapping.boolean("honor_timestamps", &job.honor_timestamps);
  mapping.boolean("track_timestamps_staleness", &job.track_timestamps_staleness);
  mapping.boolean("enable_compression", &job.enable_compression);
  mapping.boolean("extra_scrape_metrics", &job.extra_metrics);
  read_protocols(mapping, &job.protocols);
  read_fallback_protocol(mapping, &job);
  read_limits(mapping, &job.limits);
  read_shared_switches(mapping, &job.histograms, &job.convert_classic);
  read_count(mapping, "native_histogram_bucket_limit", &job.limits.native_buckets);
  mapping.with("native_histogram_min_bucket_factor",
               [&job](const base::YamlNode& factor) -> Status {
                 ASSIGN_OR_RETURN(const double least, factor.as_double());
                 job.max_schema = finest_schema(least);
                 return ok();
               });
  auto http = std::make_shared<net::HttpClientOptions>();
  read_http_options(mapping, directory, http.get());
  job.http = std::move(http);
  read_relabel_rules(mapping, "relabel_configs", &job.relabel);
  read_relabel_rules(mapping, "metric_relabel_configs", &job.metric_relabel);
  read_sources(mapping, directory, &job);
  check_static_targets(mapping, job);
  RETURN_IF_ERROR(mapping.finish());
  return job;
}

Status read_alerting(const base::YamlNode& node, PrometheusConfig* config) {
  base::YamlMapping mapping(node);
  read_relabel_rules(mapping, "alert_relabel_configs", &config->alert_relabel);
  mapping.unsupported({"alertmanagers"});
  return mapping.finish();
}

Status read_tsdb(const base::YamlNode& node, PrometheusConfig* config) {
  base::YamlMapping mapping(node);
  read_duration(mapping, "out_of_order_time_window", &config->out_of_order_window);
  mapping.with("retention", [config](const base::YamlNode& retention) -> Status {
    base::YamlMapping inner(retention);
    config->has_retention = inner.has("time");
    read_duration(inner, "time", &config->retention);
    config->has_retention_size = inner.has("size");
    read_size(inner, "size", &config->retention_bytes);
    inner.with("percentage", [config](const base::YamlNode& share) -> Status {
      ASSIGN_OR_RETURN(config->retention_percentage, share.as_double());
      const bool valid = config->retention_percentage >= 0 && config->retention_percentage <= 100;
      return valid ? ok() : share.error("must be between 0 and 100");
    });
    return inner.finish();
  });
  mapping.unsupported({"stale_series_compaction_threshold", "chunk_encoding"});
  return mapping.finish();
}

Status read_exemplars(const base::YamlNode& node, PrometheusConfig* config) {
  base::YamlMapping mapping(node);
  auto most = static_cast<std::int64_t>(config->max_exemplars);
  mapping.integer("max_exemplars", &most);
  config->max_exemplars = most > 0 ? static_cast<std::uint64_t>(most) : 0;
  return mapping.finish();
}

Status read_storage(const base::YamlNode& node, PrometheusConfig* config) {
  base::YamlMapping mapping(node);
  mapping.with("tsdb", [config](const base::YamlNode& tsdb) { return read_tsdb(tsdb, config); });
  mapping.with("exemplars", [config](const base::YamlNode& exemplars) {
    return read_exemplars(exemplars, config);
  });
  return mapping.finish();
}

StatusOr<std::vector<std::string>> expand_rule_files(base::FileSystem& files,
                                                     const base::YamlNode& item,
                                                     std::string_view directory) {
  ASSIGN_OR_RETURN(std::string written, item.as_string());
  const std::size_t star = written.find('*');
  if (star != std::string::npos && written.find('/', star) != std::string::npos) {
    return item.error(fmt::format("invalid rule file path {}", model::go_quote(written)));
  }
  return expand_pattern(files, item, directory);
}

Status load_rules(base::FileSystem& files, const RuleFileDefaults& defaults,
                  PrometheusConfig* config) {
  for (const std::string& file : config->rule_files) {
    ASSIGN_OR_RETURN(std::string text, files.read_file(file, kMaxConfigBytes));
    ASSIGN_OR_RETURN(std::vector<rules::GroupOptions> groups,
                     parse_rule_file(text, file, defaults));
    for (rules::GroupOptions& group : groups) config->rules.groups.push_back(std::move(group));
  }
  return ok();
}

// Every scalar below `node` in order, with separators that no scalar holds: equal texts are equal
// options.
std::string plain_text(const base::YamlNode& node) {
  std::string text(node.scalar());
  for (const base::YamlNode& item : node.items()) text += '\x1e' + plain_text(item);
  for (const auto& [key, value] : node.entries()) text += '\x1f' + key + '\x1d' + plain_text(value);
  return text;
}

// A change of anything that a job depends on must restart its loops.
std::string job_fingerprint(const base::YamlNode& job, const base::YamlNode* global) {
  std::string text = plain_text(job);
  if (global != nullptr) text += plain_text(*global);
  return text;
}

}  // namespace

StatusOr<PrometheusConfig> load_prometheus_config(base::FileSystem& files, const std::string& path,
                                                  const ConfigDefaults& defaults) {
  ASSIGN_OR_RETURN(std::string text, files.read_file(path, kMaxConfigBytes));
  ASSIGN_OR_RETURN(base::YamlNode root, base::parse_yaml(text, path));
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash);

  PrometheusConfig config;
  GlobalOptions global;
  global.extra_metrics = defaults.extra_scrape_metrics;
  std::set<std::string> job_names;
  base::YamlMapping mapping(root);
  mapping.with("global", [&](const base::YamlNode& node) { return read_global(node, &global); });
  mapping.each("rule_files", [&](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(std::vector<std::string> found, expand_rule_files(files, item, directory));
    config.rule_files.insert(config.rule_files.end(), found.begin(), found.end());
    return ok();
  });
  mapping.each("scrape_configs", [&](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(collector::ScrapeOptions job, read_job(item, global, directory));
    if (!job_names.insert(job.job).second) {
      return item.error(fmt::format("found multiple scrape configs with job name {:?}", job.job));
    }
    job.fingerprint = job_fingerprint(item, root.find("global"));
    config.collector.jobs.push_back(std::move(job));
    return ok();
  });
  mapping.with("alerting",
               [&](const base::YamlNode& node) { return read_alerting(node, &config); });
  mapping.with("storage", [&](const base::YamlNode& node) { return read_storage(node, &config); });
  mapping.with("runtime", [](const base::YamlNode& node) -> Status {
    base::YamlMapping runtime(node);  // gogc tunes Go's collector; there is nothing to tune here
    std::int64_t ignored = 0;
    runtime.integer("gogc", &ignored);
    return runtime.finish();
  });
  mapping.unsupported({"scrape_config_files", "remote_write", "remote_read", "otlp", "tracing"});
  RETURN_IF_ERROR(mapping.finish());

  std::sort(config.rule_files.begin(), config.rule_files.end());
  config.rule_files.erase(std::unique(config.rule_files.begin(), config.rule_files.end()),
                          config.rule_files.end());
  config.evaluation_interval = global.evaluation_interval;
  if (!global.query_log_file.empty()) {
    config.query_log_file = base::join_path(directory, global.query_log_file);
  }
  config.collector.external_labels = global.external_labels;
  config.rules.external_labels = global.external_labels;
  RETURN_IF_ERROR(load_rules(
      files, {global.evaluation_interval, global.rule_query_offset, defaults.parser}, &config));
  config.printed = print_masked(root);
  return config;
}

}  // namespace tocsin::app
