// SPDX-License-Identifier: Apache-2.0
//
// The small collectors: loadavg, meminfo, stat, time, uname.
#include <gtest/gtest.h>

#include "exporters/testing/node_machine.h"

namespace tocsin::exporters {
namespace {

using testing::NodeMachine;
using Factory = std::unique_ptr<Collector> (*)(const NodeOptions&, const NodeServices&);

// What a collector shows of one file.
std::string show(Factory make, const std::string& path, std::string_view text) {
  NodeMachine machine;
  machine.write(path, text);
  return NodeMachine::show(*make(machine.options, machine.services));
}

TEST(LoadavgTest, ShowsThreeAverages) {
  EXPECT_EQ(show(make_loadavg_collector, "/proc/loadavg", "0.21 0.37 12.39 1/719 19737\n"),
            "# TYPE node_load1 gauge\nnode_load1 0.21\n"
            "# TYPE node_load15 gauge\nnode_load15 12.39\n"
            "# TYPE node_load5 gauge\nnode_load5 0.37\n");
  for (const std::string_view bad : {"", "0.1 0.2\n", "a b c\n"}) {
    EXPECT_NE(show(make_loadavg_collector, "/proc/loadavg", bad)
                  .find("error: /proc/loadavg: expected three load averages"),
              std::string::npos)
        << bad;
  }
}

TEST(MeminfoTest, ShowsEveryLine) {
  EXPECT_EQ(show(make_meminfo_collector, "/proc/meminfo",
                 "MemTotal:        3742148 kB\nActive(anon):    2 kB\nHugePages_Total:       3\n"
                 "NewInLinux9:     4 kB\n\nno colon\n"),
            "# TYPE node_memory_Active_anon_bytes gauge\nnode_memory_Active_anon_bytes 2048\n"
            "# TYPE node_memory_HugePages_Total gauge\nnode_memory_HugePages_Total 3\n"
            "# TYPE node_memory_MemTotal_bytes gauge\nnode_memory_MemTotal_bytes 3.831959552e+09\n"
            "# TYPE node_memory_NewInLinux9_bytes gauge\nnode_memory_NewInLinux9_bytes 4096\n");
  EXPECT_EQ(show(make_meminfo_collector, "/proc/meminfo", "MemTotal: many kB\n"),
            "error: /proc/meminfo: expected a number in \"MemTotal: many kB\"\n");
}

constexpr std::string_view kStat =
    "cpu  1 2 3\ncpu0 1 2 3\nintr 8885917 17 0 0\nctxt 38014093\nbtime 1418183276\n"
    "processes 26442\nprocs_running 2\nprocs_blocked 1\nsoftirq 60 1 2 3 4 5 6 7 8 9 15\n";

TEST(StatTest, ShowsTheWholeMachine) {
  EXPECT_EQ(show(make_stat_collector, "/proc/stat", kStat),
            "# TYPE node_boot_time_seconds gauge\nnode_boot_time_seconds 1.418183276e+09\n"
            "# TYPE node_context_switches_total counter\n"
            "node_context_switches_total 3.8014093e+07\n"
            "# TYPE node_forks_total counter\nnode_forks_total 26442\n"
            "# TYPE node_intr_total counter\nnode_intr_total 8.885917e+06\n"
            "# TYPE node_procs_blocked gauge\nnode_procs_blocked 1\n"
            "# TYPE node_procs_running gauge\nnode_procs_running 2\n");
  EXPECT_EQ(show(make_stat_collector, "/proc/stat", "ctxt\n"),
            "error: /proc/stat: expected a number after \"ctxt\"\n");
}

TEST(StatTest, ShowsSoftirqsWhenAsked) {
  NodeMachine machine;
  machine.options.stat_softirq = true;
  machine.write("/proc/stat", kStat);
  const std::string text =
      NodeMachine::show(*make_stat_collector(machine.options, machine.services));
  for (const std::string_view line :
       {"node_softirqs_total{vector=\"hi\"} 1\n", "node_softirqs_total{vector=\"net_tx\"} 3\n",
        "node_softirqs_total{vector=\"rcu\"} 15\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

TEST(TimeTest, ShowsClockZoneAndSources) {
  NodeMachine machine;
  const std::string sources = "/sys/devices/system/clocksource/";
  machine.write(sources + "clocksource0/available_clocksource", "tsc hpet \n");
  machine.write(sources + "clocksource0/current_clocksource", "tsc\n");
  machine.write(sources + "power/control", "auto\n");
  machine.clock.advance(base::Duration(250));
  const std::unique_ptr<Collector> collector =
      make_time_collector(machine.options, machine.services);
  EXPECT_EQ(NodeMachine::show(*collector),
            "# TYPE node_time_clocksource_available_info gauge\n"
            "node_time_clocksource_available_info{clocksource=\"hpet\",device=\"0\"} 1\n"
            "node_time_clocksource_available_info{clocksource=\"tsc\",device=\"0\"} 1\n"
            "# TYPE node_time_clocksource_current_info gauge\n"
            "node_time_clocksource_current_info{clocksource=\"tsc\",device=\"0\"} 1\n"
            "# TYPE node_time_seconds gauge\nnode_time_seconds 1.70000000025e+09\n"
            "# TYPE node_time_zone_offset_seconds gauge\n"
            "node_time_zone_offset_seconds{time_zone=\"UTC\"} 0\n");
}

TEST(TimeTest, WorksWithoutSourcesAndInOtherZones) {
  NodeMachine machine;
  const StatusOr<base::TimeZone> zone = base::TimeZone::load("Asia/Kolkata");
  if (!zone.ok()) GTEST_SKIP() << "no time zone database";
  machine.services.zone = *zone;
  const std::string text =
      NodeMachine::show(*make_time_collector(machine.options, machine.services));
  EXPECT_NE(text.find("node_time_zone_offset_seconds{time_zone=\"IST\"} 19800\n"),
            std::string::npos)
      << text;
}

TEST(UnameTest, ShowsTheNamesOfTheSystem) {
  NodeMachine machine;
  machine.services.system_names = [] {
    return SystemNames{"Linux", "6.1", "#1 SMP", "x86_64", "web-1", "(none)"};
  };
  const std::unique_ptr<Collector> collector =
      make_uname_collector(machine.options, machine.services);
  EXPECT_EQ(NodeMachine::show(*collector),
            "# TYPE node_uname_info gauge\n"
            "node_uname_info{domainname=\"(none)\",machine=\"x86_64\",nodename=\"web-1\","
            "release=\"6.1\",sysname=\"Linux\",version=\"#1 SMP\"} 1\n");
  machine.services.system_names = []() -> StatusOr<SystemNames> { return unavailable("no"); };
  EXPECT_EQ(NodeMachine::show(*collector), "error: no\n");
}

}  // namespace
}  // namespace tocsin::exporters
