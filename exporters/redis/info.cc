// SPDX-License-Identifier: Apache-2.0
//
// INFO is lines "key:value" under headings "# Section". Values of one field each are found in
// names.h; the rest are lists "name=value,..." with a family for each of their parts.
#include "exporters/redis/info.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "exporters/redis/names.h"

namespace tocsin::exporters {
namespace {

constexpr std::string_view kCommand = "cmdstat_";
constexpr std::string_view kError = "errorstat_";
constexpr std::string_view kLatency = "latency_percentiles_usec_";
constexpr std::string_view kIoThread = "used_active_time_io_thread_";
constexpr std::size_t kMaxDatabases = 10'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Whether `key` is `prefix` and a number, as "slave0".
bool is_numbered(std::string_view key, std::string_view prefix) {
  return key.starts_with(prefix) && key.size() > prefix.size() &&
         std::all_of(key.begin() + static_cast<std::ptrdiff_t>(prefix.size()), key.end(), is_digit);
}

std::string_view take_line(std::string_view* text) {
  const std::size_t end = text->find('\n');
  std::string_view line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
  return line;
}

// What is behind "master_" in "master_host" or, with several masters, "master_1_host"; "" else.
std::string_view master_field(std::string_view key) {
  constexpr std::string_view kMaster = "master_";
  if (!key.starts_with(kMaster)) return {};
  key.remove_prefix(kMaster.size());
  const std::size_t digits = key.find_first_not_of("0123456789");
  if (digits != 0 && digits != std::string_view::npos && key[digits] == '_') {
    key.remove_prefix(digits + 1);
  }
  return key;
}

void show_command(std::string_view command, std::string_view list, RedisMetrics* out) {
  const std::optional<double> calls = number_in(list, "calls"), usec = number_in(list, "usec");
  if (!calls || !usec) return;
  const Labels labels = {{"cmd", command}};
  out->counter("commands_total", *calls, labels);
  out->counter("commands_duration_seconds_total", *usec / 1e6, labels);
  // Since Redis 6.2.
  if (const auto rejected = number_in(list, "rejected_calls")) {
    out->counter("commands_rejected_calls_total", *rejected, labels);
  }
  if (const auto failed = number_in(list, "failed_calls")) {
    out->counter("commands_failed_calls_total", *failed, labels);
  }
}

// "p50=0.001,p99=1.003,p99.9=4.015"
void show_percentiles(const RedisInfo& info, std::string_view command, std::string_view list,
                      RedisMetrics* out) {
  const std::string_view stats = info.get(fmt::format("{}{}", kCommand, command));
  const std::optional<double> calls = number_in(stats, "calls"), usec = number_in(stats, "usec");
  if (!calls || !usec) return;
  RedisMetrics::Points points;
  while (!list.empty()) {
    const std::string_view part = list.substr(0, list.find(','));
    list.remove_prefix(std::min(part.size() + 1, list.size()));
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos || !part.starts_with('p')) return;
    const auto percent = number_of(part.substr(1, equals - 1));
    const auto value = number_of(part.substr(equals + 1));
    if (!percent || !value) return;
    points.emplace_back(*percent, *value);
  }
  std::sort(points.begin(), points.end());
  out->summary("latency_percentiles_usec", command, points, {.sum = *usec, .count = *calls});
}

bool show_database(std::string_view name, std::string_view list, RedisMetrics* out) {
  const std::optional<double> keys = number_in(list, "keys"), expiring = number_in(list, "expires");
  if (!is_numbered(name, "db") || !keys || !expiring) return false;
  const Labels labels = {{"db", name}};
  out->gauge("db_keys", *keys, labels);
  out->gauge("db_keys_expiring", *expiring, labels);
  if (const auto cached = number_in(list, "cached_keys")) {
    out->gauge("db_keys_cached", *cached, labels);
  }
  if (const auto ttl = number_in(list, "avg_ttl")) {
    out->gauge("db_avg_ttl_seconds", *ttl / 1e3, labels);
  }
  return true;
}

struct Master {
  std::string_view host, port;
};

bool show_replication(const RedisInfo::Field& field, Master* master, RedisMetrics* out) {
  const std::string_view about = master_field(field.key);
  if (about == "host") master->host = field.value;
  if (about == "port") master->port = field.value;
  const Labels of_master = {{"master_host", master->host}, {"master_port", master->port}};
  if (about == "link_status") {
    out->gauge("master_link_up", field.value == "up" ? 1 : 0, of_master);
    return true;
  }
  const double number = number_of(field.value).value_or(0);
  if (about == "last_io_seconds_ago") {
    out->gauge("master_last_io_seconds_ago", number, of_master);
    return true;
  }
  if (about == "sync_in_progress") {
    out->gauge("master_sync_in_progress", number, of_master);
    return true;
  }
  if (field.key == "slave_repl_offset") {
    out->gauge("slave_repl_offset", number, of_master);
    return true;
  }
  const auto offset = number_in(field.value, "offset");
  if (!is_numbered(field.key, "slave") || !offset) return false;
  const Labels of_slave = {{"slave_ip", text_in(field.value, "ip")},
                           {"slave_port", text_in(field.value, "port")},
                           {"slave_state", text_in(field.value, "state")}};
  out->gauge("connected_slave_offset_bytes", *offset, of_slave);
  if (const auto lag = number_in(field.value, "lag"); lag && *lag > -1) {
    out->gauge("connected_slave_lag_seconds", *lag, of_slave);
  }
  return true;
}

void show_server(const RedisInfo::Field& field, double now_seconds, RedisMetrics* out) {
  const std::optional<double> number = number_of(field.value);
  if (!number) return;
  if (field.key == "uptime_in_seconds") {
    out->gauge("start_time_seconds", std::floor(now_seconds) - *number);
  }
  if (field.key == "configured_hz" || field.key == "hz") out->gauge(field.key, *number);
}

void show_sentinel_field(const RedisInfo::Field& field, RedisMetrics* out) {
  for (const std::string_view key :
       {"sentinel_masters", "sentinel_tilt", "sentinel_running_scripts",
        "sentinel_scripts_queue_length", "sentinel_simulate_failure_flags"}) {
    if (field.key == key) out->gauge(key, number_of(field.value).value_or(0));
  }
  const auto slaves = number_in(field.value, "slaves");
  const auto sentinels = number_in(field.value, "sentinels");
  if (!is_numbered(field.key, "master") || !slaves || !sentinels) return;
  const std::string_view name = text_in(field.value, "name");
  const std::string_view address = text_in(field.value, "address");
  const std::string_view status = text_in(field.value, "status");
  out->gauge("sentinel_master_status", status == "ok" ? 1 : 0,
             {{"master_name", name}, {"master_address", address}, {"master_status", status}});
  const Labels labels = {{"master_name", name}, {"master_address", address}};
  out->gauge("sentinel_master_slaves", *slaves, labels);
  out->gauge("sentinel_master_sentinels", *sentinels, labels);
}

void show_instance(const RedisInfo& info, RedisMetrics* out) {
  LabelPairs labels;
  for (const std::string_view key :
       {"role", "redis_version", "redis_build_id", "redis_mode", "os", "maxmemory_policy",
        "tcp_port", "run_id", "process_id", "master_replid"}) {
    labels.emplace_back(key, info.get(key));
  }
  for (const std::string_view key : {"valkey_version", "valkey_release_stage"}) {
    if (const std::string_view value = info.get(key); !value.empty())
      labels.emplace_back(key, value);
  }
  out->add("instance_info", base::MetricType::kGauge, 1, std::move(labels));
  if (info.get("role") != "slave") return;
  out->gauge("slave_info", 1,
             {{"master_host", info.get("master_host")},
              {"master_port", info.get("master_port")},
              {"read_only", info.get("slave_read_only")}});
}

// Databases that INFO leaves out because they are empty.
void show_empty_databases(const RedisInfo& info, std::size_t databases, RedisMetrics* out) {
  for (std::size_t i = 0; i < std::min(databases, kMaxDatabases); ++i) {
    const std::string name = fmt::format("db{}", i);
    if (!info.get(name).empty()) continue;
    out->gauge("db_keys", 0, {{"db", name}});
    out->gauge("db_keys_expiring", 0, {{"db", name}});
  }
}

std::string family_name(std::string_view key) {
  std::string name(key);
  for (char& c : name) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!is_letter && !is_digit(c)) c = '_';
  }
  return name;
}

}  // namespace

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::string_view text_in(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const std::string_view part = list.substr(0, list.find(','));
    list.remove_prefix(std::min(part.size() + 1, list.size()));
    if (part.size() > name.size() && part.starts_with(name) && part[name.size()] == '=') {
      return part.substr(name.size() + 1);
    }
  }
  return {};
}

