// SPDX-License-Identifier: Apache-2.0
//
// nfs and nfsd: /proc/net/rpc/nfs and nfsd, lines "group number number ...". The calls of each
// version of the protocol are counted in the order of the kernel's tables.
#include "exporters/node/nfs/nfs.h"

namespace tocsin::exporters {
namespace {

// Names with blanks between; "-" stands for a number that upstream does not show. Versions 2 and 3
// begin with Null, which is shown of the client only.
constexpr std::string_view kCalls2 =
    "GetAttr SetAttr Root Lookup ReadLink Read WrCache Write Create Remove Rename Link "
    "SymLink MkDir RmDir ReadDir FsStat";
constexpr std::string_view kCalls3 =
    "GetAttr SetAttr Lookup Access ReadLink Read Write Create MkDir SymLink MkNod Remove "
    "RmDir Rename Link ReadDir ReadDirPlus FsStat FsInfo PathConf Commit";
constexpr std::string_view kClientCalls4 =
    "Null Read Write Commit Open OpenConfirm OpenNoattr OpenDowngrade Close Setattr FsInfo Renew "
    "SetClientID SetClientIDConfirm Lock Lockt Locku Access Getattr Lookup LookupRoot Remove "
    "Rename Link Symlink Create Pathconf StatFs ReadLink ReadDir ServerCaps DelegReturn GetACL "
    "SetACL FsLocations ReleaseLockowner Secinfo FsidPresent ExchangeID CreateSession "
    "DestroySession Sequence GetLeaseTime ReclaimComplete GetDeviceInfo LayoutGet LayoutCommit "
    "LayoutReturn SecinfoNoName TestStateID FreeStateID GetDeviceList BindConnToSession "
    "DestroyClientID Seek Allocate DeAllocate LayoutStats Clone";
constexpr std::string_view kServerCalls4 =
    "- - - Access Close Commit Create DelegPurge DelegReturn GetAttr GetFH Link Lock Lockt Locku "
    "Lookup LookupRoot Nverify Open OpenAttr OpenConfirm OpenDgrd PutFH - - Read ReadDir ReadLink "
    "Remove Rename Renew RestoreFH SaveFH SecInfo SetAttr SetClientID SetClientIDConfirm Verify "
    "Write RelLockOwner";

using Numbers = std::vector<double>;

// Shows a number for each name, 0 for those that this kernel does not count.
struct Requests {
  std::string_view name;
  std::string_view help;

  void show(std::string_view calls, std::string_view protocol, std::span<const double> numbers,
            Families* out) const {
    std::size_t i = 0;
    for (const std::string_view call : fields_of(calls)) {
      const double value = i < numbers.size() ? numbers[i] : 0;
      ++i;
      if (call != "-") out->counter(name, help, {{"method", call}, {"proto", protocol}}, value);
    }
  }
};

std::span<const double> after_null(std::span<const double> numbers) {
  return numbers.subspan(std::min<std::size_t>(1, numbers.size()));
}

// Calls `handle` with the group and the numbers of each line.
template <typename Handle>
void for_each_line(std::string_view text, Handle handle) {
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.empty()) continue;
    Numbers numbers;
    for (const std::string_view field : std::span(fields).subspan(1)) {
      numbers.push_back(to_number(field).value_or(0));
    }
    handle(fields[0], numbers);
  }
}

constexpr std::string_view kPacketsHelp =
    "Total NFSd network packets (sent+received) by protocol type.";
constexpr std::string_view kConnectionsHelp = "Total number of NFSd TCP connections.";

void show_client_line(std::string_view group, const Numbers& n, Families* out) {
  constexpr Requests kRequests{"node_nfs_requests_total", "Number of NFS procedures invoked."};
  if (group == "net" && n.size() >= 4) {
    out->counter("node_nfs_packets_total", kPacketsHelp, {{"protocol", "udp"}}, n[1]);
    out->counter("node_nfs_packets_total", kPacketsHelp, {{"protocol", "tcp"}}, n[2]);
    out->counter("node_nfs_connections_total", kConnectionsHelp, {}, n[3]);
  } else if (group == "rpc" && n.size() >= 3) {
    out->counter("node_nfs_rpcs_total", "Total number of RPCs performed.", {}, n[0]);
    out->counter("node_nfs_rpc_retransmissions_total", "Number of RPC transmissions performed.", {},
                 n[1]);
    out->counter("node_nfs_rpc_authentication_refreshes_total",
                 "Number of RPC authentication refreshes performed.", {}, n[2]);
  } else if (group.starts_with("proc") && !n.empty()) {
    const std::span<const double> numbers = std::span(n).subspan(1);  // the first is their count
    if (group == "proc2") {
      kRequests.show("Null", "2", numbers, out);
      kRequests.show(kCalls2, "2", after_null(numbers), out);
    }
    if (group == "proc3") {
      kRequests.show("Null", "3", numbers, out);
      kRequests.show(kCalls3, "3", after_null(numbers), out);
    }
    if (group == "proc4") kRequests.show(kClientCalls4, "4", numbers, out);
  }
}

