// SPDX-License-Identifier: Apache-2.0
//
// mountstats: /proc/self/mountstats, a block of lines for each mount; of NFS mounts it has events,
// bytes, transports and operations. Mounts of one export share their counters and are shown once.
#include <map>
#include <set>

#include "exporters/node/nfs/nfs.h"

namespace tocsin::exporters {
namespace {

struct Row {
  std::string_view name;  // "" = not shown
  std::string_view help;
};

// In the order of the numbers in their lines.
constexpr Row kEvents[] = {
    {"node_mountstats_nfs_event_inode_revalidate_total",
     "Number of times cached inode attributes are re-validated from the server."},
    {"node_mountstats_nfs_event_dnode_revalidate_total",
     "Number of times cached dentry nodes are re-validated from the server."},
    {"node_mountstats_nfs_event_data_invalidate_total",
     "Number of times an inode cache is cleared."},
    {"node_mountstats_nfs_event_attribute_invalidate_total",
     "Number of times cached inode attributes are invalidated."},
    {"node_mountstats_nfs_event_vfs_open_total",
     "Number of times cached inode attributes are invalidated."},
    {"node_mountstats_nfs_event_vfs_lookup_total",
     "Number of times a directory lookup has occurred."},
    {"node_mountstats_nfs_event_vfs_access_total",
     "Number of times permissions have been checked."},
    {"node_mountstats_nfs_event_vfs_update_page_total",
     "Number of updates (and potential writes) to pages."},
    {"node_mountstats_nfs_event_vfs_read_page_total",
     "Number of pages read directly via mmap()'d files."},
    {"node_mountstats_nfs_event_vfs_read_pages_total",
     "Number of times a group of pages have been read."},
    {"node_mountstats_nfs_event_vfs_write_page_total",
     "Number of pages written directly via mmap()'d files."},
    {"node_mountstats_nfs_event_vfs_write_pages_total",
     "Number of times a group of pages have been written."},
    {"node_mountstats_nfs_event_vfs_getdents_total",
     "Number of times directory entries have been read with getdents()."},
    {"node_mountstats_nfs_event_vfs_setattr_total",
     "Number of times directory entries have been read with getdents()."},
    {"node_mountstats_nfs_event_vfs_flush_total",
     "Number of pending writes that have been forcefully flushed to the server."},
    {"node_mountstats_nfs_event_vfs_fsync_total",
     "Number of times fsync() has been called on directories and files."},
    {"node_mountstats_nfs_event_vfs_lock_total",
     "Number of times locking has been attempted on a file."},
    {"node_mountstats_nfs_event_vfs_file_release_total",
     "Number of times files have been closed and released."},
    {"", ""},
    {"node_mountstats_nfs_event_truncation_total", "Number of times files have been truncated."},
    {"node_mountstats_nfs_event_write_extension_total",
     "Number of times a file has been grown due to writes beyond its existing end."},
    {"node_mountstats_nfs_event_silly_rename_total",
     "Number of times a file was removed while still open by another process."},
    {"node_mountstats_nfs_event_short_read_total",
     "Number of times the NFS server gave less data than expected while reading."},
    {"node_mountstats_nfs_event_short_write_total",
     "Number of times the NFS server wrote less data than expected while writing."},
    {"node_mountstats_nfs_event_jukebox_delay_total",
     "Number of times the NFS server indicated EJUKEBOX; retrieving data from offline storage."},
    {"node_mountstats_nfs_event_pnfs_read_total", "Number of NFS v4.1+ pNFS reads."},
    {"node_mountstats_nfs_event_pnfs_write_total", "Number of NFS v4.1+ pNFS writes."},
};

constexpr Row kBytes[] = {
    {"node_mountstats_nfs_read_bytes_total", "Number of bytes read using the read() syscall."},
    {"node_mountstats_nfs_write_bytes_total", "Number of bytes written using the write() syscall."},
    {"node_mountstats_nfs_direct_read_bytes_total",
     "Number of bytes read using the read() syscall in O_DIRECT mode."},
    {"node_mountstats_nfs_direct_write_bytes_total",
     "Number of bytes written using the write() syscall in O_DIRECT mode."},
    {"node_mountstats_nfs_total_read_bytes_total",
     "Number of bytes read from the NFS server, in total."},
    {"node_mountstats_nfs_total_write_bytes_total",
     "Number of bytes written to the NFS server, in total."},
    {"node_mountstats_nfs_read_pages_total", "Number of pages read directly via mmap()'d files."},
    {"node_mountstats_nfs_write_pages_total",
     "Number of pages written directly via mmap()'d files."},
};

constexpr Row kOperation[] = {
    {"node_mountstats_nfs_operations_requests_total",
     "Number of requests performed for a given operation."},
    {"node_mountstats_nfs_operations_transmissions_total",
     "Number of times an actual RPC request has been transmitted for a given operation."},
    {"node_mountstats_nfs_operations_major_timeouts_total",
     "Number of times a request has had a major timeout for a given operation."},
    {"node_mountstats_nfs_operations_sent_bytes_total",
     "Number of bytes sent for a given operation, including RPC headers and payload."},
    {"node_mountstats_nfs_operations_received_bytes_total",
     "Number of bytes received for a given operation, including RPC headers and payload."},
    {"node_mountstats_nfs_operations_queue_time_seconds_total",
     "Duration all requests spent queued for transmission for a given operation before they "
     "were sent, in seconds."},
    {"node_mountstats_nfs_operations_response_time_seconds_total",
     "Duration all requests took to get a reply back after a request for a given operation was "
     "transmitted, in seconds."},
    {"node_mountstats_nfs_operations_request_time_seconds_total",
     "Duration all requests took from when a request was enqueued to when it was completely "
     "handled for a given operation, in seconds."},
};

constexpr std::size_t kFirstTime = 5;  // of kOperation: from here on milliseconds

constexpr Row kTransport[] = {
    {"node_mountstats_nfs_transport_bind_total",
     "Number of times the client has had to establish a connection from scratch to the NFS "
     "server."},
    {"node_mountstats_nfs_transport_connect_total",
     "Number of times the client has made a TCP connection to the NFS server."},
    {"node_mountstats_nfs_transport_idle_time_seconds",
     "Duration since the NFS mount last saw any RPC traffic, in seconds."},
    {"node_mountstats_nfs_transport_sends_total",
     "Number of RPC requests for this mount sent to the NFS server."},
    {"node_mountstats_nfs_transport_receives_total",
     "Number of RPC responses for this mount received from the NFS server."},
    {"node_mountstats_nfs_transport_bad_transaction_ids_total",
     "Number of times the NFS server sent a response with a transaction ID unknown to this "
     "client."},
    {"node_mountstats_nfs_transport_backlog_queue_total",
     "Total number of items added to the RPC backlog queue."},
    {"node_mountstats_nfs_transport_maximum_rpc_slots",
     "Maximum number of simultaneously active RPC requests ever used."},
    {"node_mountstats_nfs_transport_sending_queue_total",
     "Total number of items added to the RPC transmission sending queue."},
    {"node_mountstats_nfs_transport_pending_queue_total",
     "Total number of items added to the RPC transmission pending queue."},
};

// Where the numbers of kTransport stand behind the name of the protocol; 0 = nowhere.
constexpr std::size_t kTcpPlaces[] = {2, 3, 5, 6, 7, 8, 10, 11, 12, 13};
constexpr std::size_t kUdpPlaces[] = {2, 0, 0, 3, 4, 5, 7, 8, 9, 10};
constexpr std::size_t kRdmaPlaces[] = {2, 3, 5, 6, 7, 8, 10, 0, 0, 0};

struct NfsMount {
  std::string_view device;
  std::string_view mount_point;
  std::string_view age = {}, bytes = {}, events = {};  // what follows the key
  std::vector<std::string_view> transports = {};
  std::vector<std::pair<std::string_view, std::string_view>> operations = {};
};

// "device D mounted on M with fstype T statvers=1.1"
bool is_nfs_title(const std::vector<std::string_view>& fields) {
  return fields.size() >= 8 && fields[0] == "device" && fields[6] == "fstype" &&
         (fields[7] == "nfs" || fields[7] == "nfs4");
}

std::vector<NfsMount> parse_mounts(std::string_view text) {
  std::vector<NfsMount> mounts;
  bool in_mount = false, in_operations = false;
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.empty()) continue;
    if (fields[0] == "device") {
      in_mount = is_nfs_title(fields);
      in_operations = false;
      if (in_mount) mounts.push_back({.device = fields[1], .mount_point = fields[4]});
      continue;
    }
    if (!in_mount) continue;
    NfsMount& mount = mounts.back();
    const std::size_t colon = line.find(':');
    if (fields[0] == "per-op") in_operations = true;
    if (colon == std::string_view::npos) continue;
    const std::string_view key = trimmed(line.substr(0, colon));
    const std::string_view rest = trimmed(line.substr(colon + 1));
    if (in_operations) {
      mount.operations.emplace_back(key, rest);
    } else if (key == "age") {
      mount.age = rest;
    } else if (key == "bytes") {
      mount.bytes = rest;
    } else if (key == "events") {
      mount.events = rest;
    } else if (key == "xprt" && !rest.empty()) {
      mount.transports.push_back(rest);
    }
  }
  return mounts;
}

