// SPDX-License-Identifier: Apache-2.0
//
// What was slow: spikes, histograms of commands, the slow log, and Valkey's log of commands.
#include <algorithm>
#include <span>

#include "exporters/redis/sections/sections.h"

namespace tocsin::exporters {
namespace {

// Rows of a reply that are looked at; no server has so many.
constexpr std::size_t kMaxEvents = 1000;
constexpr std::size_t kMaxCommands = 5000;
constexpr std::size_t kMaxBuckets = 100;

}  // namespace

void show_latency_spikes(const RespValue& reply, RedisMetrics* out) {
  for (const RespValue& event :
       std::span(reply.items).first(std::min(reply.items.size(), kMaxEvents))) {
    if (event.items.size() < 3) continue;
    const auto last = event.items[1].as_number(), milliseconds = event.items[2].as_number();
    if (!last || !milliseconds) continue;
    const Labels labels = {{"event_name", event.items[0].as_text()}};
    out->gauge("latency_spike_last", *last, labels);
    out->gauge("latency_spike_duration_seconds", *milliseconds / 1e3, labels);
  }
}

// [command, [calls, N, histogram_usec, [bound, count so far, ...]], ...]
void show_latency_histograms(const RespValue& reply, const RedisInfo& info, RedisMetrics* out) {
  const StringMap<double> times = info.command_usec();
  for (std::size_t i = 0; i + 1 < std::min(reply.items.size(), 2 * kMaxCommands); i += 2) {
    const std::string_view command = reply.items[i].as_text();
    const RespValue* calls = reply.items[i + 1].at("calls");
    const RespValue* buckets = reply.items[i + 1].at("histogram_usec");
    const std::optional<double> count = calls == nullptr ? std::nullopt : calls->as_number();
    if (command.empty() || buckets == nullptr || !count) continue;
    RedisMetrics::Points points;
    for (std::size_t j = 0; j + 1 < std::min(buckets->items.size(), 2 * kMaxBuckets); j += 2) {
      const auto bound = buckets->items[j].as_number(), so_far = buckets->items[j + 1].as_number();
      if (bound && so_far) points.emplace_back(*bound, *so_far);
    }
    const auto sum = times.find(command);
    out->histogram("commands_latencies_usec", command, points,
                   {.sum = sum == times.end() ? 0 : sum->second, .count = *count});
  }
}

void show_slowlog_length(const RespValue& reply, RedisMetrics* out) {
  if (const auto length = reply.as_number()) out->gauge("slowlog_length", *length);
}

void show_slowlog(const RespValue& reply, RedisMetrics* out) {
  double id = 0, seconds = 0;
  // The newest entry: id, time, microseconds, ...
  if (!reply.items.empty() && reply.items[0].items.size() > 2) {
    const std::vector<RespValue>& entry = reply.items[0].items;
    id = entry[0].as_number().value_or(0);
    seconds = entry[2].as_number().value_or(0) / 1e6;
  }
  out->gauge("slowlog_last_id", id);
  out->gauge("last_slow_execution_duration_seconds", seconds);
}

Status show_command_log(const Section& section) {
  struct Entry {
    std::string_view key, family;
  };
  for (const Entry& log : {Entry{"slow", "commandlog_slow_length"},
                           Entry{"large-request", "commandlog_large_request_length"},
                           Entry{"large-reply", "commandlog_large_reply_length"}}) {
    const StatusOr<RespValue> length = section.server.call({"COMMANDLOG", "LEN", log.key});
    if (section.server.is_broken()) return length.status();
    if (length.ok()) section.out.gauge(log.family, length->as_number().value_or(0));
  }
  if (section.options.config_command == "-") return ok();
  const StatusOr<RespValue> reply =
      section.server.call({section.options.config_command, "GET", "commandlog-*"});
  if (!reply.ok()) return section.server.breakage();
  for (const Entry& setting :
       {Entry{"commandlog-execution-slower-than", "commandlog_execution_slower_than"},
        Entry{"commandlog-slow-execution-max-len", "commandlog_slow_execution_max_len"},
        Entry{"commandlog-request-larger-than", "commandlog_request_larger_than"},
        Entry{"commandlog-large-request-max-len", "commandlog_large_request_max_len"},
        Entry{"commandlog-reply-larger-than", "commandlog_reply_larger_than"},
        Entry{"commandlog-large-reply-max-len", "commandlog_large_reply_max_len"}}) {
    const RespValue* value = reply->at(setting.key);
    const auto number = value == nullptr ? std::nullopt : value->as_number();
    if (number) section.out.gauge(setting.family, *number);
  }
  return ok();
}

}  // namespace tocsin::exporters
