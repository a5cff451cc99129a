// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "exporters/node/disk/udev.h"
#include "exporters/testing/node_machine.h"

namespace tocsin::exporters {
namespace {

using testing::NodeMachine;

std::string show(NodeMachine& machine) {
  auto collector = make_diskstats_collector(machine.options, machine.services);
  EXPECT_EQ(collector.status(), ok());
  return NodeMachine::show(**collector);
}

bool has(const std::string& text, std::string_view line) {
  return text.find(line) != std::string::npos;
}

TEST(UdevTest, ReadsPropertiesOnly) {
  const UdevProperties udev = UdevProperties::parse("S:disk/x\nE:A=1\nE:B=x=y\nE:NONE\nE:C=\nG:t");
  EXPECT_EQ(udev.get("A"), "1");
  EXPECT_EQ(udev.get("B"), "x=y");
  EXPECT_EQ(udev.get("C"), "");
  EXPECT_TRUE(udev.has("C"));
  EXPECT_FALSE(udev.has("NONE"));
  EXPECT_EQ(udev.get("disk/x"), "");
}

TEST(DiskstatsTest, ShowsAsManyColumnsAsTheKernelHas) {
  NodeMachine machine;
  machine.write("/proc/diskstats",
                "   8       0 sda 1 2 3 4 5 6 7 1007 9 10 11\n"
                "   8      16 sdb 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n"
                "   8      32 sdc 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n");
  const std::string text = show(machine);
  for (const std::string_view line :
       {"node_disk_reads_completed_total{device=\"sda\"} 1\n",
        "node_disk_read_bytes_total{device=\"sda\"} 1536\n",
        "node_disk_write_time_seconds_total{device=\"sda\"} 1.0070000000000001\n",
        "# TYPE node_disk_io_now gauge\nnode_disk_io_now{device=\"sda\"} 9\n",
        "node_disk_discarded_sectors_total{device=\"sdb\"} 14\n",
        "node_disk_flush_requests_total{device=\"sdc\"} 16\n",
        "node_disk_flush_requests_time_seconds_total{device=\"sdc\"} 0.017\n"}) {
    EXPECT_TRUE(has(text, line)) << line << text;
  }
  EXPECT_FALSE(has(text, "node_disk_discards_completed_total{device=\"sda\"}"));
  EXPECT_FALSE(has(text, "node_disk_flush_requests_total{device=\"sdb\"}"));
}

TEST(DiskstatsTest, TellsWhatUdevAndSysfsKnow) {
  NodeMachine machine;
  machine.write("/proc/diskstats", "8 0 sda 1\n8 16 sdb 1\n8 32 sdc 1\n");
  machine.write("/sys/block/sda/queue/rotational", "1\n");
  machine.write("/run/udev/data/b8:0",
                "E:ID_MODEL=M\nE:ID_PATH=pci-1\nE:ID_REVISION=R\nE:ID_WWN=0x1\nE:ID_SERIAL=long\n"
                "E:ID_SERIAL_SHORT=short\nE:SCSI_IDENT_SERIAL=printed\nE:ID_ATA=1\n"
                "E:ID_ATA_WRITE_CACHE=1\nE:ID_ATA_ROTATION_RATE_RPM=7200\nE:ID_FS_TYPE=ext4\n"
                "E:ID_FS_USAGE=filesystem\nE:ID_FS_UUID=u\nE:ID_FS_VERSION=1.0\n");
  machine.write("/run/udev/data/b8:16",
                "E:ID_SERIAL=long\nE:DM_NAME=vg-lv\nE:DM_UUID=LVM-x\nE:DM_VG_NAME=vg\n"
                "E:DM_LV_NAME=lv\nE:ID_FS_TYPE=\nE:ID_ATA_WRITE_CACHE=1\n");
  const std::string text = show(machine);
  for (const std::string_view line :
       {"node_disk_info{device=\"sda\",major=\"8\",minor=\"0\",model=\"M\",path=\"pci-1\","
        "revision=\"R\",rotational=\"1\",serial=\"printed\",wwn=\"0x1\"} 1\n",
        "node_disk_info{device=\"sdb\",major=\"8\",minor=\"16\",model=\"\",path=\"\","
        "revision=\"\",rotational=\"0\",serial=\"long\",wwn=\"\"} 1\n",
        "node_disk_info{device=\"sdc\",major=\"8\",minor=\"32\",model=\"\",path=\"\","
        "revision=\"\",rotational=\"0\",serial=\"\",wwn=\"\"} 1\n",
        "# TYPE node_disk_ata_rotation_rate_rpm gauge\n"
        "node_disk_ata_rotation_rate_rpm{device=\"sda\"} 7200\n",
        "# TYPE node_disk_ata_write_cache gauge\nnode_disk_ata_write_cache{device=\"sda\"} 1\n# ",
        "# TYPE node_disk_filesystem_info gauge\nnode_disk_filesystem_info{device=\"sda\","
        "type=\"ext4\",usage=\"filesystem\",uuid=\"u\",version=\"1.0\"} 1\n# ",
        "node_disk_device_mapper_info{device=\"sdb\",lv_layer=\"\",lv_name=\"lv\",name=\"vg-lv\","
        "uuid=\"LVM-x\",vg_name=\"vg\"} 1\n"}) {
    EXPECT_TRUE(has(text, line)) << line << text;
  }
  EXPECT_FALSE(has(text, "node_disk_ata_write_cache_enabled"));
}

TEST(DiskstatsTest, LeavesOutPartitionsAndPseudoDisks) {
  const auto check = [](std::string_view device, bool shown, FilterOptions filter) {
    NodeMachine machine;
    machine.options.disks = std::move(filter);
    machine.write("/proc/diskstats", fmt::format("8 0 {} 1 2 3\n", device));
    EXPECT_EQ(has(show(machine), "node_disk_info"), shown) << device;
  };
  const FilterOptions kDefault = NodeOptions().disks;
  for (const std::string_view device : {"sda", "vda", "nvme0n1", "dm-0", "mmcblk0p1", "md0"}) {
    check(device, true, kDefault);
  }
  for (const std::string_view device :
       {"sda1", "vda12", "xvda1", "hdc3", "nvme0n1p2", "loop7", "ram0", "zram1", "fd0"}) {
    check(device, false, kDefault);
  }
  check("sda", true, {.include = "^sd", .exclude = ""});
  check("vda", false, {.include = "^sd", .exclude = ""});
}

TEST(DiskstatsTest, NamesALineThatItCannotRead) {
  NodeMachine machine;
  machine.write("/proc/diskstats", "8 0 sda\n");
  EXPECT_EQ(show(machine), "error: /proc/diskstats: too short: \"8 0 sda\"\n");
  machine.write("/proc/diskstats", "8 0 sda 1 x\n");
  EXPECT_EQ(show(machine), "error: /proc/diskstats: expected numbers in \"8 0 sda 1 x\"\n");
}

}  // namespace
}  // namespace tocsin::exporters
