// SPDX-License-Identifier: Apache-2.0
//
// Parity with upstream: the page of its own fixture machine line by line, and names, types and
// labels of what this machine shows.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
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

// Lines of a page without those that differ by nature: the list that comes with the fixture.
std::vector<std::string> comparable_lines(const std::string& page) {
  const model::Regex differs =
      model::Regex::unanchored(
          "^(go_|promhttp_|process_|node_exporter_build_info|node_scrape_collector_duration_seconds"
          "|node_textfile_mtime_seconds|node_time_(zone|seconds)"
          "|node_network_(receive|transmit)_(bytes|packets)_total)")
          .value();
  std::vector<std::string> lines;
  for (const std::string_view line : lines_of(page)) {
    std::string_view name = line;
    if (name.starts_with("# ")) name.remove_prefix(7);
    if (!differs.matches(name)) lines.emplace_back(line);
  }
  return lines;
}

// Runs a test in another directory: the page shows paths as the flags give them.
class WorkingDirectory {
 public:
  explicit WorkingDirectory(const std::string& path) : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(path);
  }
  ~WorkingDirectory() { std::filesystem::current_path(before_); }
  WorkingDirectory(const WorkingDirectory&) = delete;
  WorkingDirectory& operator=(const WorkingDirectory&) = delete;

 private:
  const std::filesystem::path before_;
};

// Unpacks the fixture once for each archive: writing over files makes ext4 wait for the disk.
std::string unpacked_fixture(const std::string& archive) {
  const auto info = base::real_file_system().info(archive);
  EXPECT_EQ(info.status(), ok());
  const std::string scratch =
      fmt::format("{}/node-exporter-fixtures-{}", TOCSIN_BINARY_DIR, info->size);
  EXPECT_EQ(base::real_file_system().create_directories(scratch), ok());
  const std::string unpack =
      fmt::format("tar --skip-old-files -xzf '{}' -C '{}'", archive, scratch);
  EXPECT_EQ(std::system(unpack.c_str()), 0);  // NOLINT(concurrency-mt-unsafe): one thread here
  return scratch;
}

// The flags behind upstream's page.
NodeOptions fixture_options() {
  NodeOptions options;
  const std::vector<std::string> arguments = {
      "--path.rootfs=collector/fixtures",
      "--path.procfs=collector/fixtures/proc",
      "--path.sysfs=collector/fixtures/sys",
      "--path.udev.data=collector/fixtures/udev/data",
      "--collector.arp.device-exclude=nope",
      "--no-collector.arp.netlink",
      "--collector.bcache.priorityStats",
      "--collector.cpu.info",
      "--collector.cpu.info.bugs-include=^(cpu_meltdown|spectre_.*|mds)$",
      "--collector.cpu.info.flags-include=^(aes|avx.?|constant_tsc)$",
      "--collector.hwmon.chip-include=(applesmc|asus_nb_wmi|coretemp|hwmon4|ieee80211|nct6779)",
      "--collector.netclass.ignore-invalid-speed",
      "--collector.netclass.ignored-devices=(dmz|int)",
      "--collector.netdev.device-include=lo",
      "--collector.qdisc.device-include=(wlan0|eth0)",
      "--collector.qdisc.fixtures=collector/fixtures/qdisc/",
      "--collector.stat.softirq",
      "--collector.sysctl.include-info=kernel.seccomp.actions_avail",
      "--collector.sysctl.include=fs.file-nr",
      "--collector.sysctl.include=fs.file-nr:total,current,max",
      "--collector.sysctl.include=kernel.threads-max",
      "--collector.textfile.directory=collector/fixtures/textfile/two_metric_files/",
      "--collector.wifi.fixtures=collector/fixtures/wifi"};
  Flags flags("test", "");
  add_node_flags(&flags, &options);
  EXPECT_EQ(flags.parse(arguments).status(), ok());
  // The collectors whose success upstream's page shows are those that ran.
  for (auto& [name, state] : options.collectors) state = false;
  return options;
}

TEST(NodeParityTest, EveryLineOfUpstreamsFixturePageIsShown) {
  const std::string data = conformance_directory();
  if (data.empty()) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  const std::string golden = read_whole(data + "/node-exporter/e2e-output.txt");
  NodeOptions options = fixture_options();
  for (const std::string_view line : lines_of(golden)) {
    constexpr std::string_view kRan = "node_scrape_collector_success{collector=\"";
    if (!line.starts_with(kRan)) continue;
    const std::string name(line.substr(kRan.size(), line.rfind('"') - kRan.size()));
    if (options.collectors.contains(name)) options.collectors[name] = true;
  }
  const WorkingDirectory directory(unpacked_fixture(data + "/node-exporter/fixtures.tar.gz"));
  const std::vector<std::string> theirs = comparable_lines(golden);
  const std::vector<std::string> ours = comparable_lines(scrape(options));
  const std::set<std::string> expected(theirs.begin(), theirs.end());
  const std::set<std::string> shown(ours.begin(), ours.end());
  std::size_t matched = 0;
  for (const std::string& line : theirs) {
    const bool is_shown = shown.contains(line);
    EXPECT_TRUE(is_shown) << "missing: " << line;
    matched += is_shown ? 1 : 0;
  }
  // docs/node_exporter.md lists what ours adds on other machines; here it is nothing.
  for (const std::string& line : ours) EXPECT_TRUE(expected.contains(line)) << "added: " << line;
  fmt::print("matched {} of {} lines\n", matched, theirs.size());
  EXPECT_EQ(ours.size(), theirs.size()) << "lines that came twice";
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
