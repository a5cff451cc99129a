// SPDX-License-Identifier: Apache-2.0
//
// mdadm: /proc/mdstat, blocks of lines:
//   md6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]
//         195310144 blocks [2/1] [U_]
//         [=>.....]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec
// and /sys/block/mdN/md. drbd: /proc/drbd.
#include "exporters/node/storage/storage.h"

namespace tocsin::exporters {
namespace {

struct Array {
  std::string name;
  std::string state;  // as in the label
  bool is_striped = false;
  double listed = 0, failed = 0, spare = 0;  // devices
  double active = 0, required = 0, blocks = 0;
  std::optional<double> synced = std::nullopt;
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

Array parse_array(const std::vector<std::string_view>& fields) {
  Array array{.name = std::string(fields[0]), .state = std::string(fields[2])};
  for (const std::string_view field : std::span(fields).subspan(3)) {
    if (field == "raid0" || field == "linear") array.is_striped = true;
    if (!contains(field, "[")) continue;
    array.listed += 1;
    if (field.ends_with("(F)")) array.failed += 1;
    if (field.ends_with("(S)")) array.spare += 1;
  }
  return array;
}

// "[4/3]": required and active.
bool parse_counts(std::string_view field, Array* array) {
  if (!field.starts_with('[') || !field.ends_with(']')) return false;
  field = field.substr(1, field.size() - 2);
  const std::size_t slash = field.find('/');
  if (slash == std::string_view::npos) return false;
  const std::optional<double> required = to_number(field.substr(0, slash));
  const std::optional<double> active = to_number(field.substr(slash + 1));
  if (!required || !active) return false;
  array->required = *required;
  array->active = *active;
  return true;
}

void parse_blocks(const std::vector<std::string_view>& fields, Array* array) {
  array->blocks = to_number(fields[0]).value_or(0);
  if (array->state == "inactive") return;
  if (array->is_striped) {
    array->required = array->listed;
    array->active = array->listed;
    return;
  }
  for (const std::string_view field : fields) {
    if (parse_counts(field, array)) return;
  }
}

void parse_progress(std::string_view line, Array* array) {
  const std::string_view state = contains(line, "recovery")  ? "recovering"
                                 : contains(line, "resync")  ? "resync"
                                 : contains(line, "check")   ? "check"
                                 : contains(line, "reshape") ? "reshape"
                                                             : "";
  if (state.empty()) return;
  array->state = state;
  array->synced = 0;  // also what a delayed one has done
  const std::size_t open = line.find('(');
  const std::size_t slash = line.find('/', open == std::string_view::npos ? 0 : open);
  if (open == std::string_view::npos || slash == std::string_view::npos) return;
  array->synced = to_number(line.substr(open + 1, slash - open - 1)).value_or(0);
}

std::vector<Array> parse_mdstat(std::string_view text) {
  std::vector<Array> arrays;
  bool in_array = false;
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    const bool is_title = !line.empty() && line[0] != ' ' && line[0] != '\t';
    if (is_title) in_array = fields.size() > 3 && fields[1] == ":" && fields[0].starts_with("md");
    if (fields.empty() || !in_array) continue;
    if (is_title) {
      arrays.push_back(parse_array(fields));
    } else if (fields.size() > 1 && fields[1] == "blocks") {
      parse_blocks(fields, &arrays.back());
    } else {
      parse_progress(line, &arrays.back());
    }
  }
  return arrays;
}

void show_array(const Array& array, Families* out) {
  constexpr std::string_view kStates[] = {"active", "inactive", "recovering", "resync", "check"};
  for (const std::string_view state : kStates) {
    out->gauge("node_md_state", "Indicates the state of md-device.",
               {{"device", array.name}, {"state", state}}, state == array.state ? 1 : 0);
  }
  const std::pair<std::string_view, double> disks[] = {
      {"active", array.active}, {"failed", array.failed}, {"spare", array.spare}};
  for (const auto& [state, count] : disks) {
    out->gauge("node_md_disks", "Number of active/failed/spare disks of device.",
               {{"device", array.name}, {"state", state}}, count);
  }
  const Labels labels = {{"device", array.name}};
  out->gauge("node_md_disks_required", "Total number of disks of device.", labels, array.required);
  out->gauge("node_md_blocks", "Total number of blocks on device.", labels, array.blocks);
  out->gauge("node_md_blocks_synced", "Number of blocks synced on device.", labels,
             array.synced.value_or(array.blocks));
}

struct DrbdValue {
  std::string_view key;
  std::string_view name;
  std::string_view help;
  base::MetricType type;
  double factor;
};

constexpr base::MetricType kCounter = base::MetricType::kCounter;
constexpr base::MetricType kGauge = base::MetricType::kGauge;

constexpr DrbdValue kDrbdValues[] = {
    {"ns", "node_drbd_network_sent_bytes_total", "Total number of bytes sent via the network.",
     kCounter, 1024},
    {"nr", "node_drbd_network_received_bytes_total",
     "Total number of bytes received via the network.", kCounter, 1},
    {"dw", "node_drbd_disk_written_bytes_total", "Net data written on local hard disk; in bytes.",
     kCounter, 1024},
    {"dr", "node_drbd_disk_read_bytes_total", "Net data read from local hard disk; in bytes.",
     kCounter, 1024},
    {"al", "node_drbd_activitylog_writes_total",
     "Number of updates of the activity log area of the meta data.", kCounter, 1},
    {"bm", "node_drbd_bitmap_writes_total",
     "Number of updates of the bitmap area of the meta data.", kCounter, 1},
    {"lo", "node_drbd_local_pending", "Number of open requests to the local I/O sub-system.",
     kGauge, 1},
    {"pe", "node_drbd_remote_pending",
     "Number of requests sent to the peer, but that have not yet been answered by the latter.",
     kGauge, 1},
    {"ua", "node_drbd_remote_unacknowledged",
     "Number of requests received by the peer via the network connection, but that have not yet "
     "been answered.",
     kGauge, 1},
    {"ap", "node_drbd_application_pending",
     "Number of block I/O requests forwarded to DRBD, but not yet answered by DRBD.", kGauge, 1},
    {"ep", "node_drbd_epochs", "Number of Epochs currently on the fly.", kGauge, 1},
    {"oos", "node_drbd_out_of_sync_bytes", "Amount of data known to be out of sync; in bytes.",
     kGauge, 1024},
};

void show_drbd_pair(std::string_view device, std::string_view key, std::string_view value,
                    Families* out) {
  const std::size_t slash = value.find('/');
  const auto show_nodes = [&](std::string_view name, std::string_view help,
                              std::string_view wanted) {
    if (slash == std::string_view::npos) return;
    out->gauge(name, help, {{"device", device}, {"node", "local"}},
               value.substr(0, slash) == wanted ? 1 : 0);
    out->gauge(name, help, {{"device", device}, {"node", "remote"}},
               value.substr(slash + 1) == wanted ? 1 : 0);
  };
  if (key == "ro") {
    show_nodes("node_drbd_node_role_is_primary",
               "Whether the role of the node is in the primary state.", "Primary");
  } else if (key == "ds") {
    show_nodes("node_drbd_disk_state_is_up_to_date", "Whether the disk of the node is up to date.",
               "UpToDate");
  } else if (key == "cs") {
    out->gauge("node_drbd_connected", "Whether DRBD is connected to the peer.",
               {{"device", device}}, value == "Connected" ? 1 : 0);
  }
  for (const DrbdValue& row : kDrbdValues) {
    const auto number = row.key == key ? to_number(value) : std::optional<double>();
    if (!number) continue;
    out->add({row.name, row.help, row.type}, {{"device", std::string(device)}},
             *number * row.factor);
  }
}

}  // namespace

Status collect_mdadm(const Node& node, Families* out) {
  const StatusOr<std::string> text = node.file(node.proc("/mdstat"));
  if (!text.ok()) return no_data_if_missing(text.status());
  for (const Array& array : parse_mdstat(*text)) show_array(array, out);
  const std::string directory = node.sys("/block");
  for (const std::string& name : node.list(directory, "md")) {
    const std::string path = directory + "/" + name + "/md";
    const std::optional<double> disks = node.number(path + "/raid_disks");
    if (!disks) continue;
    out->gauge("node_md_raid_disks", "Number of raid disks on device.", {{"device", name}}, *disks);
    out->gauge("node_md_degraded", "Number of degraded disks on device.", {{"device", name}},
               node.number(path + "/degraded").value_or(0));
  }
  return ok();
}

// " 1: cs:Connected ro:Primary/Primary ..." begins a device, then more "key:value" pairs.
Status collect_drbd(const Node& node, Families* out) {
  const StatusOr<std::string> text = node.file(node.proc("/drbd"));
  if (!text.ok()) return no_data_if_missing(text.status());
  std::string device;
  for (const std::string_view field : fields_of(*text)) {
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view key = field.substr(0, colon);
    if (colon + 1 == field.size() && to_count(key)) device = fmt::format("drbd{}", key);
    if (!device.empty()) show_drbd_pair(device, key, field.substr(colon + 1), out);
  }
  return ok();
}

}  // namespace tocsin::exporters
