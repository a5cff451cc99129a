// SPDX-License-Identifier: Apache-2.0
//
// NodeOptions: what tocsin-node-exporter can be told, its defaults, and its flags.
//
// A value.
// Errors: those of Flags.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "exporters/common/flags.h"

namespace tocsin::exporters {

// Include and exclude expressions of one kind of thing; unanchored, "" = not given.
struct FilterOptions {
  std::string include = {};
  std::string exclude = {};
};

struct NodeOptions {
  std::string procfs = "/proc";
  std::string sysfs = "/sys";
  std::string rootfs = "/";
  std::string udev_data = "/run/udev/data";

  bool disable_defaults = false;
  std::map<std::string, std::optional<bool>> collectors;  // by name; empty = the default of each

  FilterOptions arp_devices;
  bool arp_netlink = true;
  bool bcache_priority_stats = false;
  bool cpu_guest = true;
  bool cpu_info = false;
  std::string cpu_info_flags;  // expressions; "" = none shown
  std::string cpu_info_bugs;
  FilterOptions disks{.include = "",
                      .exclude = R"(^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$)"};
  FilterOptions ethtool_devices;
  std::string ethtool_metrics = ".*";
  FilterOptions mount_points{.include = "",
                             .exclude =
                                 "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+"
                                 "|var/lib/containers/storage/.+)($|/)"};
  FilterOptions fs_types{
      .include = "",
      .exclude =
          "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl"
          "|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs"
          "|selinuxfs|squashfs|erofs|sysfs|tracefs)$"};
  base::Duration mount_timeout{5'000};
  std::size_t stat_workers = 4;
  FilterOptions hwmon_chips;
  FilterOptions hwmon_sensors;
  FilterOptions interrupts;
  bool interrupts_include_zeros = true;
  std::string ipvs_labels = "local_address,local_port,remote_address,remote_port,proto,local_mark";
  std::string netclass_ignored = "^$";
  bool netclass_ignore_invalid_speed = false;
  bool netclass_netlink = false;
  bool netclass_with_stats = false;
  FilterOptions network_devices;
  bool netdev_address_info = false;
  bool netdev_detailed = false;
  bool netdev_label_ifalias = false;
  bool netdev_netlink = true;
  std::string netstat_fields =
      "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)"
      "|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)"
      "|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)"
      "|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$";
  bool pci_names = false;
  std::string pci_ids_file;  // "" = the usual places
  std::string perf_cpus;     // "" = all
  std::vector<std::string> perf_tracepoints;
  bool perf_no_hardware = false;
  bool perf_no_software = false;
  bool perf_no_cache = false;
  std::vector<std::string> perf_hardware;  // names; empty = all
  std::vector<std::string> perf_software;
  std::vector<std::string> perf_cache;
  std::string powersupply_ignored = "^$";
  std::string ntp_server = "127.0.0.1";
  std::size_t ntp_port = 123;
  std::size_t ntp_version = 4;
  bool ntp_server_is_local = false;
  std::size_t ntp_ttl = 1;
  double ntp_max_distance_seconds = 3.46608;
  double ntp_offset_tolerance_seconds = 0.001;
  FilterOptions qdisc_devices;
  std::string qdisc_fixtures;  // a directory to read instead of asking the kernel
  bool rapl_zone_label = false;
  std::string runit_directory = "/etc/service";
  FilterOptions slabs{.include = ".*", .exclude = ""};
  bool stat_softirq = false;
  std::string supervisord_url = "http://localhost:9001/RPC2";
  std::vector<std::string> sysctl_include;
  std::vector<std::string> sysctl_include_info;
  FilterOptions systemd_units{.include = ".+",
                              .exclude = R"(.+\.(automount|device|mount|scope|slice))"};
  bool systemd_task_metrics = false;
  bool systemd_restarts_metrics = false;
  bool systemd_start_time_metrics = false;
  std::string tapestats_ignored = "^$";
  std::vector<std::string> textfile_directories;
  std::string vmstat_fields = "^(oom_kill|pgpg|pswp|pg.*fault).*";
  std::string wifi_fixtures;  // a directory to read instead of asking the kernel

  NodeOptions();

  // Whether the collector runs when no flag names it.
  static bool is_default(std::string_view collector);
  bool is_enabled(const std::string& collector) const;
  // kInvalidArgument for a filter that both includes and excludes.
  Status validate() const;
  // Collectors that upstream has and this program, as started, does not run.
  std::vector<std::string> disabled_collectors() const;
};

// `options` holds the defaults and must outlive `flags`.
void add_node_flags(Flags* flags, NodeOptions* options);

}  // namespace tocsin::exporters
