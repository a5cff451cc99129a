// SPDX-License-Identifier: Apache-2.0
#include "exporters/redis/scraper.h"

#include <algorithm>

#include "base/log.h"
#include "exporters/redis/info.h"
#include "exporters/redis/key_connection.h"
#include "exporters/redis/sections/sections.h"

namespace tocsin::exporters {
namespace {

constexpr std::size_t kDefaultDatabases = 16;
constexpr std::string_view kClientName = "redis_exporter";

double seconds_since(base::SteadyTime start, const base::Clock& clock) {
  return std::chrono::duration<double>(clock.steady_now() - start).count();
}

}  // namespace

// What came of the commands that go out in one piece.
struct RedisScraper::Answers {
  std::string info;
  ConfigMap config;
  std::size_t databases = kDefaultDatabases;
  RespValue spikes, histograms, slowlog_length, slowlog;
  bool has_slowlog = false;
  bool has_command_log = false;
};

StatusOr<std::unique_ptr<RedisConnection>> RedisScraper::open(const RedisTarget& target,
                                                              const Request& request,
                                                              base::SteadyTime deadline) const {
  return RedisConnection::open(target, request.login,
                               {services_.clock, services_.lookup, services_.tls},
                               {.deadline = deadline, .patience = options_.connection_timeout});
}

void RedisScraper::note(const std::string& address, const Status& status) const {
  bool is_news = false;
  {
    const auto failing = failing_.lock();
    if (failing->size() >= kMaxFailing) failing->clear();
    is_news = status.ok() ? failing->erase(address) != 0 : failing->insert(address).second;
  }
  if (!is_news) return;
  if (status.ok()) {
    base::log::info("scrapes succeed again", {{"server", address}});
  } else {
    base::log::warn("a scrape failed", {{"server", address}, {"error", message(status)}});
  }
}

double RedisScraper::scrape(const Request& request, base::Duration budget,
                            RedisMetrics* out) const {
  const base::SteadyTime start = services_.clock.steady_now();
  bool up = false;
  const Status status = run(request, start + budget, out, &up);
  note(request.target.address(), status);
  out->gauge("exporter_last_scrape_error", status.ok() ? 0 : 1, {{"err", message(status)}});
  out->gauge("up", up ? 1 : 0);
  const double seconds = seconds_since(start, services_.clock);
  out->gauge("exporter_last_scrape_duration_seconds", seconds);
  return seconds;
}

void RedisScraper::ask(RedisConnection* server) const {
  server->queue({"INFO", "ALL"});
  if (options_.config_command != "-") server->queue({options_.config_command, "GET", "*"});
  if (!options_.no_latency_histograms) {
    server->queue({"LATENCY", "LATEST"});
    server->queue({"LATENCY", "HISTOGRAM"});
  }
  server->queue({"SLOWLOG", "LEN"});
  server->queue({"SLOWLOG", "GET", "1"});
  if (!options_.is_tile38) server->queue({"COMMAND", "INFO", "COMMANDLOG"});
}

// Receives in the order of ask(). An error of the connection ends it; what came before is kept.
Status RedisScraper::take_answers(RedisConnection* server, Answers* answers) const {
  const auto take = [server](RespValue* value) {
    StatusOr<RespValue> reply = server->receive();
    if (reply.ok()) *value = *std::move(reply);
    return reply.ok();
  };
  RespValue config, command_log;
  if (options_.config_command != "-" && take(&config)) {
    answers->config = to_config(config);
    config = {};
    const auto databases = answers->config.find("databases");
    if (databases != answers->config.end()) {
      const double count = number_of(databases->second).value_or(kDefaultDatabases);
      if (count >= 1 && count < 1e6) answers->databases = static_cast<std::size_t>(count);
    }
  }
  if (!options_.no_latency_histograms) {
    take(&answers->spikes);
    take(&answers->histograms);
  }
  take(&answers->slowlog_length);
  answers->has_slowlog = take(&answers->slowlog);
  if (!options_.is_tile38 && take(&command_log)) {
    answers->has_command_log =
        !command_log.items.empty() && command_log.items[0].kind != RespValue::Kind::kNull;
  }
  return server->breakage();
}

void RedisScraper::show_answers(const Answers& answers, RedisMetrics* out) const {
  const RedisInfo info(answers.info);
  out->set_role(info.get("role"));
  show_info(info,
            {.databases = info.get("cluster_enabled") == "1" ? 1 : answers.databases,
             .empty_databases = options_.empty_databases,
             .now_seconds = base::to_seconds(services_.clock.now())},
            out);
  show_config(answers.config, options_, out);
  if (options_.rdb_size) show_rdb_size(answers.config, services_.files, out);
  show_latency_spikes(answers.spikes, out);
  show_latency_histograms(answers.histograms, info, out);
  show_slowlog_length(answers.slowlog_length, out);
  if (answers.has_slowlog) show_slowlog(answers.slowlog, out);
}

Status RedisScraper::run(const Request& request, base::SteadyTime deadline, RedisMetrics* out,
                         bool* up) const {
  const base::SteadyTime start = services_.clock.steady_now();
  StatusOr<std::unique_ptr<RedisConnection>> opened = open(request.target, request, deadline);
  out->own("exporter_last_scrape_connect_time_seconds", base::MetricType::kGauge,
           seconds_since(start, services_.clock));
  RETURN_IF_ERROR(opened.status());
  RedisConnection& server = **opened;
  if (options_.ping) {
    const base::SteadyTime before = services_.clock.steady_now();
    if (server.call({"PING"}).ok()) {
      out->own("exporter_last_scrape_ping_time_seconds", base::MetricType::kGauge,
               seconds_since(before, services_.clock));
    }
  }
  if (options_.set_client_name) server.queue({"CLIENT", "SETNAME", kClientName});
  ask(&server);
  if (options_.set_client_name) static_cast<void>(server.receive());
  StatusOr<RespValue> info = server.receive();
  Status status = info.status();
  if (server.is_broken() || status.code() == StatusCode::kUnauthenticated) {
    return annotate(status, "INFO");
  }
  Answers answers;
  Status first = take_answers(&server, &answers);
  if (!status.ok()) {
    // A server without INFO ALL.
    info = server.call({"INFO"});
    RETURN_IF_ERROR(annotate(info.status(), "INFO"));
  }
  answers.info = info->as_text();
  show_answers(answers, out);
  *up = true;
  RETURN_IF_ERROR(first);
  return run_sections(request, &server, answers, out);
}

Status RedisScraper::run_sections(const Request& request, RedisConnection* server,
                                  const Answers& answers, RedisMetrics* out) const {
  KeyConnection::Open open_node;
  if (options_.is_cluster) {
    open_node = [&](const std::string& address) -> StatusOr<std::unique_ptr<RedisConnection>> {
      ASSIGN_OR_RETURN(RedisTarget node, RedisTarget::parse(address));
      node.tls = request.target.tls;
      return open(node, request, server->deadline());
    };
  }
  KeyConnection keys(*server, std::move(open_node));
  const Section section{options_, request.keys, *server, keys, services_.clock, *out};
  const RedisInfo info(answers.info);
  const bool is_cluster = info.get("cluster_enabled") == "1";
  if (is_cluster) {
    const StatusOr<RespValue> reply = server->call({"CLUSTER", "INFO"});
    RETURN_IF_ERROR(server->breakage());
    if (reply.ok()) {
      const RedisInfo cluster(reply->as_text());
      for (const RedisInfo::Field& field : cluster.fields()) {
        show_field(field.key, field.value, out);
      }
    }
  }
  if (answers.has_command_log) RETURN_IF_ERROR(show_command_log(section));
  if (info.has_section("Sentinel")) RETURN_IF_ERROR(show_sentinel(section));
  if (options_.client_list) RETURN_IF_ERROR(show_client_list(section));
  if (options_.is_tile38) RETURN_IF_ERROR(show_tile38(section));
  if (options_.modules) RETURN_IF_ERROR(show_modules(section));
  if (options_.search_indexes) RETURN_IF_ERROR(show_search_indexes(section));
  const Status scripts = show_scripts(section);
  RETURN_IF_ERROR(server->breakage());
  // Last, because this may take long.
  if (info.get("role") == "slave" || !options_.skip_keys_of_master) {
    RETURN_IF_ERROR(show_keys(section));
    RETURN_IF_ERROR(show_key_counts(section));
    RETURN_IF_ERROR(show_streams(section));
  }
  RETURN_IF_ERROR(show_key_groups(section, is_cluster ? 1 : answers.databases));
  return scripts;
}

StatusOr<std::vector<std::string>> RedisScraper::cluster_nodes(const Request& request,
                                                               base::Duration budget) const {
  const base::SteadyTime deadline = services_.clock.steady_now() + budget;
  ASSIGN_OR_RETURN(const std::unique_ptr<RedisConnection> server,
                   open(request.target, request, deadline));
  ASSIGN_OR_RETURN(const RespValue reply, server->call({"CLUSTER", "NODES"}));
  std::vector<std::string> out;
  std::string_view text = reply.as_text();
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    std::string address = node_address(line, options_.discover_hostnames);
    // A node that has met no other does not know its own address.
    if (address.starts_with(':')) address.insert(0, request.target.host);
    if (!address.empty()) out.push_back(std::move(address));
  }
  return out;
}

// "ID 127.0.0.1:7002@17002,host.name flags ..."
std::string node_address(std::string_view line, bool want_name) {
  const std::size_t begin = line.find(' ');
  if (begin == std::string_view::npos) return {};
  std::string_view word = line.substr(begin + 1);
  word = word.substr(0, word.find(' '));
  const std::size_t at = word.find('@');
  const std::size_t colon = word.substr(0, at).rfind(':');
  if (at == std::string_view::npos || colon == std::string_view::npos) return {};
  const std::string_view port = word.substr(colon + 1, at - colon - 1);
  std::string_view name = word.substr(at);
  const std::size_t comma = name.find(',');
  name = comma == std::string_view::npos ? std::string_view() : name.substr(comma + 1);
  name = name.substr(0, name.find(','));
  if (want_name && !name.empty()) return fmt::format("{}:{}", name, port);
  return fmt::format("{}:{}", word.substr(0, colon), port);
}

}  // namespace tocsin::exporters
