// SPDX-License-Identifier: Apache-2.0
//
// The parts of a scrape: each asks the server something and shows the answer. A part whose command
// the server refuses shows nothing; that is normal for old servers and for users with few rights.
//
// Functions. Confined to a scrape.
// Errors: only those that break the connection, or that the page shall name.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "base/file_system.h"
#include "exporters/redis/connection.h"
#include "exporters/redis/info.h"
#include "exporters/redis/key_connection.h"
#include "exporters/redis/metrics.h"
#include "exporters/redis/options.h"

namespace tocsin::exporters {

struct Section {
  const RedisOptions& options;
  const KeyOptions& chosen;
  RedisConnection& server;
  KeyConnection& keys;
  const base::Clock& clock;
  RedisMetrics& out;
};

using ConfigMap = std::map<std::string, std::string, std::less<>>;

// config.cc. The reply to CONFIG GET *, as a map; its families.
ConfigMap to_config(const RespValue& reply);
void show_config(const ConfigMap& config, const RedisOptions& options, RedisMetrics* out);
void show_rdb_size(const ConfigMap& config, base::FileSystem& files, RedisMetrics* out);

// latency.cc. Replies to LATENCY LATEST, LATENCY HISTOGRAM, SLOWLOG LEN, SLOWLOG GET 1.
void show_latency_spikes(const RespValue& reply, RedisMetrics* out);
void show_latency_histograms(const RespValue& reply, const RedisInfo& info, RedisMetrics* out);
void show_slowlog_length(const RespValue& reply, RedisMetrics* out);
void show_slowlog(const RespValue& reply, RedisMetrics* out);
// For servers that have COMMANDLOG (Valkey).
Status show_command_log(const Section& section);

// keys.cc
Status show_keys(const Section& section);
Status show_key_counts(const Section& section);
// Adds the keys that the patterns stand for; at most `limit` in all, above which it warns.
Status expand_keys(const Section& section, const std::vector<KeyPattern>& patterns,
                   std::size_t limit, std::vector<KeyPattern>* out);

// key_groups.cc
Status show_key_groups(const Section& section, std::size_t databases);

// streams.cc
Status show_streams(const Section& section);

// sentinel.cc
Status show_sentinel(const Section& section);

// clients.cc. CLIENT LIST, and its reply.
Status show_client_list(const Section& section);
void show_clients(std::string_view list, const RedisOptions& options, double now_seconds,
                  RedisMetrics* out);

// modules.cc
Status show_modules(const Section& section);
Status show_search_indexes(const Section& section);
Status show_tile38(const Section& section);
Status show_scripts(const Section& section);

}  // namespace tocsin::exporters