std::optional<double> number_in(std::string_view list, std::string_view name) {
  return number_of(text_in(list, name));
}

RedisInfo::RedisInfo(std::string_view text) {
  std::string_view section;
  for (std::size_t lines = 0; !text.empty() && lines < kMaxLines; ++lines) {
    const std::string_view line = take_line(&text);
    if (line.starts_with("# ")) {
      section = line.substr(2);
      fields_.push_back({section, {}, {}});
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) continue;
    fields_.push_back({section, line.substr(0, colon), line.substr(colon + 1)});
    values_.emplace(fields_.back().key, fields_.back().value);
  }
}

std::string_view RedisInfo::get(std::string_view key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? std::string_view() : it->second;
}

bool RedisInfo::has_section(std::string_view name) const {
  return std::any_of(fields_.begin(), fields_.end(),
                     [&](const Field& field) { return field.section == name; });
}

StringMap<double> RedisInfo::command_usec() const {
  StringMap<double> times;
  for (const Field& field : fields_) {
    if (!field.key.starts_with(kCommand)) continue;
    const std::string_view name = field.key.substr(kCommand.size());
    const double usec = number_in(field.value, "usec").value_or(0);
    times[std::string(name)] += usec;
    const std::size_t bar = name.find('|');
    if (bar != std::string_view::npos) times[std::string(name.substr(0, bar))] += usec;
  }
  return times;
}

