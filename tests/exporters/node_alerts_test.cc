// SPDX-License-Identifier: Apache-2.0
//
// The whole way of the rule on full disks in examples/node: a real file system of its own, which only
// the exporter and this test see, tocsin-node-exporter, tocsin and a receiver.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/statvfs.h>

#include "tests/exporters/alert_chain.h"
#include "tests/support/namespaces.h"

namespace tocsin::tests {
namespace {

namespace fs = std::filesystem;

class NodeAlerts : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(disk());
    // The exporter shows the mounts of process 1, which are not its own here.
    fs::create_directories(files_.file("proc"));
    fs::create_symlink("/proc/self", files_.file("proc/1"));
    ASSERT_EQ(run({"truncate", "-s", "64M", image()}).exit_code, 0);
    const Finished made = run({"/sbin/mkfs.ext4", "-q", "-F", "-m", "0", image()});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const std::vector<std::vector<std::string>> ways = namespace_commands({"--mount"});
    // With the last holder of the mount the loop device is free again.
    const std::string loop = fmt::format("mount -o loop '{}' '{}'", image(), disk());
    // Where there are no loop devices: not a disk, but a file system of a fixed size that fills up.
    const std::string overlay = fmt::format(
        "mount -t tmpfs -o size=64M none '{0}' && mkdir '{0}/lower' '{0}/upper' '{0}/work' && "
        "mount -t overlay -o lowerdir='{0}/lower',upperdir='{0}/upper',workdir='{0}/work' none "
        "'{0}'",
        disk());
    if (start_exporter(ways, loop)) return;
    if (!start_exporter(ways, overlay)) {
      GTEST_SKIP() << "no file system can be mounted here, not even in a user namespace";
    }
    fmt::print("no loop device can be mounted: a file system in memory stands in for the disk\n");
  }

  // Whether `mount` works in one of these ways; then the exporter runs beside it.
  bool start_exporter(const std::vector<std::vector<std::string>>& ways, const std::string& mount) {
    for (const std::vector<std::string>& way : ways) {
      if (run(joined(way, {"/bin/sh", "-c", mount})).exit_code != 0) continue;
      const std::string command = fmt::format(
          "{} && exec '{}' --web.listen-address=127.0.0.1:0 --path.procfs='{}' "
          "--collector.disable-defaults --collector.filesystem "
          "--collector.filesystem.mount-points-include='^{}$' "
          "--collector.filesystem.fs-types-exclude='^tmpfs$'",
          mount, built_program("tocsin-node-exporter"), files_.file("proc"), disk());
      exporter_ = std::make_unique<Process>(joined(way, {"/bin/sh", "-c", command}));
      address_ = log_field(exporter_->wait_for_line({"listening", "address="}), "address");
      return true;
    }
    return false;
  }

  // Nobody else sees it.
  void TearDown() override { EXPECT_FALSE(is_mounted(disk())); }

  std::string image() const { return files_.file("image"); }
  std::string disk() const { return files_.file("disk"); }
  // The file system as the exporter sees it.
  std::string inside(const std::string& name) const {
    return fmt::format("/proc/{}/root{}/{}", exporter_->pid(), disk(), name);
  }
  // The part of it that is taken.
  double taken() const {
    struct statvfs numbers = {};
    EXPECT_EQ(::statvfs(inside("").c_str(), &numbers), 0);
    return 1 - static_cast<double>(numbers.f_bavail) / static_cast<double>(numbers.f_blocks);
  }
  // Writes a file until `part` of the file system is taken.
  void fill(double part) {
    std::ofstream out(inside("file"), std::ios::app);
    const std::string block(1 << 16, 'x');
    while (out.good() && taken() < part) out << block << std::flush;
    EXPECT_TRUE(out.good());
  }
  // Waits until so many more rounds of evaluation have ended.
  void evaluate(Tocsin& tocsin, double rounds) {
    const auto evaluated = [&] {
      return tocsin.metric("prometheus_rule_group_iterations_total").value_or(0);
    };
    // Three groups of rules.
    const double wanted = evaluated() + 3 * rounds;
    EXPECT_TRUE(eventually([&] { return evaluated() >= wanted; }));
  }

  const TempDir files_;
  std::unique_ptr<Process> exporter_;
  std::string address_;
};

TEST_F(NodeAlerts, ADiskThatIsFilledIsToldAndThatThereIsRoomAgain) {
  AlertChain chain({.example = "node", .target = "127.0.0.1:9100", .exporter = address_});
  const std::string part = fmt::format(
      "1 - node_filesystem_avail_bytes{{mountpoint=\"{0}\"}} / "
      "node_filesystem_size_bytes{{mountpoint=\"{0}\"}}",
      disk());
  const auto above = [&](std::string_view bound) {
    return eventually(
        [&] { return !chain.tocsin().value(fmt::format("{} > {}", part, bound)).empty(); });
  };
  // 85 % are borne.
  fill(0.84);
  ASSERT_TRUE(above("0.83"));
  ASSERT_LT(taken(), 0.85);
  evaluate(chain.tocsin(), 3);
  EXPECT_EQ(chain.tocsin().value("ALERTS{alertname=\"NodeFilesystemFull\"}"), "");
  fill(0.86);
  EXPECT_TRUE(chain.hears("firing", "NodeFilesystemFull"));
  EXPECT_TRUE(above("0.85"));
  EXPECT_TRUE(fs::remove(inside("file")));
  EXPECT_TRUE(chain.hears("resolved", "NodeFilesystemFull"));
}

}  // namespace
}  // namespace tocsin::tests
