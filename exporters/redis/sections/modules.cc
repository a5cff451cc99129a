// SPDX-License-Identifier: Apache-2.0
//
// What is not Redis itself: modules, indexes of Redis Search, Tile38, and scripts of the user.
#include "base/log.h"
#include "exporters/redis/sections/sections.h"
#include "model/matcher.h"

namespace tocsin::exporters {
namespace {

constexpr std::size_t kMaxIndexes = 1000;
constexpr std::size_t kMaxScriptValues = 10'000;
constexpr double kMiB = 1 << 20;

struct Column {
  std::string_view field, family;
  double factor = 1;
};

constexpr Column kIndexColumns[] = {
    {"num_docs", "search_index_num_docs"},
    {"max_doc_id", "search_index_max_doc_id"},
    {"num_terms", "search_index_num_terms"},
    {"num_records", "search_index_num_records"},
    {"inverted_sz_mb", "search_index_inverted_size_bytes", kMiB},
    {"total_inverted_index_blocks", "search_index_total_inverted_index_blocks"},
    {"vector_index_sz_mb", "search_index_vector_index_size_bytes", kMiB},
    {"offset_vectors_sz_mb", "search_index_offset_vectors_size_bytes", kMiB},
    {"doc_table_size_mb", "search_index_doc_table_size_bytes", kMiB},
    {"sortable_values_size_mb", "search_index_sortable_values_size_bytes", kMiB},
    {"key_table_size_mb", "search_index_key_table_size_bytes", kMiB},
    {"tag_overhead_sz_mb", "search_index_tag_overhead_size_bytes", kMiB},
    {"text_overhead_sz_mb", "search_index_text_overhead_size_bytes", kMiB},
    {"total_index_memory_sz_mb", "search_index_total_index_memory_size_bytes", kMiB},
    {"geoshapes_sz_mb", "search_index_geoshapes_size_bytes", kMiB},
    {"records_per_doc_avg", "search_index_avg_per_doc_records"},
    {"bytes_per_record_avg", "search_index_avg_per_record_bytes"},
    {"offsets_per_term_avg", "search_index_avg_per_term_offsets"},
    {"offset_bits_per_record_avg", "search_index_avg_per_record_offset_bits"},
    {"indexing", "search_index_indexing"},
    {"percent_indexed", "search_index_percent_indexed"},
    {"hash_indexing_failures", "search_index_hash_indexing_failures"},
    {"cleaning", "search_index_cleaning"}};

void show_index(const RespValue& info, std::string_view asked, RedisMetrics* out) {
  const RespValue* name = info.at("index_name");
  const Labels labels = {{"index_name", name == nullptr ? asked : name->as_text()}};
  const auto number_at = [&info](std::string_view field) {
    const RespValue* value = info.at(field);
    return value == nullptr ? 0 : value->as_number().value_or(0);
  };
  for (const Column& column : kIndexColumns) {
    out->gauge(column.family, number_at(column.field) * column.factor, labels);
  }
  out->counter("search_index_number_of_uses_total", number_at("number_of_uses"), labels);
}

// One script; the families of what it returns, and how that went: 1 good, 2 nothing, 0 failed.
Status show_script(const Section& section, const std::string& path, const std::string& script) {
  const std::string_view command = section.options.scripts_read_only ? "EVAL_RO" : "EVAL";
  const StatusOr<RespValue> reply = section.server.call({command, script, "0", "0"});
  RETURN_IF_ERROR(section.server.breakage());
  Status status = annotate(reply.status(), "{}", path);
  std::size_t shown = 0;
  for (std::size_t i = 0; status.ok() && i + 1 < reply->items.size(); i += 2) {
    const auto number = reply->items[i + 1].as_number();
    if (!number) {
      status = failed_precondition("{}: the script returned what is no number", path);
    } else if (++shown > kMaxScriptValues) {
      status = resource_exhausted("{}: the script returned too many values", path);
    } else {
      section.out.gauge("script_values", *number,
                        {{"filename", path}, {"key", reply->items[i].as_text()}});
    }
  }
  const double good = shown == 0 ? 2 : 1;
  section.out.gauge("script_result", status.ok() ? good : 0, {{"filename", path}});
  return status;
}

}  // namespace

Status show_modules(const Section& section) {
  const StatusOr<RespValue> reply = section.server.call({"INFO", "MODULES"});
  if (!reply.ok()) return section.server.breakage();
  const RedisInfo info(reply->as_text());
  for (const RedisInfo::Field& field : info.fields()) {
    if (field.key != "module") {
      show_field(field.key, field.value, &section.out);
      continue;
    }
    // "name=search,ver=21005,api=1,filters=0,usedby=[],using=[],options=[]"
    section.out.gauge("module_info", 1,
                      {{"api", text_in(field.value, "api")},
                       {"filters", text_in(field.value, "filters")},
                       {"name", text_in(field.value, "name")},
                       {"usedby", text_in(field.value, "usedby")},
                       {"using", text_in(field.value, "using")},
                       {"ver", text_in(field.value, "ver")}});
  }
  return ok();
}

Status show_search_indexes(const Section& section) {
  ASSIGN_OR_RETURN(const model::Regex wanted,
                   model::Regex::unanchored(section.options.search_index_pattern));
  const StatusOr<RespValue> names = section.server.call({"FT._LIST"});
  if (!names.ok()) return section.server.breakage();
  std::size_t shown = 0;
  for (const RespValue& name : names->items) {
    if (!wanted.matches(name.as_text()) || ++shown > kMaxIndexes) continue;
    const StatusOr<RespValue> info = section.server.call({"FT.INFO", name.as_text()});
    RETURN_IF_ERROR(section.server.breakage());
    if (info.ok()) show_index(*info, name.as_text(), &section.out);
  }
  return ok();
}

Status show_tile38(const Section& section) {
  const StatusOr<RespValue> reply = section.server.call({"SERVER", "EXT"});
  if (!reply.ok()) return section.server.breakage();
  for (std::size_t i = 0; i + 1 < reply->items.size(); i += 2) {
    std::string field(reply->items[i].as_text());
    if (!field.starts_with("tile38_")) field.insert(0, "tile38_");
    show_field(field, reply->items[i + 1].as_text(), &section.out);
  }
  return ok();
}

Status show_scripts(const Section& section) {
  Status first;
  for (const auto& [path, script] : section.options.scripts) {
    const Status status = show_script(section, path, script);
    RETURN_IF_ERROR(section.server.breakage());
    if (first.ok()) first = status;
  }
  return first;
}

}  // namespace tocsin::exporters
