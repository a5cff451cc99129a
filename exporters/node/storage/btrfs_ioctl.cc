// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include <linux/btrfs.h>
#include <sys/ioctl.h>

#include "base/file_descriptor.h"
#include "exporters/node/storage/storage.h"

namespace tocsin::exporters {
namespace {

constexpr std::uint64_t kMaxDevices = 4096;  // numbers that are tried

template <std::size_t N>
std::string hex(const __u8 (&bytes)[N]) {
  std::string out;
  for (const __u8 byte : bytes) out.append(fmt::format("{:02x}", byte));
  return out;
}

// "0876ddc1-9f02-412e-b4cb-4f23e68c3948"
std::string with_dashes(std::string uuid) {
  for (const std::size_t at : {8U, 13U, 18U, 23U}) uuid.insert(at, "-");
  return uuid;
}

// false for a number that no device has: they need not follow one another.
StatusOr<bool> ask_device(int directory, std::uint64_t number, BtrfsReport* report) {
  btrfs_ioctl_dev_info_args info{};
  info.devid = number;
  if (::ioctl(directory, BTRFS_IOC_DEV_INFO, &info) != 0) {
    if (errno == ENODEV) return false;
    return errno_status(errno, "btrfs device info");
  }
  btrfs_ioctl_get_dev_stats stats{};
  stats.devid = number;
  stats.nr_items = BTRFS_DEV_STAT_VALUES_MAX;
  if (::ioctl(directory, BTRFS_IOC_GET_DEV_STATS, &stats) != 0) {
    return errno_status(errno, "btrfs device statistics");
  }
  const auto* path = reinterpret_cast<const char*>(&info.path[0]);
  const std::string_view name(path, ::strnlen(path, sizeof(info.path)));
  const auto value = [&](int i) { return static_cast<double>(stats.values[i]); };
  report->devices.push_back({.name = std::string(name.substr(name.rfind('/') + 1)),
                             .uuid = with_dashes(hex(info.uuid)),
                             .size_bytes = static_cast<double>(info.total_bytes),
                             .used_bytes = static_cast<double>(info.bytes_used),
                             .write_errors = value(BTRFS_DEV_STAT_WRITE_ERRS),
                             .read_errors = value(BTRFS_DEV_STAT_READ_ERRS),
                             .flush_errors = value(BTRFS_DEV_STAT_FLUSH_ERRS),
                             .corruption_errors = value(BTRFS_DEV_STAT_CORRUPTION_ERRS),
                             .generation_errors = value(BTRFS_DEV_STAT_GENERATION_ERRS)});
  return true;
}

}  // namespace

StatusOr<BtrfsReport> ask_btrfs(const std::string& path) {
  const base::FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) return errno_status(errno, "open " + path);
  btrfs_ioctl_fs_info_args info{};
  if (::ioctl(directory.get(), BTRFS_IOC_FS_INFO, &info) != 0) {
    return errno_status(errno, "btrfs info of " + path);
  }
  BtrfsReport report{.uuid = hex(info.fsid), .devices = {}};
  for (std::uint64_t i = 0; i <= std::min<std::uint64_t>(info.max_id, kMaxDevices); ++i) {
    RETURN_IF_ERROR(ask_device(directory.get(), i, &report).status());
    if (report.devices.size() == info.num_devices) break;
  }
  return report;
}

}  // namespace tocsin::exporters
