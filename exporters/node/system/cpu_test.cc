// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "exporters/testing/node_machine.h"

namespace tocsin::exporters {
namespace {

using testing::NodeMachine;

class CpuTest : public ::testing::Test {
 protected:
  // Sets /proc/stat and returns user, idle and iowait of each CPU: "0:1,2,3 ".
  std::string after(std::string_view stat) {
    machine_.write("/proc/stat", stat);
    std::vector<base::MetricFamily> families;
    EXPECT_EQ(collector_->collect(&families), ok());
    std::map<std::string, std::map<std::string, double>> values;
    for (const base::MetricFamily& family : families) {
      if (family.name != "node_cpu_seconds_total") continue;
      for (const base::MetricSample& sample : family.samples) {
        values[sample.labels[0].second][sample.labels[1].second] = sample.value;
      }
    }
    std::string out;
    for (auto& [cpu, modes] : values) {
      out += fmt::format("{}:{},{},{} ", cpu, modes["user"], modes["idle"], modes["iowait"]);
    }
    return out;
  }

  NodeMachine machine_;
  std::unique_ptr<Collector> collector_ =
      make_cpu_collector(machine_.options, machine_.services).value();
};

TEST_F(CpuTest, ShowsEveryModeInSeconds) {
  machine_.write("/proc/stat", "cpu  9 9 9 9\ncpu1 100 250 3 4 5 6 7 8 9 10\nintr 5\n");
  EXPECT_EQ(NodeMachine::show(*collector_),
            "# TYPE node_cpu_guest_seconds_total counter\n"
            "node_cpu_guest_seconds_total{cpu=\"1\",mode=\"nice\"} 0.1\n"
            "node_cpu_guest_seconds_total{cpu=\"1\",mode=\"user\"} 0.09\n"
            "# TYPE node_cpu_seconds_total counter\n"
            "node_cpu_seconds_total{cpu=\"1\",mode=\"idle\"} 0.04\n"
            "node_cpu_seconds_total{cpu=\"1\",mode=\"iowait\"} 0.05\n"
            "node_cpu_seconds_total{cpu=\"1\",mode=\"irq\"} 0.06\n"
            "node_cpu_seconds_total{cpu=\"1\",mode=\"nice\"} 2.5\n"
            "node_cpu_seconds_total{cpu=\"1\",mode=\"softirq\"} 0.07\n"
            "node_cpu_seconds_total{cpu=\"1\",mode=\"steal\"} 0.08\n"
            "node_cpu_seconds_total{cpu=\"1\",mode=\"system\"} 0.03\n"
            "node_cpu_seconds_total{cpu=\"1\",mode=\"user\"} 1\n");
}

TEST_F(CpuTest, GuestsCanBeLeftOut) {
  machine_.options.cpu_guest = false;
  machine_.write("/proc/stat", "cpu0 1 2 3 4 5 6 7 8 9 10\n");
  EXPECT_EQ(NodeMachine::show(*collector_).find("guest"), std::string::npos);
}

TEST_F(CpuTest, HoldsACounterThatStepsBackALittle) {
  EXPECT_EQ(after("cpu0 100 0 0 1000 50\n"), "0:1,10,0.5 ");
  EXPECT_EQ(after("cpu0 110 0 0 1001 40\n"), "0:1.1,10.01,0.5 ") << "iowait";
  EXPECT_EQ(after("cpu0 120 0 0 702 60\n"), "0:1.2,10.01,0.6 ") << "idle by 2.99 s";
  EXPECT_EQ(after("cpu0 90 0 0 1100 70\n"), "0:1.2,11,0.7 ") << "user";
}

TEST_F(CpuTest, BeginsAnewWhenTheCpuWasAway) {
  EXPECT_EQ(after("cpu0 100 0 0 1000 50\n"), "0:1,10,0.5 ");
  EXPECT_EQ(after("cpu0 10 0 0 700 5\n"), "0:0.1,7,0.05 ") << "idle stepped back by 3 s";
}

TEST_F(CpuTest, ForgetsACpuThatIsGone) {
  EXPECT_EQ(after("cpu0 1 0 0 100\ncpu1 2 0 0 200\n"), "0:0.01,1,0 1:0.02,2,0 ");
  EXPECT_EQ(after("cpu0 1 0 0 100\n"), "0:0.01,1,0 ");
  EXPECT_EQ(after("cpu0 1 0 0 100\ncpu1 1 0 0 50\n"), "0:0.01,1,0 1:0.01,0.5,0 ");
}

TEST_F(CpuTest, ReadsWhatSysfsSaysAboutCpus) {
  machine_.write("/proc/stat", "");
  const std::string cpus = "/sys/devices/system/cpu/";
  machine_.write(cpus + "isolated", "0,2-3,x,9-\n");
  machine_.write(cpus + "cpu0/online", "1\n");
  machine_.write(cpus + "cpu1/online", "0\n");
  machine_.write(cpus + "cpufreq/boost", "1\n");
  for (const std::string cpu : {"cpu0", "cpu1"}) {
    machine_.write(cpus + cpu + "/topology/physical_package_id", "0\n");
    machine_.write(cpus + cpu + "/topology/core_id", "4\n");
    machine_.write(cpus + cpu + "/thermal_throttle/core_throttle_count", "7\n");
    machine_.write(cpus + cpu + "/thermal_throttle/package_throttle_count", "8\n");
  }
  EXPECT_EQ(NodeMachine::show(*collector_),
            "# TYPE node_cpu_core_throttles_total counter\n"
            "node_cpu_core_throttles_total{core=\"4\",package=\"0\"} 7\n"
            "# TYPE node_cpu_isolated gauge\n"
            "node_cpu_isolated{cpu=\"0\"} 1\n"
            "node_cpu_isolated{cpu=\"2\"} 1\n"
            "node_cpu_isolated{cpu=\"3\"} 1\n"
            "# TYPE node_cpu_online gauge\n"
            "node_cpu_online{cpu=\"0\"} 1\n"
            "node_cpu_online{cpu=\"1\"} 0\n"
            "# TYPE node_cpu_package_throttles_total counter\n"
            "node_cpu_package_throttles_total{package=\"0\"} 8\n");
}

TEST_F(CpuTest, FailsWithoutProcStat) {
  EXPECT_EQ(NodeMachine::show(*collector_).find("error: "), 0U);
}

}  // namespace
}  // namespace tocsin::exporters
