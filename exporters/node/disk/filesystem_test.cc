// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "exporters/node/disk/mounts.h"
#include "exporters/testing/node_machine.h"

namespace tocsin::exporters {
namespace {

using testing::NodeMachine;

constexpr std::string_view kMountinfo =
    "1 0 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw\n"
    "2 1 0:5 / /proc rw - proc proc rw\n"
    "3 1 0:6 / /sys/fs/x rw - tmpfs tmpfs rw\n"
    "4 1 8:1 / /mnt/two\\040words ro - ext4 /dev/sda1 rw\n"
    "5 1 8:1 / /mnt/two\\040words rw - ext4 /dev/sda1 rw\n"
    "6 1 8:2 / /bad rw - ext4 /dev/sdb rw\n"
    "short line\n";

TEST(MountsTest, TheRootOfTheHostMayBeElsewhere) {
  EXPECT_EQ(without_root("/", "/home"), "/home");
  EXPECT_EQ(without_root("/host", "/host"), "/");
  EXPECT_EQ(without_root("/host", "/host/home"), "/home");
  EXPECT_EQ(without_root("/host", "/hostile"), "/hostile");
  EXPECT_EQ(path_here("/", "/home"), "/home");
  EXPECT_EQ(path_here("/host", "/hostile"), "/host/hostile");
}

TEST(MountsTest, ReadsLinesOfMountinfo) {
  const std::vector<Mount> mounts = parse_mountinfo(kMountinfo);
  ASSERT_EQ(mounts.size(), 6U);
  EXPECT_EQ(mounts[0].device, "/dev/vda");
  EXPECT_EQ(mounts[0].major, "254");
  EXPECT_EQ(mounts[0].minor, "0");
  EXPECT_EQ(mounts[0].fs_type, "ext4");
  EXPECT_FALSE(mounts[0].read_only);
  EXPECT_EQ(mounts[3].mount_point, "/mnt/two words");
  EXPECT_TRUE(mounts[3].read_only);
  const auto check = [](std::string_view line, std::size_t expected) {
    EXPECT_EQ(parse_mountinfo(line).size(), expected) << line;
  };
  check("1 0 254:0 / / rw - ext4 /dev/vda rw", 1);
  check("1 0 254:0 / / - ext4 /dev/vda rw", 0);
  check("1 0 254:0 / / rw ext4 /dev/vda rw", 0);
  check("1 0 254 / / rw - ext4 /dev/vda rw", 0);
  check("1 0 254:0 / / rw - ext4 /dev/vda", 0);
  EXPECT_EQ(parse_mountinfo("1 0 1:0 / /a\\04 rw - x y rw")[0].mount_point, "/a\\04");
}

class FilesystemTest : public ::testing::Test {
 protected:
  FilesystemTest() {
    machine_.services.mount_stats = [](const std::string& path) -> StatusOr<MountStats> {
      if (path.ends_with("/bad")) return unavailable("permission denied");
      return MountStats{.size_bytes = 100,
                        .free_bytes = 50,
                        .available_bytes = static_cast<double>(path.size()),
                        .files = 10,
                        .files_free = 5};
    };
    machine_.write("/proc/1/mountinfo", kMountinfo);
  }
  std::string show() {
    auto collector = make_filesystem_collector(machine_.options, machine_.services);
    EXPECT_EQ(collector.status(), ok());
    return NodeMachine::show(**collector);
  }
  // The lines of one family.
  std::string show(std::string_view family) {
    std::string out;
    const std::string text = show();
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
      const std::string line = text.substr(at, text.find('\n', at) - at + 1);
      if (line.starts_with(family)) out += line;
    }
    return out;
  }

  NodeMachine machine_;
};

TEST_F(FilesystemTest, ShowsMountsOnceAndWithoutPseudoFileSystems) {
  EXPECT_EQ(show("node_filesystem_avail_bytes"),
            "node_filesystem_avail_bytes{device=\"/dev/sda1\",device_error=\"\",fstype=\"ext4\","
            "mountpoint=\"/mnt/two words\"} 14\n"
            "node_filesystem_avail_bytes{device=\"/dev/vda\",device_error=\"\",fstype=\"ext4\","
            "mountpoint=\"/\"} 1\n");
  EXPECT_EQ(show("node_filesystem_mount_info"),
            "node_filesystem_mount_info{device=\"/dev/sda1\",major=\"8\",minor=\"1\","
            "mountpoint=\"/mnt/two words\"} 1\n"
            "node_filesystem_mount_info{device=\"/dev/sdb\",major=\"8\",minor=\"2\","
            "mountpoint=\"/bad\"} 1\n"
            "node_filesystem_mount_info{device=\"/dev/vda\",major=\"254\",minor=\"0\","
            "mountpoint=\"/\"} 1\n");
}

TEST_F(FilesystemTest, AnErrorIsALabelAndAOne) {
  EXPECT_EQ(show("node_filesystem_device_error{device=\"/dev/sdb\""),
            "node_filesystem_device_error{device=\"/dev/sdb\",device_error=\"permission denied\","
            "fstype=\"ext4\",mountpoint=\"/bad\"} 1\n");
  EXPECT_EQ(show("node_filesystem_size_bytes{device=\"/dev/sdb\""), "");
  EXPECT_NE(show("node_filesystem_readonly{device=\"/dev/sdb\""), "");
}

TEST_F(FilesystemTest, FiltersByMountPointAndType) {
  machine_.options.mount_points = {.include = "^/(mnt|proc)", .exclude = ""};
  EXPECT_EQ(show("node_filesystem_files{"),
            "node_filesystem_files{device=\"/dev/sda1\",device_error=\"\",fstype=\"ext4\","
            "mountpoint=\"/mnt/two words\"} 10\n");
  machine_.options.fs_types = {.include = "proc", .exclude = ""};
  EXPECT_EQ(show("node_filesystem_files{"),
            "node_filesystem_files{device=\"proc\",device_error=\"\",fstype=\"proc\","
            "mountpoint=\"/proc\"} 10\n");
}

TEST_F(FilesystemTest, TheRootOfTheHostIsTakenOffAndPutBack) {
  machine_.options.rootfs = "/host";
  machine_.write("/proc/1/mountinfo",
                 "1 0 1:0 / /host rw - ext4 /dev/a rw\n2 0 1:1 / /host/data rw - xfs /dev/b rw\n"
                 "3 0 1:2 / /hostile rw - xfs /dev/c rw\n");
  EXPECT_EQ(show("node_filesystem_avail_bytes"),
            "node_filesystem_avail_bytes{device=\"/dev/a\",device_error=\"\",fstype=\"ext4\","
            "mountpoint=\"/\"} 6\n"
            "node_filesystem_avail_bytes{device=\"/dev/b\",device_error=\"\",fstype=\"xfs\","
            "mountpoint=\"/data\"} 10\n"
            "node_filesystem_avail_bytes{device=\"/dev/c\",device_error=\"\",fstype=\"xfs\","
            "mountpoint=\"/hostile\"} 13\n");
}

TEST_F(FilesystemTest, FallsBackToItsOwnMounts) {
  ASSERT_EQ(machine_.files->remove("/proc/1/mountinfo"), ok());
  EXPECT_NE(show().find("error: "), std::string::npos);
  machine_.write("/proc/self/mountinfo", "1 0 1:0 / / rw - ext4 /dev/own rw\n");
  EXPECT_NE(show("node_filesystem_size_bytes").find("/dev/own"), std::string::npos);
}

}  // namespace
}  // namespace tocsin::exporters
