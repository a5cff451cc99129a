// SPDX-License-Identifier: Apache-2.0
//
// filesystem: the mounts of process 1, or of this process, and what statfs(2) says about each.
#include <set>
#include <tuple>

#include "exporters/node/collectors.h"
#include "exporters/node/disk/mount_probe.h"
#include "exporters/node/disk/mounts.h"
#include "exporters/node/text.h"

namespace tocsin::exporters {
namespace {

struct MountFamilies {
  base::MetricFamily make(std::string_view name, std::string_view help) const {
    return make_family(fmt::format("node_filesystem_{}", name), help, base::MetricType::kGauge);
  }

  base::MetricFamily size = make("size_bytes", "Filesystem size in bytes.");
  base::MetricFamily free = make("free_bytes", "Filesystem free space in bytes.");
  base::MetricFamily available =
      make("avail_bytes", "Filesystem space available to non-root users in bytes.");
  base::MetricFamily files = make("files", "Filesystem total file nodes.");
  base::MetricFamily files_free = make("files_free", "Filesystem total free file nodes.");
  base::MetricFamily purgeable = make(
      "purgeable_bytes", "Filesystem space available including purgeable space (MacOS specific).");
  base::MetricFamily read_only = make("readonly", "Filesystem read-only status.");
  base::MetricFamily device_error = make(
      "device_error", "Whether an error occurred while getting statistics for the given device.");
  base::MetricFamily mount_info = make("mount_info", "Filesystem mount information.");

  void add(const Mount& mount, const StatusOr<MountStats>& stats) {
    const LabelPairs labels = {
        {"device", mount.device},
        {"device_error", stats.ok() ? std::string() : std::string(message(stats.status()))},
        {"fstype", mount.fs_type},
        {"mountpoint", mount.mount_point}};
    add_sample(&mount_info,
               {{"device", mount.device},
                {"major", mount.major},
                {"minor", mount.minor},
                {"mountpoint", mount.mount_point}},
               1);
    add_sample(&device_error, labels, stats.ok() ? 0 : 1);
    add_sample(&read_only, labels, mount.read_only ? 1 : 0);
    if (!stats.ok()) return;
    add_sample(&size, labels, stats->size_bytes);
    add_sample(&free, labels, stats->free_bytes);
    add_sample(&available, labels, stats->available_bytes);
    add_sample(&files, labels, stats->files);
    add_sample(&files_free, labels, stats->files_free);
    add_sample(&purgeable, labels, 0);
  }
};

class FilesystemCollector final : public Collector {
 public:
  FilesystemCollector(const NodeOptions& options, const NodeServices& services, Filter mount_points,
                      Filter fs_types)
      : options_(options),
        services_(services),
        mount_points_(std::move(mount_points)),
        fs_types_(std::move(fs_types)),
        probe_({.timeout = options.mount_timeout, .workers = options.stat_workers},
               services.mount_stats, services.clock, services.timers) {}

  std::string_view name() const override { return "filesystem"; }

  Status collect(std::vector<base::MetricFamily>* out) override {
    ASSIGN_OR_RETURN(const std::vector<Mount> mounts, wanted_mounts());
    std::vector<std::string> paths;
    std::map<std::string, std::size_t> index_of_path;
    for (const Mount& mount : mounts) {
      std::string path = path_here(options_.rootfs, mount.mount_point);
      if (index_of_path.emplace(path, paths.size()).second) paths.push_back(std::move(path));
    }
    const std::vector<StatusOr<MountStats>> stats = probe_.ask_all(paths);
    MountFamilies families;
    for (const Mount& mount : mounts) {
      families.add(mount, stats[index_of_path.at(path_here(options_.rootfs, mount.mount_point))]);
    }
    append_families(
        {std::move(families.size), std::move(families.free), std::move(families.available),
         std::move(families.files), std::move(families.files_free), std::move(families.purgeable),
         std::move(families.read_only), std::move(families.device_error),
         std::move(families.mount_info)},
        out);
    return ok();
  }

 private:
  StatusOr<std::vector<Mount>> wanted_mounts() const {
    // Process 1 may be hidden (hidepid); its mounts are those of the host, ours may be a
    // container's.
    StatusOr<std::string> text =
        services_.files.read_file(options_.procfs + "/1/mountinfo", kMaxProcFile);
    if (!text.ok()) {
      text = services_.files.read_file(options_.procfs + "/self/mountinfo", kMaxProcFile);
    }
    RETURN_IF_ERROR(text.status());
    std::vector<Mount> mounts;
    std::set<std::tuple<std::string, std::string, std::string>> seen;
    for (Mount& mount : parse_mountinfo(*text)) {
      mount.mount_point = without_root(options_.rootfs, mount.mount_point);
      if (!mount_points_.keeps(mount.mount_point) || !fs_types_.keeps(mount.fs_type)) continue;
      if (!seen.emplace(mount.device, mount.mount_point, mount.fs_type).second) continue;
      mounts.push_back(std::move(mount));
    }
    return mounts;
  }

  const NodeOptions& options_;
  const NodeServices& services_;
  const Filter mount_points_;
  const Filter fs_types_;
  MountProbe probe_;
};

}  // namespace

StatusOr<std::unique_ptr<Collector>> make_filesystem_collector(const NodeOptions& options,
                                                               const NodeServices& services) {
  ASSIGN_OR_RETURN(Filter mount_points, Filter::make(options.mount_points));
  ASSIGN_OR_RETURN(Filter fs_types, Filter::make(options.fs_types));
  return std::make_unique<FilesystemCollector>(options, services, std::move(mount_points),
                                               std::move(fs_types));
}

}  // namespace tocsin::exporters
