// SPDX-License-Identifier: Apache-2.0
//
// Parity with upstream: the page of its own fixture machine line by line, and names, types and
// labels of what this machine shows.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "exporters/common/metrics_handler.h"
#include "exporters/common/runner.h"
#include "exporters/node/text.h"
#include "exporters/testing/node_machine.h"
#include "net/io_loop.h"

namespace tocsin::exporters {
namespace {

std::string conformance_directory() {
  const char* path = std::getenv("TOCSIN_CONFORMANCE_DIR");  // NOLINT(concurrency-mt-unsafe): tests
  return path == nullptr ? "" : path;
}

std::string read_whole(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// One page of this machine, or of the tree that `options` name.
std::string scrape(const NodeOptions& options) {
  const base::SystemClock clock;
  net::IoLoop loop(clock);
  const NodeServices services = system_services(base::real_file_system(), clock, loop);
  auto collectors = make_collectors(options, services);
  EXPECT_EQ(collectors.status(), ok());
  base::ThreadPool workers({.name = "workers", .threads = 9});
  Runner runner("node", *std::move(collectors), {workers, clock, loop});
  MetricsHandler handler({.title = "Node Exporter",
                          .program = "node_exporter",
                          .default_budget = base::Duration(60'000),
                          .disabled_collectors = {}},
                         runner);
  return handler.serve_metrics(net::HttpRequest()).body;
}

// Lines of a page by family: {TYPE line, sample lines...}, without those that differ by nature.
std::map<std::string, std::vector<std::string>> lines_by_family(const std::string& page) {
  constexpr std::string_view kDifferent[] = {"go_",
                                             "promhttp_",
                                             "process_",
                                             "node_exporter_build_info",
                                             "node_scrape_collector_duration_seconds",
                                             "node_textfile_mtime_seconds",
                                             "node_time_zone",
                                             "node_time_seconds",
                                             "node_network_receive_bytes_total",
                                             "node_network_receive_packets_total",
                                             "node_network_transmit_bytes_total",
                                             "node_network_transmit_packets_total"};
  std::map<std::string, std::vector<std::string>> families;
  std::string family;
  for (const std::string_view line : lines_of(page)) {
    if (line.starts_with("# HELP")) continue;
    if (line.starts_with("# TYPE ")) family = line.substr(7, line.find(' ', 7) - 7);
    const bool differs = std::any_of(std::begin(kDifferent), std::end(kDifferent),
                                     [&](std::string_view p) { return family.starts_with(p); });
    if (!differs) families[family].emplace_back(line);
  }
  return families;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out.append(line).append("\n");
  return out;
}

// Families that ours would show of the fixture machine, by the collectors that upstream ran there.
bool is_ours(const std::string& family) {
  constexpr std::string_view kPrefixes[] = {"node_boot_time_",
                                            "node_context_",
                                            "node_disk_",
                                            "node_forks_",
                                            "node_intr_",
                                            "node_load",
                                            "node_memory_",
                                            "node_network_receive_",
                                            "node_network_transmit_",
                                            "node_procs_blocked",
                                            "node_procs_running",
                                            "node_softirqs_total",
                                            "node_time_",
                                            "node_cpu_seconds_",
                                            "node_cpu_guest_",
                                            "node_cpu_core_",
                                            "node_cpu_package_",
                                            "node_cpu_isolated"};
  const bool ours = std::any_of(std::begin(kPrefixes), std::end(kPrefixes),
                                [&](std::string_view p) { return family.starts_with(p); });
  // Of the collectors meminfo_numa and netclass, which ours does not have.
  return ours && !family.starts_with("node_memory_numa_") &&
         family != "node_network_transmit_queue_length";
}

TEST(NodeParityTest, ShowsUpstreamsFixtureMachineAsUpstreamDoes) {
  const std::string data = conformance_directory();
  if (data.empty()) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  const std::string archive = data + "/node-exporter/fixtures.tar.gz";
  const auto info = base::real_file_system().info(archive);
  ASSERT_EQ(info.status(), ok());
  // Unpacked once for each archive: writing over files makes ext4 wait for the disk.
  const std::string scratch =
      fmt::format("{}/node-exporter-fixtures-{}", TOCSIN_BINARY_DIR, info->size);
  ASSERT_EQ(base::real_file_system().create_directories(scratch), ok());
  const std::string unpack =
      fmt::format("tar --skip-old-files -xzf '{}' -C '{}'", archive, scratch);
  ASSERT_EQ(std::system(unpack.c_str()), 0);  // NOLINT(concurrency-mt-unsafe): one thread here
  const std::string fixtures = scratch + "/collector/fixtures";
  NodeOptions options;
  options.rootfs = fixtures;
  options.procfs = fixtures + "/proc";
  options.sysfs = fixtures + "/sys";
  options.udev_data = fixtures + "/udev/data";
  options.network_devices.include = "lo";
  options.stat_softirq = true;
  options.collectors["filesystem"] = false;
  options.collectors["uname"] = false;

  const auto ours = lines_by_family(scrape(options));
  const auto theirs = lines_by_family(read_whole(data + "/node-exporter/e2e-output.txt"));
  std::size_t compared = 0;
  for (const auto& [family, lines] : theirs) {
    if (!is_ours(family)) continue;
    ++compared;
    const auto it = ours.find(family);
    ASSERT_NE(it, ours.end()) << family << " is missing";
    EXPECT_EQ(joined(it->second), joined(lines));
  }
  EXPECT_GE(compared, 90U);
  for (const auto& [family, lines] : ours) {
    EXPECT_TRUE(theirs.contains(family)) << family << " is not upstream's";
  }
  for (const std::string_view collector :
       {"cpu", "diskstats", "loadavg", "meminfo", "netdev", "stat", "time"}) {
    const std::string line =
        fmt::format("node_scrape_collector_success{{collector=\"{}\"}} 1", collector);
    const auto& found = ours.at("node_scrape_collector_success");
    EXPECT_NE(std::find(found.begin(), found.end(), line), found.end()) << line;
  }
}

struct FamilyShape {
  std::string type;
  std::set<std::string> labels;
};

// family -> shape, from a table "family type labels ..." with tabs between.
std::map<std::string, FamilyShape> read_shapes(const std::string& path) {
  std::map<std::string, FamilyShape> shapes;
  std::istringstream table(read_whole(path));
  for (std::string line; std::getline(table, line);) {
    std::istringstream row(line);
    std::string family, labels, label;
    FamilyShape shape;
    std::getline(row, family, '\t');
    std::getline(row, shape.type, '\t');
    std::getline(row, labels, '\t');
    std::istringstream list(labels);
    while (std::getline(list, label, ',')) shape.labels.insert(label);
    shapes.emplace(family, shape);
  }
  return shapes;
}

// Label names of "name{a=\"x\",b=\"y\"} 1"; the values of this machine hold no escaped quotes.
std::set<std::string> label_names(std::string_view line) {
  std::set<std::string> names;
  std::size_t at = line.find('{');
  while (at != std::string_view::npos && line[at] != '}') {
    const std::size_t equals = line.find("=\"", at);
    names.emplace(line.substr(at + 1, equals - at - 1));
    at = line.find('"', equals + 2) + 1;
  }
  return names;
}

TEST(NodeParityTest, NamesTypesAndLabelsOfThisMachineAreUpstreams) {
  const std::string data = conformance_directory();
  if (data.empty()) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  auto upstream = read_shapes(data + "/exporter-families/node_families.tsv");
  upstream.merge(read_shapes(data + "/exporter-families/node_families_upstream_e2e_fixture.tsv"));
  std::string family, type;
  std::size_t compared = 0;
  const std::string page = scrape(NodeOptions());
  for (const std::string_view line : lines_of(page)) {
    if (line.starts_with("# HELP")) continue;
    if (line.starts_with("# TYPE ")) {
      const std::vector<std::string_view> fields = fields_of(line);
      family = fields[2];
      type = fields[3];
      continue;
    }
    // Upstream shows the lines of /proc/meminfo that it knows, and its tables are of some kernels.
    if (family.starts_with("node_memory_") && !upstream.contains(family)) continue;
    if (family.starts_with("process_")) continue;
    ASSERT_TRUE(upstream.contains(family)) << family;
    EXPECT_EQ(type, upstream.at(family).type) << family;
    EXPECT_EQ(label_names(line), upstream.at(family).labels) << line;
    ++compared;
  }
  EXPECT_GE(compared, 80U);
}

TEST(NodeParityTest, EveryCollectorWorksOnThisMachine) {
  const std::string page = scrape(NodeOptions());
  for (const std::string_view text :
       {"node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} ", "node_load1 ",
        "node_memory_MemTotal_bytes ", "node_filesystem_size_bytes{",
        "node_network_receive_bytes_total{", "node_boot_time_seconds ", "node_uname_info{",
        "node_time_seconds ", "process_resident_memory_bytes "}) {
    EXPECT_NE(page.find(text), std::string::npos) << text;
  }
  EXPECT_EQ(page.find("node_scrape_collector_success{collector=\"cpu\"} 0"), std::string::npos);
}

}  // namespace
}  // namespace tocsin::exporters
