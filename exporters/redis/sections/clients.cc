// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "exporters/redis/sections/sections.h"

namespace tocsin::exporters {
namespace {

constexpr std::size_t kMaxClients = 10'000;  // Redis' own default limit

// The fields of "id=11 addr=127.0.0.1:63508 name= age=6321 ...".
using Client = std::map<std::string_view, std::string_view>;

Client parse_client(std::string_view line) {
  Client client;
  while (!line.empty()) {
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(word.size() + 1, line.size()));
    const std::size_t equals = word.find('=');
    if (equals != std::string_view::npos) {
      client.emplace(word.substr(0, equals), word.substr(equals + 1));
    }
  }
  return client;
}

std::string_view text_of(const Client& client, std::string_view field) {
  const auto it = client.find(field);
  return it == client.end() ? std::string_view() : it->second;
}

void show_client_info(const Client& client, const RedisOptions& options, RedisMetrics* out) {
  const std::string_view address = text_of(client, "addr");
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return;
  LabelPairs labels;
  for (const std::string_view field : {"id", "name", "flags", "db"}) {
    labels.emplace_back(field, text_of(client, field));
  }
  labels.emplace_back("host", address.substr(0, colon));
  if (options.client_port) labels.emplace_back("port", address.substr(colon + 1));
  // Since Redis 6 and 7.
  for (const std::string_view field : {"user", "resp"}) {
    const std::string_view text = text_of(client, field);
    if (!text.empty()) labels.emplace_back(field, text);
  }
  out->add("connected_client_info", base::MetricType::kGauge, 1, std::move(labels));
}

void show_client(const Client& client, const RedisOptions& options, double now_seconds,
                 RedisMetrics* out) {
  struct Column {
    std::string_view field, family;
    bool is_new = false;  // old servers do not have it
  };
  constexpr Column kColumns[] = {
      {"omem", "connected_client_output_buffer_memory_usage_bytes"},
      {"tot-mem", "connected_client_total_memory_consumed_bytes"},
      {"sub", "connected_client_channel_subscriptions_count"},
      {"psub", "connected_client_pattern_matching_subscriptions_count"},
      {"qbuf", "connected_client_query_buffer_length_bytes"},
      {"qbuf-free", "connected_client_query_buffer_free_space_bytes"},
      {"obl", "connected_client_output_buffer_length_bytes"},
      {"oll", "connected_client_output_list_length"},
      {"ssub", "connected_client_shard_channel_subscriptions_count", true},
      {"watch", "connected_client_shard_channel_watched_keys", true}};
  show_client_info(client, options, out);
  const Labels labels = {{"id", text_of(client, "id")}, {"name", text_of(client, "name")}};
  for (const Column& column : kColumns) {
    const auto number = number_of(text_of(client, column.field));
    if (number || !column.is_new) out->gauge(column.family, number.value_or(0), labels);
  }
  const double now = std::floor(now_seconds);
  if (const auto age = number_of(text_of(client, "age"))) {
    out->gauge("connected_client_created_at_timestamp", now - *age, labels);
  }
  if (const auto idle = number_of(text_of(client, "idle"))) {
    out->gauge("connected_client_idle_since_timestamp", now - *idle, labels);
  }
}

}  // namespace

void show_clients(std::string_view list, const RedisOptions& options, double now_seconds,
                  RedisMetrics* out) {
  for (std::size_t shown = 0; !list.empty() && shown < kMaxClients; ++shown) {
    std::string_view line = list.substr(0, list.find('\n'));
    list.remove_prefix(std::min(line.size() + 1, list.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const Client client = parse_client(line);
    if (!text_of(client, "id").empty()) show_client(client, options, now_seconds, out);
  }
}

Status show_client_list(const Section& section) {
  const StatusOr<RespValue> reply = section.server.call({"CLIENT", "LIST"});
  if (!reply.ok()) return section.server.breakage();
  show_clients(reply->as_text(), section.options, base::to_seconds(section.clock.now()),
               &section.out);
  return ok();
}

}  // namespace tocsin::exporters
