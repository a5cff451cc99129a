// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "exporters/redis/sections/sections.h"

namespace tocsin::exporters {
namespace {

constexpr std::array<std::string_view, 4> kSecrets = {
    "masterauth", "requirepass", "tls-client-key-file-pass", "tls-key-file-pass"};

bool is_secret(std::string_view key) {
  return std::find(kSecrets.begin(), kSecrets.end(), key) != kSecrets.end();
}

// "normal 0 0 0 slave 268435456 67108864 60": class, hard limit, soft limit, seconds.
void show_buffer_limits(std::string_view text, RedisMetrics* out) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    words.push_back(word);
  }
  for (std::size_t i = 0; i + 3 < words.size(); i += 4) {
    const auto hard = number_of(words[i + 1]), soft = number_of(words[i + 2]);
    const auto seconds = number_of(words[i + 3]);
    constexpr std::string_view kBytes = "config_client_output_buffer_limit_bytes";
    if (hard) out->gauge(kBytes, *hard, {{"class", words[i]}, {"limit", "hard"}});
    if (soft) out->gauge(kBytes, *soft, {{"class", words[i]}, {"limit", "soft"}});
    if (seconds) {
      out->gauge("config_client_output_buffer_limit_overcome_seconds", *seconds,
                 {{"class", words[i]}, {"limit", "soft"}});
    }
  }
}

}  // namespace

ConfigMap to_config(const RespValue& reply) {
  ConfigMap config;
  for (std::size_t i = 0; i + 1 < reply.items.size(); i += 2) {
    config.emplace(reply.items[i].as_text(), reply.items[i + 1].as_text());
  }
  return config;
}

void show_config(const ConfigMap& config, const RedisOptions& options, RedisMetrics* out) {
  for (const auto& [key, value] : config) {
    const std::optional<double> number = number_of(value);
    if (options.config_metrics && !(options.redact_config && is_secret(key))) {
      out->gauge("config_key_value", 1, {{"key", key}, {"value", value}});
      if (number) out->gauge("config_value", *number, {{"key", key}});
    }
    if (key == "client-output-buffer-limit") show_buffer_limits(value, out);
    if (!number) continue;
    if (key == "io-threads") out->gauge("config_io_threads", *number);
    if (key == "maxclients") out->gauge("config_maxclients", *number);
    if (key == "maxmemory") out->gauge("config_maxmemory", *number);
    if (key == "repl-backlog-size") out->gauge("config_repl_backlog_size", *number);
  }
}

void show_rdb_size(const ConfigMap& config, base::FileSystem& files, RedisMetrics* out) {
  const auto directory = config.find("dir"), name = config.find("dbfilename");
  if (directory == config.end() || name == config.end()) return;
  // What the server says is not trusted to name any file of this machine.
  const std::string& file = name->second;
  if (file.empty() || file == "." || file == ".." || file.find('/') != std::string::npos) return;
  const StatusOr<base::FileInfo> info = files.info(base::join_path(directory->second, file));
  if (info.ok() && !info->is_directory) {
    out->gauge("rdb_current_size_bytes", static_cast<double>(info->size));
  } else if (info.status().code() == StatusCode::kNotFound) {
    out->gauge("rdb_current_size_bytes", 0);
  }
}

}  // namespace tocsin::exporters
