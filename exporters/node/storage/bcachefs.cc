// SPDX-License-Identifier: Apache-2.0
//
// bcachefs: /sys/fs/bcachefs/UUID: counters, errors, and a directory dev-N for each device. Sizes
// are written for people, in units of 1024: "2.05G".
#include <cmath>

#include "exporters/node/storage/storage.h"

namespace tocsin::exporters {
namespace {

std::optional<double> from_human(std::string_view text) {
  constexpr std::string_view kUnits = "kMGTPE";
  double scale = 1;
  if (!text.empty()) {
    const std::size_t unit = kUnits.find(text.back());
    if (unit != std::string_view::npos) {
      text.remove_suffix(1);
      for (std::size_t i = 0; i <= unit; ++i) scale *= 1024;
    }
  }
  const std::optional<double> number = to_number(text);
  if (!number) return std::nullopt;
  return std::floor(*number * scale);
}

std::vector<std::string> lines_of_file(const Node& node, const std::string& path) {
  const std::string text = node.try_text(path).value_or("");
  std::vector<std::string> lines;
  for (const std::string_view line : lines_of(text)) lines.emplace_back(line);
  return lines;
}

void show_counters(const Node& node, const std::string& path, const std::string& uuid,
                   Families* out) {
  constexpr std::string_view kSince = "since filesystem creation:";
  for (const std::string& name : node.list(path + "/counters")) {
    for (const std::string_view line : lines_of_file(node, path + "/counters/" + name)) {
      if (!line.starts_with(kSince)) continue;
      const auto value = from_human(trimmed(line.substr(kSince.size())));
      if (!value) continue;
      out->counter(fmt::format("node_bcachefs_{}_total", name),
                   fmt::format("Bcachefs counter {} since filesystem creation.", name),
                   {{"uuid", uuid}}, *value);
    }
  }
}

void show_tables(const Node& node, const std::string& path, const std::string& uuid,
                 Families* out) {
  for (const std::string_view line : lines_of_file(node, path + "/compression_stats")) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() != 4) continue;
    const auto compressed = from_human(fields[1]);
    const auto uncompressed = from_human(fields[2]);
    if (!compressed || !uncompressed) continue;  // the line of titles
    const Labels labels = {{"algorithm", fields[0]}, {"uuid", uuid}};
    out->gauge("node_bcachefs_compression_compressed_bytes", "Compressed size by algorithm.",
               labels, *compressed);
    out->gauge("node_bcachefs_compression_uncompressed_bytes", "Uncompressed size by algorithm.",
               labels, *uncompressed);
  }
  for (const std::string_view line : lines_of_file(node, path + "/errors")) {
    const std::vector<std::string_view> fields = fields_of(line);
    const auto count = fields.size() >= 2 ? to_number(fields[1]) : std::optional<double>();
    if (!count) continue;
    out->counter("node_bcachefs_errors_total", "Error count by error type.",
                 {{"error_type", fields[0]}, {"uuid", uuid}}, *count);
  }
  for (const std::string_view line : lines_of_file(node, path + "/btree_write_stats")) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() != 3 || !fields[0].ends_with(':')) continue;
    const auto count = from_human(fields[1]);
    const auto size = from_human(fields[2]);
    if (!count || !size) continue;
    const Labels labels = {{"type", fields[0].substr(0, fields[0].size() - 1)}, {"uuid", uuid}};
    out->counter("node_bcachefs_btree_writes_total", "Number of btree writes by type.", labels,
                 *count);
    out->gauge("node_bcachefs_btree_write_average_size_bytes", "Average btree write size by type.",
               labels, *size);
  }
}

// Sections "read:" and "write:", then lines "type : bytes".
void show_io(const Node& node, const std::string& path, std::string_view uuid,
             std::string_view device, Families* out) {
  std::string operation;
  for (const std::string_view line : lines_of_file(node, path + "/io_done")) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = trimmed(line.substr(0, colon));
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (value.empty()) {
      operation = name;
    } else if (const auto bytes = to_number(value)) {
      out->counter(
          "node_bcachefs_device_io_done_bytes_total", "IO bytes by operation type and data type.",
          {{"data_type", name}, {"device", device}, {"operation", operation}, {"uuid", uuid}},
          *bytes);
    }
  }
  bool is_since_creation = false;
  for (const std::string_view line : lines_of_file(node, path + "/io_errors")) {
    if (line.starts_with("IO errors since")) {
      is_since_creation = line.find("filesystem creation") != std::string_view::npos;
      continue;
    }
    const std::size_t colon = line.find(':');
    if (!is_since_creation || colon == std::string_view::npos) continue;
    const auto count = to_number(trimmed(line.substr(colon + 1)));
    if (!count) continue;
    out->counter("node_bcachefs_device_io_errors_total", "IO errors by error type.",
                 {{"device", device}, {"type", trimmed(line.substr(0, colon))}, {"uuid", uuid}},
                 *count);
  }
}

void show_device(const Node& node, const std::string& path, const std::string& uuid,
                 const std::string& device, Families* out) {
  const auto text = [&](std::string_view name) {
    return node.try_text(fmt::format("{}/{}", path, name)).value_or("");
  };
  out->gauge(
      "node_bcachefs_device_info", "Device information.",
      {{"device", device}, {"label", text("label")}, {"state", text("state")}, {"uuid", uuid}}, 1);
  const Labels labels = {{"device", device}, {"uuid", uuid}};
  if (const auto size = from_human(text("bucket_size"))) {
    out->gauge("node_bcachefs_device_bucket_size_bytes", "Bucket size in bytes.", labels, *size);
  }
  if (const auto count = from_human(text("nbuckets"))) {
    out->gauge("node_bcachefs_device_buckets", "Total number of buckets.", labels, *count);
  }
  if (const auto value = to_number(text("durability"))) {
    out->gauge("node_bcachefs_device_durability", "Device durability setting.", labels, *value);
  }
  show_io(node, path, uuid, device, out);
}

}  // namespace

Status collect_bcachefs(const Node& node, Families* out) {
  const std::string directory = node.sys("/fs/bcachefs");
  const StatusOr<std::vector<std::string>> uuids = node.services.files.list(directory);
  if (!uuids.ok()) return no_data_if_missing(uuids.status());
  for (const std::string& uuid : *uuids) {
    const std::string path = directory + "/" + uuid;
    out->gauge("node_bcachefs_info", "Filesystem information.", {{"uuid", uuid}}, 1);
    if (const auto size = from_human(node.try_text(path + "/btree_cache_size").value_or(""))) {
      out->gauge("node_bcachefs_btree_cache_size_bytes", "Btree cache memory usage in bytes.",
                 {{"uuid", uuid}}, *size);
    }
    show_counters(node, path, uuid, out);
    show_tables(node, path, uuid, out);
    for (const std::string& name : node.list(path, "dev-")) {
      show_device(node, path + "/" + name, uuid, name.substr(4), out);
    }
  }
  return ok();
}

}  // namespace tocsin::exporters
