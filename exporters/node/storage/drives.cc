// SPDX-License-Identifier: Apache-2.0
//
// Drives: nvme, nvmesubsystem, dmmultipath, tapestats.
#include <algorithm>

#include "exporters/node/storage/storage.h"

namespace tocsin::exporters {
namespace {

constexpr base::MetricType kCounter = base::MetricType::kCounter;
constexpr base::MetricType kGauge = base::MetricType::kGauge;

// "nvme0n1" and "nvme0c1n1" -> "1"; "" for other names.
std::string_view namespace_number(std::string_view name) {
  const std::size_t n = name.rfind('n');
  if (!name.starts_with("nvme") || n < 5 || n == std::string_view::npos) return "";
  const std::string_view number = name.substr(n + 1);
  return to_count(number) ? number : "";
}

void show_namespace(const Node& node, const std::string& path, std::string_view device,
                    std::string_view number, Families* out) {
  const std::optional<double> blocks = node.number(path + "/size");
  const std::optional<double> used = node.number(path + "/nuse");
  const std::optional<double> block = node.number(path + "/queue/logical_block_size");
  if (!blocks || !block) return;
  const Labels labels = {{"device", device}, {"nsid", number}};
  out->gauge("node_nvme_namespace_info", "Information about NVMe namespaces. Value is always 1",
             {{"ana_state", node.try_text(path + "/ana_state").value_or("unknown")},
              {"device", device},
              {"nsid", number}},
             1);
  out->gauge("node_nvme_namespace_capacity_bytes",
             "Capacity of the NVMe namespace in bytes. Computed as namespace_size * "
             "namespace_logical_block_size",
             labels, *blocks * *block);
  out->gauge("node_nvme_namespace_size_bytes",
             "Size of the NVMe namespace in bytes. Available in "
             "/sys/class/nvme/<device>/<namespace>/size",
             labels, *blocks * *block);
  if (used) {
    out->gauge("node_nvme_namespace_used_bytes",
               "Used space of the NVMe namespace in bytes. Available in "
               "/sys/class/nvme/<device>/<namespace>/nuse",
               labels, *used * *block);
  }
  out->gauge("node_nvme_namespace_logical_block_size_bytes",
             "Logical block size of the NVMe namespace in bytes. Usually 4Kb. Available in "
             "/sys/class/nvme/<device>/<namespace>/queue/logical_block_size",
             labels, *block);
}

// "nvme0" is a controller of a subsystem.
bool is_controller(std::string_view name) {
  return name.starts_with("nvme") && to_count(name.substr(4)).has_value();
}

// "nvme0n1"; "nvme0c1n1" is a path to it.
bool is_namespace(std::string_view name) {
  const std::size_t n = name.rfind('n');
  return name.starts_with("nvme") && n > 4 && to_count(name.substr(4, n - 4)) &&
         to_count(name.substr(n + 1));
}

void show_controller(const Node& node, const std::string& path, std::string_view subsystem,
                     std::string_view controller, Families* out) {
  constexpr std::string_view kStates[] = {"connecting", "dead",      "deleting", "live",
                                          "new",        "resetting", "unknown"};
  std::string state = node.try_text(path + "/state").value_or("");
  if (state == "deleting (no IO)") state = "deleting";
  if (std::find(std::begin(kStates), std::end(kStates), state) == std::end(kStates)) {
    state = "unknown";
  }
  const std::string transport = node.try_text(path + "/transport").value_or("");
  for (const std::string_view one : kStates) {
    out->gauge("node_nvmesubsystem_path_state",
               "Current NVMe controller path state (1 for the current state, 0 for all others).",
               {{"controller", controller},
                {"state", one},
                {"subsystem", subsystem},
                {"transport", transport}},
               one == state ? 1 : 0);
  }
}

void show_subsystem(const Node& node, const std::string& path, const std::string& subsystem,
                    Families* out) {
  const auto text = [&](std::string_view name) {
    return node.try_text(fmt::format("{}/{}", path, name)).value_or("");
  };
  out->gauge("node_nvmesubsystem_info", "Non-numeric information about an NVMe subsystem.",
             {{"iopolicy", text("iopolicy")},
              {"model", text("model")},
              {"nqn", text("subsysnqn")},
              {"serial", text("serial")},
              {"subsystem", subsystem}},
             1);
  double paths = 0, live = 0;
  for (const std::string& name : node.list(path, "nvme")) {
    if (is_controller(name)) {
      paths += 1;
      if (text(name + "/state") == "live") live += 1;
      show_controller(node, path + "/" + name, subsystem, name, out);
    } else if (is_namespace(name)) {
      out->gauge("node_nvmesubsystem_namespace_info",
                 "Maps an NVMe namespace block device to its subsystem.",
                 {{"device", name}, {"subsystem", subsystem}}, 1);
    }
  }
  out->gauge("node_nvmesubsystem_paths", "Number of controller paths for an NVMe subsystem.",
             {{"subsystem", subsystem}}, paths);
  out->gauge("node_nvmesubsystem_paths_live",
             "Number of controller paths in live state for an NVMe subsystem.",
             {{"subsystem", subsystem}}, live);
}

void show_multipath(const Node& node, const std::string& path, const std::string& sysfs_name,
                    Families* out) {
  const std::string uuid = node.try_text(path + "/dm/uuid").value_or("");
  if (!uuid.starts_with("mpath-")) return;
  const std::string device = node.try_text(path + "/dm/name").value_or("");
  double paths = 0, active = 0;
  for (const std::string& slave : node.list(path + "/slaves")) {
    const std::string state =
        node.try_text(node.sys("/block/" + slave + "/device/state")).value_or("unknown");
    paths += 1;
    if (state == "running" || state == "live") active += 1;
    out->gauge("node_dmmultipath_path_state",
               "Reports the underlying device state for a multipath path, as read from "
               "/sys/block/<dev>/device/state.",
               {{"device", device}, {"path", slave}, {"state", state}}, 1);
  }
  const Labels labels = {{"device", device}, {"sysfs_name", sysfs_name}};
  out->gauge("node_dmmultipath_device_info", "Non-numeric information about a DM-multipath device.",
             {{"device", device}, {"sysfs_name", sysfs_name}, {"uuid", uuid}}, 1);
  out->gauge("node_dmmultipath_device_active",
             "Whether the multipath device-mapper device is active (1) or suspended (0).", labels,
             node.number(path + "/dm/suspended").value_or(0) == 0 ? 1 : 0);
  constexpr double kSectorBytes = 512;
  out->gauge("node_dmmultipath_device_size_bytes",
             "Size of the multipath device in bytes, read from /sys/block/<dm>/size.", labels,
             node.number(path + "/size").value_or(0) * kSectorBytes);
  out->gauge("node_dmmultipath_device_paths", "Number of paths for a multipath device.", labels,
             paths);
  out->gauge("node_dmmultipath_device_paths_active",
             "Number of paths in active state (SCSI running or NVMe live) for a multipath device.",
             labels, active);
  out->gauge("node_dmmultipath_device_paths_failed",
             "Number of paths not in active state for a multipath device.", labels, paths - active);
}

constexpr FileMetric kTape[] = {
    {"in_flight", "node_tape_io_now", "The number of I/Os currently outstanding to this device.",
     kGauge},
    {"io_ns", "node_tape_io_time_seconds_total",
     "The amount of time spent waiting for all I/O to complete (including read and write). This "
     "includes tape movement commands such as seeking between file or set marks and implicit tape "
     "movement such as when rewind on close tape devices are used.",
     kCounter, 1e-9},
    {"other_cnt", "node_tape_io_others_total",
     "The number of I/Os issued to the tape drive other than read or write commands. The time "
     "taken to complete these commands uses the following calculation "
     "io_time_seconds_total-read_time_seconds_total-write_time_seconds_total",
     kCounter},
    {"read_byte_cnt", "node_tape_read_bytes_total", "The number of bytes read from the tape drive.",
     kCounter},
    {"read_cnt", "node_tape_reads_completed_total",
     "The number of read requests issued to the tape drive.", kCounter},
    {"read_ns", "node_tape_read_time_seconds_total",
     "The amount of time spent waiting for read requests to complete.", kCounter, 1e-9},
    {"resid_cnt", "node_tape_residual_total",
     "The number of times during a read or write we found the residual amount to be non-zero. This "
     "should mean that a program is issuing a read larger thean the block size on tape. For write "
     "not all data made it to tape.",
     kCounter},
    {"write_byte_cnt", "node_tape_written_bytes_total",
     "The number of bytes written to the tape drive.", kCounter},
    {"write_cnt", "node_tape_writes_completed_total",
     "The number of write requests issued to the tape drive.", kCounter},
    {"write_ns", "node_tape_write_time_seconds_total",
     "The amount of time spent waiting for write requests to complete.", kCounter, 1e-9},
};

}  // namespace

Status collect_nvme(const Node& node, Families* out) {
  const std::string directory = node.sys("/class/nvme");
  const StatusOr<std::vector<std::string>> devices = node.services.files.list(directory);
  if (!devices.ok()) return no_data_if_missing(devices.status());
  for (const std::string& device : *devices) {
    const std::string path = directory + "/" + device;
    const auto text = [&](std::string_view name) {
      return node.try_text(fmt::format("{}/{}", path, name)).value_or("");
    };
    out->gauge("node_nvme_info",
               "Non-numeric data from /sys/class/nvme/<device>, value is always 1.",
               {{"cntlid", text("cntlid")},
                {"device", device},
                {"firmware_revision", text("firmware_rev")},
                {"model", text("model")},
                {"serial", text("serial")},
                {"state", text("state")}},
               1);
    for (const std::string& name : node.list(path, "nvme")) {
      const std::string_view number = namespace_number(name);
      if (!number.empty()) show_namespace(node, path + "/" + name, device, number, out);
    }
  }
  return ok();
}

Status collect_nvmesubsystem(const Node& node, Families* out) {
  const std::string directory = node.sys("/class/nvme-subsystem");
  const StatusOr<std::vector<std::string>> names = node.services.files.list(directory);
  if (!names.ok()) return no_data_if_missing(names.status());
  for (const std::string& name : *names) {
    if (name.starts_with("nvme-subsys")) show_subsystem(node, directory + "/" + name, name, out);
  }
  return ok();
}

Status collect_dmmultipath(const Node& node, Families* out) {
  const std::string directory = node.sys("/block");
  for (const std::string& name : node.list(directory, "dm-")) {
    show_multipath(node, directory + "/" + name, name, out);
  }
  return ok();
}

StatusOr<Collect> make_tapestats(const Node& node) {
  ASSIGN_OR_RETURN(Filter filter, Filter::make({.exclude = node.options.tapestats_ignored}));
  return Collect([node, names = NameSet(std::move(filter))](Families* out) mutable -> Status {
    const std::string directory = node.sys("/class/scsi_tape");
    const StatusOr<std::vector<std::string>> devices = node.services.files.list(directory);
    if (!devices.ok()) return no_data_if_missing(devices.status());
    for (const std::string& device : *devices) {
      // A drive has other names for its modes: nst0, st0a.
      if (!device.starts_with("st") || !to_count(std::string_view(device).substr(2))) continue;
      if (!names.keeps(device)) continue;
      node.show_files(directory + "/" + device + "/stats", kTape, {{"device", device}}, out);
    }
    return ok();
  });
}

}  // namespace tocsin::exporters
