// SPDX-License-Identifier: Apache-2.0
//
// diskstats: /proc/diskstats, with what udev and /sys/block know about each disk.
//
// A line is "major minor name" and 11, 15 (with discards) or 17 (with flushes) numbers, by the age
// of the kernel; partitions of very old kernels have fewer.
#include <array>

#include "exporters/node/collectors.h"
#include "exporters/node/disk/udev.h"
#include "exporters/node/text.h"

namespace tocsin::exporters {
namespace {

constexpr double kSectorBytes = 512;  // the unit of diskstats, whatever the disk's own is
constexpr double kMillisecond = 0.001;

struct Column {
  std::string_view name;
  std::string_view help;
  base::MetricType type;
  double factor;
};

constexpr base::MetricType kCounter = base::MetricType::kCounter;
constexpr base::MetricType kGauge = base::MetricType::kGauge;

constexpr std::array<Column, 17> kColumns = {{
    {"reads_completed_total", "The total number of reads completed successfully.", kCounter, 1},
    {"reads_merged_total", "The total number of reads merged.", kCounter, 1},
    {"read_bytes_total", "The total number of bytes read successfully.", kCounter, kSectorBytes},
    {"read_time_seconds_total", "The total number of seconds spent by all reads.", kCounter,
     kMillisecond},
    {"writes_completed_total", "The total number of writes completed successfully.", kCounter, 1},
    {"writes_merged_total", "The number of writes merged.", kCounter, 1},
    {"written_bytes_total", "The total number of bytes written successfully.", kCounter,
     kSectorBytes},
    {"write_time_seconds_total", "This is the total number of seconds spent by all writes.",
     kCounter, kMillisecond},
    {"io_now", "The number of I/Os currently in progress.", kGauge, 1},
    {"io_time_seconds_total", "Total seconds spent doing I/Os.", kCounter, kMillisecond},
    {"io_time_weighted_seconds_total", "The weighted # of seconds spent doing I/Os.", kCounter,
     kMillisecond},
    {"discards_completed_total", "The total number of discards completed successfully.", kCounter,
     1},
    {"discards_merged_total", "The total number of discards merged.", kCounter, 1},
    {"discarded_sectors_total", "The total number of sectors discarded successfully.", kCounter, 1},
    {"discard_time_seconds_total", "This is the total number of seconds spent by all discards.",
     kCounter, kMillisecond},
    {"flush_requests_total", "The total number of flush requests completed successfully", kCounter,
     1},
    {"flush_requests_time_seconds_total",
     "This is the total number of seconds spent by all flush requests.", kCounter, kMillisecond},
}};

// Families made of udev's properties, after those of kColumns.
enum Extra : std::size_t {
  kInfo = kColumns.size(),
  kFilesystemInfo,
  kMapperInfo,
  kAtaWriteCache,
  kAtaWriteCacheEnabled,
  kAtaRotationRate,
};

struct Disk {
  std::string major, minor, name;
};

std::vector<base::MetricFamily> empty_families() {
  std::vector<base::MetricFamily> families;
  for (const Column& column : kColumns) {
    families.push_back(
        make_family(fmt::format("node_disk_{}", column.name), column.help, column.type));
  }
  families.push_back(make_family("node_disk_info", "Info of /sys/block/<block_device>.", kGauge));
  families.push_back(
      make_family("node_disk_filesystem_info", "Info about disk filesystem.", kGauge));
  families.push_back(
      make_family("node_disk_device_mapper_info", "Info about disk device mapper.", kGauge));
  families.push_back(
      make_family("node_disk_ata_write_cache", "ATA disk has a write cache.", kGauge));
  families.push_back(make_family("node_disk_ata_write_cache_enabled",
                                 "ATA disk has its write cache enabled.", kGauge));
  families.push_back(make_family("node_disk_ata_rotation_rate_rpm",
                                 "ATA disk rotation rate in RPMs (0 for SSDs).", kGauge));
  return families;
}

// The serial number printed on the disk, or the nearest that udev has.
const std::string& serial_of(const UdevProperties& udev) {
  for (const std::string_view name : {"SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT"}) {
    if (!udev.get(name).empty()) return udev.get(name);
  }
  return udev.get("ID_SERIAL");
}

void add_udev_families(const Disk& disk, const UdevProperties& udev,
                       std::vector<base::MetricFamily>* families) {
  if (!udev.get("ID_FS_TYPE").empty()) {
    add_sample(&(*families)[kFilesystemInfo],
               {{"device", disk.name},
                {"type", udev.get("ID_FS_TYPE")},
                {"usage", udev.get("ID_FS_USAGE")},
                {"uuid", udev.get("ID_FS_UUID")},
                {"version", udev.get("ID_FS_VERSION")}},
               1);
  }
  if (!udev.get("DM_NAME").empty()) {
    add_sample(&(*families)[kMapperInfo],
               {{"device", disk.name},
                {"lv_layer", udev.get("DM_LV_LAYER")},
                {"lv_name", udev.get("DM_LV_NAME")},
                {"name", udev.get("DM_NAME")},
                {"uuid", udev.get("DM_UUID")},
                {"vg_name", udev.get("DM_VG_NAME")}},
               1);
  }
  if (udev.get("ID_ATA").empty()) return;
  constexpr std::array<std::pair<Extra, std::string_view>, 3> kAta = {{
      {kAtaWriteCache, "ID_ATA_WRITE_CACHE"},
      {kAtaWriteCacheEnabled, "ID_ATA_WRITE_CACHE_ENABLED"},
      {kAtaRotationRate, "ID_ATA_ROTATION_RATE_RPM"},
  }};
  for (const auto& [family, property] : kAta) {
    if (const std::optional<double> value = to_number(udev.get(property))) {
      add_sample(&(*families)[family], {{"device", disk.name}}, *value);
    }
  }
}

class DiskstatsCollector final : public Collector {
 public:
  DiskstatsCollector(const NodeOptions& options, const NodeServices& services, Filter filter)
      : options_(options), files_(services.files), filter_(std::move(filter)) {}

