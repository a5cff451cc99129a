// SPDX-License-Identifier: Apache-2.0
//
// time: the clock, its zone, and the clock sources of /sys/devices/system/clocksource.
#include "exporters/node/collectors.h"
#include "exporters/node/text.h"

namespace tocsin::exporters {
namespace {

constexpr std::string_view kDevicePrefix = "clocksource";

class TimeCollector final : public Collector {
 public:
  TimeCollector(const NodeOptions& options, const NodeServices& services)
      : directory_(options.sysfs + "/devices/system/clocksource"), services_(services) {}

  std::string_view name() const override { return "time"; }

  Status collect(std::vector<base::MetricFamily>* out) override {
    const base::Timestamp now = services_.clock.now();
    add_single("node_time_seconds", "System time in seconds since epoch (1970).",
               base::MetricType::kGauge, base::to_seconds(now), out);
    const base::CivilTime civil = services_.zone.civil(now);
    base::MetricFamily offset =
        make_family("node_time_zone_offset_seconds", "System time zone offset in seconds.",
                    base::MetricType::kGauge);
    add_sample(&offset, {{"time_zone", civil.zone}}, civil.offset_seconds);
    out->push_back(std::move(offset));
    return collect_clock_sources(out);
  }

 private:
  Status collect_clock_sources(std::vector<base::MetricFamily>* out) {
    base::MetricFamily available =
        make_family("node_time_clocksource_available_info",
                    "Available clocksources read from '/sys/devices/system/clocksource'.",
                    base::MetricType::kGauge);
    base::MetricFamily current =
        make_family("node_time_clocksource_current_info",
                    "Current clocksource read from '/sys/devices/system/clocksource'.",
                    base::MetricType::kGauge);
    const StatusOr<std::vector<std::string>> entries = services_.files.list(directory_);
    // Containers and small machines may have none, which is no failure of the clock.
    if (!entries.ok()) return ok();
    for (const std::string& entry : *entries) {
      if (!entry.starts_with(kDevicePrefix)) continue;
      const std::string device = entry.substr(kDevicePrefix.size());
      const std::string directory = directory_ + "/" + entry;
      ASSIGN_OR_RETURN(const std::string names,
                       read_text(services_.files, directory + "/available_clocksource"));
      for (const std::string_view name : fields_of(names)) {
        add_sample(&available, {{"clocksource", std::string(name)}, {"device", device}}, 1);
      }
      ASSIGN_OR_RETURN(const std::string name,
                       read_text(services_.files, directory + "/current_clocksource"));
      add_sample(&current, {{"clocksource", name}, {"device", device}}, 1);
    }
    append_families({std::move(available), std::move(current)}, out);
    return ok();
  }

  const std::string directory_;
  const NodeServices& services_;
};

}  // namespace

std::unique_ptr<Collector> make_time_collector(const NodeOptions& options,
                                               const NodeServices& services) {
  return std::make_unique<TimeCollector>(options, services);
}

}  // namespace tocsin::exporters
