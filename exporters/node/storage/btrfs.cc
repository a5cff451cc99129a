// SPDX-License-Identifier: Apache-2.0
//
// btrfs: /sys/fs/btrfs/UUID: allocation by kind of block group and layout, devices, commits. What
// devices have left and their errors only a mounted file system tells, when it is asked.
#include <map>
#include <set>

#include "exporters/node/disk/mounts.h"
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

void show_device(const BtrfsReport::Device& device, const std::string& uuid, Families* out) {
  const Labels labels = {{"btrfs_dev_uuid", device.uuid}, {"device", device.name}, {"uuid", uuid}};
  out->gauge("node_btrfs_device_size_bytes", "Size of a device that is part of the filesystem.",
             labels, device.size_bytes);
  out->gauge("node_btrfs_device_unused_bytes",
             "Unused bytes unused on a device that is part of the filesystem.", labels,
             device.size_bytes - device.used_bytes);
  const std::pair<std::string_view, double> errors[] = {{"write", device.write_errors},
                                                        {"read", device.read_errors},
                                                        {"flush", device.flush_errors},
                                                        {"corruption", device.corruption_errors},
                                                        {"generation", device.generation_errors}};
  for (const auto& [type, count] : errors) {
    out->counter(
        "node_btrfs_device_errors_total", "Errors reported for the device",
        {{"btrfs_dev_uuid", device.uuid}, {"device", device.name}, {"type", type}, {"uuid", uuid}},
        count);
  }
}

// What the mounted file systems tell, by their UUID without dashes. Each is asked at one of its
// mount points; what cannot be asked (for want of rights, say) is left out.
std::map<std::string, BtrfsReport> ask_mounted(const Node& node) {
  std::map<std::string, BtrfsReport> reports;
  std::set<std::string> asked;
  std::optional<std::string> mounts = node.try_text(node.proc("/1/mountinfo"));
  // A container may not look at process 1.
  if (!mounts) mounts = node.try_text(node.proc("/self/mountinfo"));
  for (const Mount& mount : parse_mountinfo(mounts.value_or(""))) {
    if (mount.fs_type != "btrfs" || asked.contains(mount.device)) continue;
    const std::string& rootfs = node.options.rootfs;
    StatusOr<BtrfsReport> report =
        node.services.btrfs_report(path_here(rootfs, without_root(rootfs, mount.mount_point)));
    if (!report.ok()) continue;
    asked.insert(mount.device);
    reports.emplace(report->uuid, *std::move(report));
  }
  return reports;
}

// Those that a mounted file system tells, otherwise those in /sys.
void show_devices(const Node& node, const std::map<std::string, BtrfsReport>& reports,
                  FileSystem* fs, Families* out) {
  std::string plain = fs->uuid;
  std::erase(plain, '-');
  const auto report = reports.find(plain);
  if (report != reports.end()) {
    for (const auto& device : report->second.devices) show_device(device, fs->uuid, out);
  }
  for (const std::string& device : node.list(fs->path + "/devices")) {
    fs->devices += 1;
    const auto sectors = node.number(fs->path + "/devices/" + device + "/size");
    if (!sectors || report != reports.end()) continue;
    out->gauge("node_btrfs_device_size_bytes", "Size of a device that is part of the filesystem.",
               {{"device", device}, {"uuid", fs->uuid}}, *sectors * kSectorBytes);
  }
}

}  // namespace

Status collect_btrfs(const Node& node, Families* out) {
  const std::string directory = node.sys("/fs/btrfs");
  std::optional<std::map<std::string, BtrfsReport>> reports;
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
    if (!reports) reports = ask_mounted(node);
    show_devices(node, *reports, &fs, out);
    for (const std::string type : {"data", "metadata", "system"}) {
      show_allocation(node, fs, type, out);
    }
    show_commits(node, fs, out);
  }
  return ok();
}

}  // namespace tocsin::exporters