  std::string_view name() const override { return "diskstats"; }

  Status collect(std::vector<base::MetricFamily>* out) override {
    const std::string path = options_.procfs + "/diskstats";
    ASSIGN_OR_RETURN(const std::string text, files_.read_file(path, kMaxProcFile));
    std::vector<base::MetricFamily> families = empty_families();
    for (const std::string_view line : lines_of(text)) {
      const std::vector<std::string_view> fields = fields_of(line);
      if (fields.size() < 4) return invalid_argument("{}: too short: {:?}", path, line);
      if (!filter_.keeps(fields[2])) continue;
      const Disk disk{std::string(fields[0]), std::string(fields[1]), std::string(fields[2])};
      for (std::size_t i = 0; i < kColumns.size() && i + 3 < fields.size(); ++i) {
        const std::optional<double> value = to_number(fields[i + 3]);
        if (!value) return invalid_argument("{}: expected numbers in {:?}", path, line);
        add_sample(&families[i], {{"device", disk.name}}, *value * kColumns[i].factor);
      }
      add_info(disk, &families);
    }
    append_families(std::move(families), out);
    return ok();
  }

 private:
  void add_info(const Disk& disk, std::vector<base::MetricFamily>* families) {
    const StatusOr<std::string> text = files_.read_file(
        fmt::format("{}/b{}:{}", options_.udev_data, disk.major, disk.minor), kMaxProcFile);
    // Without udev, as in most containers, the texts are empty.
    const UdevProperties udev = text.ok() ? UdevProperties::parse(*text) : UdevProperties();
    const StatusOr<std::string> rotational =
        read_text(files_, fmt::format("{}/block/{}/queue/rotational", options_.sysfs, disk.name));
    add_sample(&(*families)[kInfo],
               {{"device", disk.name},
                {"major", disk.major},
                {"minor", disk.minor},
                {"model", udev.get("ID_MODEL")},
                {"path", udev.get("ID_PATH")},
                {"revision", udev.get("ID_REVISION")},
                {"rotational", rotational.ok() ? *rotational : "0"},
                {"serial", serial_of(udev)},
                {"wwn", udev.get("ID_WWN")}},
               1);
    add_udev_families(disk, udev, families);
  }

  const NodeOptions& options_;
  base::FileSystem& files_;
  const Filter filter_;
};

}  // namespace

StatusOr<std::unique_ptr<Collector>> make_diskstats_collector(const NodeOptions& options,
                                                              const NodeServices& services) {
  ASSIGN_OR_RETURN(Filter filter, Filter::make(options.disks));
  return std::make_unique<DiskstatsCollector>(options, services, std::move(filter));
}

}  // namespace tocsin::exporters
