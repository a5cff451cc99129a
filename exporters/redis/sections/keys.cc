// SPDX-License-Identifier: Apache-2.0
//
// Keys that the user named: their sizes, memory and values, and how many match a pattern.
#include <charconv>

#include "base/log.h"
#include "exporters/redis/sections/sections.h"

namespace tocsin::exporters {
namespace {

constexpr std::size_t kBatch = 200;  // keys asked for in one piece
// Longer values are no label; no HyperLogLog is longer than the other.
constexpr std::int64_t kMaxValueBytes = RedisMetrics::kMaxLabelBytes;
constexpr std::int64_t kMaxHyperLogLogBytes = 16 << 10;

// A command that tells how big a key of this type is.
std::string_view size_command(std::string_view type) {
  if (type == "list") return "LLEN";
  if (type == "set") return "SCARD";
  if (type == "zset") return "ZCARD";
  if (type == "hash") return "HLEN";
  if (type == "stream") return "XLEN";
  if (type == "array") return "ARCOUNT";  // since Redis 8.8
  return type == "string" ? "STRLEN" : "";
}

// One SCAN after another; `take` gets the keys of each and returns whether to go on.
Status scan(const Section& section, const KeyPattern& pattern,
            const std::function<bool(const std::vector<RespValue>&)>& take) {
  const std::string batch = fmt::format("{}", section.options.scan_batch);
  std::string cursor = "0";
  do {
    ASSIGN_OR_RETURN(const RespValue reply,
                     section.keys.call({"SCAN", cursor, "MATCH", pattern.key, "COUNT", batch}));
    if (reply.items.size() != 2) return data_loss("invalid response from SCAN");
    cursor = reply.items[0].as_text();
    if (!take(reply.items[1].items)) return ok();
  } while (cursor != "0" && !cursor.empty());
  return ok();
}

struct Key {
  std::string_view name;
  std::string_view type = {};
  std::int64_t size = 0;
};

void show_value(const Section& section, const Labels& labels, const Key& key,
                std::string_view value) {
  if (section.options.hide_values || value.empty()) return;
  if (const auto number = number_of(value)) {
    section.out.gauge("key_value", *number, labels);
  } else {
    const std::string_view database = labels.begin()->second;
    section.out.gauge("key_value_as_string", 1,
                      {{"db", database}, {"key", key.name}, {"val", value}});
  }
}

// A string is what it holds, or a HyperLogLog, whose size is what it counted.
void show_string(const Section& section, const Labels& labels, const Key& key) {
  bool may_be_log = key.size > kMaxValueBytes && key.size <= kMaxHyperLogLogBytes;
  std::string value;
  if (key.size <= kMaxValueBytes) {
    const StatusOr<RespValue> got = section.keys.call({"GET", key.name});
    if (got.ok()) value = got->as_text();
    may_be_log = value.starts_with("HYLL");
  }
  if (may_be_log) {
    const StatusOr<RespValue> count = section.keys.call({"PFCOUNT", key.name});
    if (count.ok()) {
      section.out.gauge("key_size", count->as_number().value_or(0), labels);
      return;
    }
  }
  section.out.gauge("key_size", static_cast<double>(key.size), labels);
  show_value(section, labels, key, value);
}

// Asks for type and memory of all, then for the size by type.
Status show_batch(const Section& section, const std::string& database,
                  std::span<const KeyPattern> names) {
  std::vector<KeyConnection::Command> commands;
  for (const KeyPattern& one : names) {
    commands.push_back({"TYPE", one.key});
    commands.push_back({"MEMORY", "USAGE", one.key});
  }
  const std::vector<StatusOr<RespValue>> found = section.keys.call_all(commands);
  RETURN_IF_ERROR(section.keys.breakage());
  std::vector<Key> keys;
  std::vector<KeyConnection::Command> sizes;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const StatusOr<RespValue>&type = found[2 * i], &memory = found[2 * i + 1];
    const auto bytes = memory.ok() ? memory->as_number() : std::nullopt;
    if (bytes) {
      section.out.gauge("key_memory_usage_bytes", *bytes,
                        {{"db", database}, {"key", names[i].key}});
    }
    const std::string_view command = type.ok() ? size_command(type->as_text()) : "";
    if (command.empty()) continue;
    keys.push_back({.name = names[i].key, .type = type->as_text()});
    sizes.push_back({command, names[i].key});
  }
  const std::vector<StatusOr<RespValue>> replies = section.keys.call_all(sizes);
  RETURN_IF_ERROR(section.keys.breakage());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto size = replies[i].ok() ? replies[i]->as_integer() : std::nullopt;
    if (!size) continue;
    keys[i].size = *size;
    const Labels labels = {{"db", database}, {"key", keys[i].name}};
    if (keys[i].type == "string") {
      show_string(section, labels, keys[i]);
    } else {
      section.out.gauge("key_size", static_cast<double>(*size), labels);
    }
  }
  return section.keys.breakage();
}

}  // namespace

