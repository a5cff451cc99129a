// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "exporters/redis/sections/sections.h"

namespace tocsin::exporters {
namespace {

constexpr std::size_t kMaxGroups = 1000;  // of a stream, and consumers of a group

struct Column {
  std::string_view field, family;
};

// The milliseconds of an entry's id "1526985685298-0"; 0 for none.
double entry_time(std::string_view id) { return number_of(id.substr(0, id.find('-'))).value_or(0); }

void show_numbers(const RespValue& map, std::initializer_list<Column> columns, Labels labels,
                  RedisMetrics* out) {
  for (const Column& column : columns) {
    const RespValue* value = map.at(column.field);
    const auto number = value == nullptr ? std::nullopt : value->as_number();
    if (number) out->gauge(column.family, *number, labels);
  }
}

Status show_consumers(const Section& section, const KeyPattern& stream, std::string_view group) {
  const StatusOr<RespValue> consumers =
      section.keys.call({"XINFO", "CONSUMERS", stream.key, group});
  if (!consumers.ok()) return section.keys.breakage();
  const std::string database = "db" + stream.database;
  for (const RespValue& consumer :
       std::span(consumers->items).first(std::min(consumers->items.size(), kMaxGroups))) {
    const RespValue *name = consumer.at("name"), *idle = consumer.at("idle");
    if (name == nullptr) continue;
    const Labels labels = {
        {"consumer", name->as_text()}, {"db", database}, {"group", group}, {"stream", stream.key}};
    show_numbers(consumer, {{"pending", "stream_group_consumer_messages_pending"}}, labels,
                 &section.out);
    const auto milliseconds = idle == nullptr ? std::nullopt : idle->as_number();
    if (milliseconds) {
      section.out.gauge("stream_group_consumer_idle_seconds", *milliseconds / 1e3, labels);
    }
  }
  return ok();
}

Status show_groups(const Section& section, const KeyPattern& stream) {
  const StatusOr<RespValue> groups = section.keys.call({"XINFO", "GROUPS", stream.key});
  if (!groups.ok()) return section.keys.breakage();
  const std::string database = "db" + stream.database;
  for (const RespValue& group :
       std::span(groups->items).first(std::min(groups->items.size(), kMaxGroups))) {
    const RespValue *name = group.at("name"), *last = group.at("last-delivered-id");
    if (name == nullptr) continue;
    const Labels labels = {{"db", database}, {"group", name->as_text()}, {"stream", stream.key}};
    // Where the server cannot know entries-read or lag, there is none.
    show_numbers(group,
                 {{"consumers", "stream_group_consumers"},
                  {"pending", "stream_group_messages_pending"},
                  {"entries-read", "stream_group_entries_read"},
                  {"lag", "stream_group_lag"}},
                 labels, &section.out);
    section.out.gauge("stream_group_last_delivered_id",
                      entry_time(last == nullptr ? std::string_view() : last->as_text()), labels);
    if (!section.options.consumers_excluded) {
      RETURN_IF_ERROR(show_consumers(section, stream, name->as_text()));
    }
  }
  return ok();
}

Status show_stream(const Section& section, const KeyPattern& stream) {
  const StatusOr<RespValue> info = section.keys.call({"XINFO", "STREAM", stream.key});
  if (!info.ok()) {
    base::log::debug("cannot show a stream",
                     {{"stream", stream.key}, {"error", message(info.status())}});
    return section.keys.breakage();
  }
  const std::string database = "db" + stream.database;
  const Labels labels = {{"db", database}, {"stream", stream.key}};
  show_numbers(*info,
               {{"length", "stream_length"},
                {"radix-tree-keys", "stream_radix_tree_keys"},
                {"radix-tree-nodes", "stream_radix_tree_nodes"},
                {"groups", "stream_groups"}},
               labels, &section.out);
  for (const Column& column : {Column{"last-generated-id", "stream_last_generated_id"},
                               Column{"max-deleted-entry-id", "stream_max_deleted_entry_id"}}) {
    const RespValue* id = info->at(column.field);
    section.out.gauge(column.family, id == nullptr ? 0 : entry_time(id->as_text()), labels);
  }
  for (const Column& column : {Column{"first-entry", "stream_first_entry_id"},
                               Column{"last-entry", "stream_last_entry_id"}}) {
    const RespValue* entry = info->at(column.field);
    const bool is_there = entry != nullptr && !entry->items.empty();
    section.out.gauge(column.family, is_there ? entry_time(entry->items[0].as_text()) : 0, labels);
  }
  const RespValue* added = info->at("entries-added");
  section.out.counter("stream_entries_added_total",
                      added == nullptr ? 0 : added->as_number().value_or(0), labels);
  return show_groups(section, stream);
}

}  // namespace

Status show_streams(const Section& section) {
  std::vector<KeyPattern> streams = section.chosen.single_streams;
  RETURN_IF_ERROR(expand_keys(section, section.chosen.streams, section.options.max_keys, &streams));
  for (const KeyPattern& stream : streams) {
    if (const Status status = section.keys.select(stream.database); !status.ok()) {
      RETURN_IF_ERROR(section.keys.breakage());
      continue;
    }
    RETURN_IF_ERROR(show_stream(section, stream));
  }
  return ok();
}

}  // namespace tocsin::exporters
