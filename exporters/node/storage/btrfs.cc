// SPDX-License-Identifier: Apache-2.0
//
// btrfs: /sys/fs/btrfs/UUID: allocation by kind of block group and layout, devices, commits.
#include "exporters/node/storage/storage.h"

namespace tocsin::exporters {
namespace {

constexpr double kSectorBytes = 512;

// Bytes on disk for a byte of data.
double allocation_ratio(std::string_view layout, double devices) {
  if (layout == "raid1" || layout == "raid10" || layout == "dup") return 2;
  if (layout == "raid1c3") return 3;
  if (layout == "raid1c4") return 4;
  if (layout == "raid5" && devices > 1) return devices / (devices - 1);
  if (layout == "raid6" && devices > 2) return devices / (devices - 2);
  return 1;
}

struct FileSystem {
  std::string path;
  std::string uuid;
  double devices = 0;
};

void show_allocation(const Node& node, const FileSystem& fs, const std::string& type,
                     Families* out) {
  const std::string directory = fs.path + "/allocation/" + type;
  const Labels labels = {{"block_group_type", type}, {"uuid", fs.uuid}};
  if (const auto reserved = node.number(directory + "/bytes_reserved")) {
    out->gauge("node_btrfs_reserved_bytes", "Amount of space reserved for a data type", labels,
               *reserved);
  }
  for (const std::string& layout : node.list(directory)) {
    const std::optional<double> total = node.number(directory + "/" + layout + "/total_bytes");
    const std::optional<double> used = node.number(directory + "/" + layout + "/used_bytes");
    if (!total || !used) continue;
    const Labels of_layout = {{"block_group_type", type}, {"mode", layout}, {"uuid", fs.uuid}};
    out->gauge("node_btrfs_used_bytes", "Amount of used space by a layout/data type", of_layout,
               *used);
    out->gauge("node_btrfs_size_bytes", "Amount of space allocated for a layout/data type",
               of_layout, *total);
    out->gauge("node_btrfs_allocation_ratio", "Data allocation ratio for a layout/data type",
               of_layout, allocation_ratio(layout, fs.devices));
  }
}

void show_commits(const Node& node, const FileSystem& fs, Families* out) {
  double commits = 0, last = 0, longest = 0, total = 0;
  const std::string text = node.try_text(fs.path + "/commit_stats").value_or("");
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() != 2) continue;
    const double value = to_number(fields[1]).value_or(0);
    if (fields[0] == "commits") commits = value;
    if (fields[0] == "last_commit_ms") last = value;
    if (fields[0] == "max_commit_ms") longest = value;
    if (fields[0] == "total_commit_ms") total = value;
  }
  const Labels labels = {{"uuid", fs.uuid}};
  out->counter("node_btrfs_commits_total", "The total number of commits that have occurred.",
               labels, commits);
  out->gauge("node_btrfs_last_commit_seconds", "Duration of the most recent commit, in seconds.",
             labels, last / 1000);
  out->gauge("node_btrfs_max_commit_seconds", "Duration of the slowest commit, in seconds.", labels,
             longest / 1000);
  out->counter("node_btrfs_commit_seconds_total", "Sum of the duration of all commits, in seconds.",
               labels, total / 1000);
}

}  // namespace

Status collect_btrfs(const Node& node, Families* out) {
  const std::string directory = node.sys("/fs/btrfs");
  for (const std::string& name : node.list(directory)) {
    // "features" stands beside the file systems.
    if (name.find('-') == std::string::npos) continue;
    FileSystem fs{.path = directory + "/" + name, .uuid = name};
    out->gauge("node_btrfs_info", "Filesystem information",
               {{"label", node.try_text(fs.path + "/label").value_or("")}, {"uuid", fs.uuid}}, 1);
    if (const auto size = node.number(fs.path + "/allocation/global_rsv_size")) {
      out->gauge("node_btrfs_global_rsv_size_bytes", "Size of global reserve.", {{"uuid", fs.uuid}},
                 *size);
    }
    for (const std::string& device : node.list(fs.path + "/devices")) {
      fs.devices += 1;
      const auto sectors = node.number(fs.path + "/devices/" + device + "/size");
      if (!sectors) continue;
      out->gauge("node_btrfs_device_size_bytes", "Size of a device that is part of the filesystem.",
                 {{"device", device}, {"uuid", fs.uuid}}, *sectors * kSectorBytes);
    }
    for (const std::string type : {"data", "metadata", "system"}) {
      show_allocation(node, fs, type, out);
    }
    show_commits(node, fs, out);
  }
  return ok();
}

}  // namespace tocsin::exporters