void show_field(std::string_view key, std::string_view value, RedisMetrics* out) {
  std::optional<double> number = number_of(value);
  if (value == "ok" || value == "true") number = 1;
  if (value == "err" || value == "fail" || value == "false") number = 0;
  if (!number) return;
  if (is_numbered(key, kIoThread)) {
    out->counter("active_time_io_thread_seconds_total", *number,
                 {{"thread", key.substr(kIoThread.size())}});
  } else if (key == "latest_fork_usec") {
    out->gauge("latest_fork_seconds", *number / 1e6);
  } else if (const RedisField* field = find_field(key)) {
    out->add(field->name, field->type, *number, {});
    // The name that the overview dashboard of the mixin asks for.
    if (key == "mem_fragmentation_ratio") out->gauge("memory_fragmentation_ratio", *number);
  } else if (key.starts_with("cluster_")) {
    out->gauge(family_name(key), *number);
  }
}

void show_info(const RedisInfo& info, const InfoOptions& options, RedisMetrics* out) {
  Master master;
  for (const RedisInfo::Field& field : info.fields()) {
    if (field.key.empty()) continue;
    if (field.section == "Commandstats" && field.key.starts_with(kCommand)) {
      show_command(field.key.substr(kCommand.size()), field.value, out);
    } else if (field.section == "Latencystats" && field.key.starts_with(kLatency)) {
      show_percentiles(info, field.key.substr(kLatency.size()), field.value, out);
    } else if (field.section == "Errorstats" && field.key.starts_with(kError)) {
      const auto count = number_in(field.value, "count");
      if (count) {
        out->counter("errors_total", *count, {{"err", field.key.substr(kError.size())}});
      }
    } else if (field.section == "Keyspace" && show_database(field.key, field.value, out)) {
      continue;
    } else if (field.section == "Replication" && show_replication(field, &master, out)) {
      continue;
    } else {
      if (field.section == "Server") show_server(field, options.now_seconds, out);
      if (field.section == "Sentinel") show_sentinel_field(field, out);
      const bool is_shown = field.key == "hz" || field.key == "configured_hz";
      if (!is_shown) show_field(field.key, field.value, out);
    }
  }
  if (options.empty_databases) show_empty_databases(info, options.databases, out);
  show_instance(info, out);
}

}  // namespace tocsin::exporters