void show_server_network(const Numbers& n, Families* out) {
  if (n.size() < 4) return;
  out->counter("node_nfsd_packets_total", kPacketsHelp, {{"proto", "udp"}}, n[1]);
  out->counter("node_nfsd_packets_total", kPacketsHelp, {{"proto", "tcp"}}, n[2]);
  out->counter("node_nfsd_connections_total", kConnectionsHelp, {}, n[3]);
}

void show_server_rpc(const Numbers& n, Families* out) {
  if (n.size() < 5) return;
  constexpr std::string_view kHelp = "Total number of NFSd RPC errors by error type.";
  out->counter("node_nfsd_server_rpcs_total", "Total number of NFSd RPCs.", {}, n[0]);
  out->counter("node_nfsd_rpc_errors_total", kHelp, {{"error", "fmt"}}, n[2]);
  out->counter("node_nfsd_rpc_errors_total", kHelp, {{"error", "auth"}}, n[3]);
  out->counter("node_nfsd_rpc_errors_total", kHelp, {{"error", "cInt"}}, n[4]);
}

void show_server_caches(std::string_view group, const Numbers& n, Families* out) {
  if (group == "rc" && n.size() >= 3) {
    out->counter("node_nfsd_reply_cache_hits_total",
                 "Total number of NFSd Reply Cache hits (client lost server response).", {}, n[0]);
    out->counter(
        "node_nfsd_reply_cache_misses_total",
        "Total number of NFSd Reply Cache an operation that requires caching (idempotent).", {},
        n[1]);
    out->counter("node_nfsd_reply_cache_nocache_total",
                 "Total number of NFSd Reply Cache non-idempotent operations (rename/delete/…).",
                 {}, n[2]);
  } else if (group == "fh" && !n.empty()) {
    out->counter("node_nfsd_file_handles_stale_total", "Total number of NFSd stale file handles",
                 {}, n[0]);
  } else if (group == "ra" && n.size() >= 12) {
    out->gauge("node_nfsd_read_ahead_cache_size_blocks",
               "How large the read ahead cache is in blocks.", {}, n[0]);
    out->counter("node_nfsd_read_ahead_cache_not_found_total",
                 "Total number of NFSd read ahead cache not found.", {}, n[11]);
  }
}

void show_server_line(std::string_view group, const Numbers& n, Families* out) {
  constexpr Requests kRequests{"node_nfsd_requests_total",
                               "Total number NFSd Requests by method and protocol."};
  if (group == "net") return show_server_network(n, out);
  if (group == "rpc") return show_server_rpc(n, out);
  if (group == "rc" || group == "fh" || group == "ra") return show_server_caches(group, n, out);
  if (n.empty()) return;
  const std::span<const double> numbers = std::span(n).subspan(1);
  if (group == "io" && n.size() >= 2) {
    out->counter("node_nfsd_disk_bytes_read_total", "Total NFSd bytes read.", {}, n[0]);
    out->counter("node_nfsd_disk_bytes_written_total", "Total NFSd bytes written.", {}, n[1]);
  } else if (group == "th") {
    out->gauge("node_nfsd_server_threads", "Total number of NFSd kernel threads that are running.",
               {}, n[0]);
  } else if (group == "proc2") {
    kRequests.show(kCalls2, "2", after_null(numbers), out);
  } else if (group == "proc3") {
    kRequests.show(kCalls3, "3", after_null(numbers), out);
  } else if (group == "proc4ops") {
    kRequests.show(kServerCalls4, "4", numbers, out);
  } else if (group == "wdeleg_getattr") {
    out->counter(kRequests.name, kRequests.help, {{"method", "WdelegGetattr"}, {"proto", "4"}},
                 n[0]);
  }
}

}  // namespace

Status collect_nfs(const Node& node, Families* out) {
  const StatusOr<std::string> text = node.file(node.proc("/net/rpc/nfs"));
  if (!text.ok()) return no_data_if_missing(text.status());
  for_each_line(
      *text, [out](std::string_view group, const Numbers& n) { show_client_line(group, n, out); });
  return ok();
}

Status collect_nfsd(const Node& node, Families* out) {
  const StatusOr<std::string> text = node.file(node.proc("/net/rpc/nfsd"));
  if (!text.ok()) return no_data_if_missing(text.status());
  for_each_line(
      *text, [out](std::string_view group, const Numbers& n) { show_server_line(group, n, out); });
  return ok();
}

}  // namespace tocsin::exporters