// The option addr= of the mounts, by mount point and device.
std::map<std::string, std::string> mount_addresses(std::string_view mountinfo) {
  std::map<std::string, std::string> addresses;
  for (const std::string_view line : lines_of(mountinfo)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() < 6) continue;
    std::string_view options = fields.back();
    while (!options.empty()) {
      const std::string_view one = options.substr(0, options.find(','));
      if (one.starts_with("addr=")) addresses[std::string(fields[4])] = one.substr(5);
      options.remove_prefix(std::min(one.size() + 1, options.size()));
    }
  }
  return addresses;
}

void show_row(std::span<const Row> rows, std::string_view numbers, const LabelPairs& labels,
              Families* out) {
  const std::vector<std::string_view> fields = fields_of(numbers);
  for (std::size_t i = 0; i < rows.size() && i < fields.size(); ++i) {
    const std::optional<double> value = to_number(fields[i]);
    if (rows[i].name.empty() || !value) continue;
    out->add({rows[i].name, rows[i].help, base::MetricType::kCounter}, labels, *value);
  }
}

void show_operation(std::string_view numbers, const LabelPairs& labels, Families* out) {
  const std::vector<std::string_view> fields = fields_of(numbers);
  for (std::size_t i = 0; i < std::size(kOperation) && i < fields.size(); ++i) {
    const std::optional<std::uint64_t> number = to_count(fields[i]);
    if (!number) continue;
    // Some kernels let a time run below zero; only what a double holds exactly is shown.
    constexpr std::uint64_t kExact = std::uint64_t{1} << 53;
    const double value = i < kFirstTime ? static_cast<double>(*number)
                                        : static_cast<double>(*number % kExact) / 1000;
    out->add({kOperation[i].name, kOperation[i].help, base::MetricType::kCounter}, labels, value);
  }
}