Status expand_keys(const Section& section, const std::vector<KeyPattern>& patterns,
                   std::size_t limit, std::vector<KeyPattern>* out) {
  std::size_t left_out = 0;
  for (const KeyPattern& pattern : patterns) {
    if (!pattern.has_wildcard()) {
      out->push_back(pattern);
      continue;
    }
    Status status = section.keys.select(pattern.database);
    if (status.ok()) {
      status = scan(section, pattern, [&](const std::vector<RespValue>& found) {
        for (const RespValue& key : found) {
          if (out->size() < limit) {
            out->push_back({pattern.database, std::string(key.as_text())});
          } else {
            ++left_out;
          }
        }
        return left_out == 0;
      });
    }
    RETURN_IF_ERROR(section.keys.breakage());
    if (!status.ok()) {
      base::log::warn("cannot look for keys",
                      {{"pattern", pattern.key}, {"error", message(status)}});
    }
  }
  if (left_out != 0) {
    base::log::warn("more keys match than -check-keys-limit allows", {{"limit", limit}});
    section.out.gauge("exporter_key_limit_reached", 1);
  }
  return ok();
}

Status show_keys(const Section& section) {
  std::vector<KeyPattern> keys = section.chosen.single_keys;
  RETURN_IF_ERROR(expand_keys(section, section.chosen.keys, section.options.max_keys, &keys));
  std::stable_sort(keys.begin(), keys.end(), [](const KeyPattern& a, const KeyPattern& b) {
    return a.database < b.database;
  });
  for (std::size_t begin = 0, end = 0; begin < keys.size(); begin = end) {
    const std::string& database = keys[begin].database;
    while (end < keys.size() && end - begin < kBatch && keys[end].database == database) ++end;
    if (const Status status = section.keys.select(database); !status.ok()) {
      RETURN_IF_ERROR(section.keys.breakage());
      base::log::warn("cannot select a database", {{"database", database}});
      continue;
    }
    RETURN_IF_ERROR(show_batch(section, "db" + (section.options.is_cluster ? "0" : database),
                               std::span(keys).subspan(begin, end - begin)));
  }
  return ok();
}

Status show_key_counts(const Section& section) {
  for (const KeyPattern& pattern : section.chosen.counted) {
    double count = 0;
    Status status = section.keys.select(pattern.database);
    if (status.ok()) {
      status = scan(section, pattern, [&count](const std::vector<RespValue>& found) {
        count += static_cast<double>(found.size());
        return true;
      });
    }
    RETURN_IF_ERROR(section.keys.breakage());
    if (!status.ok()) {
      base::log::warn("cannot count keys", {{"pattern", pattern.key}, {"error", message(status)}});
      continue;
    }
    section.out.gauge("keys_count", count, {{"db", "db" + pattern.database}, {"key", pattern.key}});
  }
  return ok();
}

}  // namespace tocsin::exporters