void show_transport(std::string_view text, const LabelPairs& labels, Families* out) {
  const std::vector<std::string_view> fields = fields_of(text);
  const auto& places = fields[0] == "tcp"   ? kTcpPlaces
                       : fields[0] == "udp" ? kUdpPlaces
                                            : kRdmaPlaces;
  for (std::size_t i = 0; i < std::size(kTransport); ++i) {
    const std::size_t place = places[i];
    const double value =
        place == 0 || place >= fields.size() ? 0 : to_number(fields[place]).value_or(0);
    out->add({kTransport[i].name, kTransport[i].help,
              kTransport[i].name.ends_with("_total") ? base::MetricType::kCounter
                                                     : base::MetricType::kGauge},
             labels, value);
  }
}

void show_mount(const NfsMount& mount, const LabelPairs& labels, Families* out) {
  out->add({"node_mountstats_nfs_age_seconds_total", "The age of the NFS mount in seconds.",
            base::MetricType::kCounter},
           labels, to_number(mount.age).value_or(0));
  show_row(kBytes, mount.bytes, labels, out);
  show_row(kEvents, mount.events, labels, out);
  for (std::size_t i = 0; i < mount.transports.size(); ++i) {
    LabelPairs of_transport = labels;
    of_transport.emplace_back("transport", fmt::format("{}", i));
    show_transport(mount.transports[i], of_transport, out);
  }
  for (const auto& [name, numbers] : mount.operations) {
    LabelPairs of_operation = labels;
    of_operation.emplace_back("operation", name);
    show_operation(numbers, of_operation, out);
  }
}

}  // namespace

Status collect_mountstats(const Node& node, Families* out) {
  ASSIGN_OR_RETURN(const std::string text, node.file(node.proc("/self/mountstats")));
  ASSIGN_OR_RETURN(const std::string info, node.file(node.proc("/self/mountinfo")));
  const std::map<std::string, std::string> addresses = mount_addresses(info);
  std::set<LabelPairs> shown, shown_points;
  for (const NfsMount& mount : parse_mounts(text)) {
    if (mount.transports.empty()) continue;
    const std::string_view protocol = mount.transports[0].substr(0, mount.transports[0].find(' '));
    const auto address = addresses.find(std::string(mount.mount_point));
    LabelPairs labels =
        label_pairs({{"export", mount.device},
                     {"mountaddr", address == addresses.end() ? "" : address->second},
                     {"protocol", protocol}});
    LabelPairs of_point = labels;
    of_point.emplace_back("mountpoint", mount.mount_point);
    if (shown_points.insert(of_point).second) {
      out->add({"node_mountstats_nfs_mountpoint_info", "Info metric for an NFS mountpoint."},
               of_point, 1);
    }
    if (shown.insert(labels).second) show_mount(mount, labels, out);
  }
  return ok();
}

}  // namespace tocsin::exporters
