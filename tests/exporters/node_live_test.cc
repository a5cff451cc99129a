// SPDX-License-Identifier: Apache-2.0
//
// tocsin-node-exporter beside Debian's node_exporter 1.5.0 (tools/fetch_test_parts) on this machine.
//
// A round is a page of ours, one of theirs and one of ours again. A series agrees when both show it
// and their value lies between our two, ends included; so one that stands still has to be equal. The
// machine goes on living between the pages, therefore each series has to agree in some round, not
// all of them in the same one. What never agrees is wrong.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/exporters/pages.h"
#include "tests/support/files.h"
#include "tests/support/http.h"
#include "tests/support/process.h"

namespace tocsin::tests {
namespace {

struct Series {
  std::string family;
  std::map<std::string, std::string> labels;
  double value = 0;

  std::string key() const {
    std::string text = family;
    for (const auto& [name, value_of] : labels) text += fmt::format(" {}={:?}", name, value_of);
    return text;
  }
};
using Page = std::map<std::string, Series>;  // by key()

Series parse_series(const std::string& line) {
  Series series;
  const std::size_t blank = line.rfind(' ');
  series.value = std::strtod(line.c_str() + blank, nullptr);
  const std::size_t brace = std::min(line.find('{'), blank);
  series.family = line.substr(0, brace);
  std::size_t at = brace + 1;
  while (at < blank && line[at] != '}') {
    const std::size_t equals = line.find("=\"", at);
    std::size_t end = equals + 2;
    while (line[end] != '"') end += line[end] == '\\' ? 2 : 1;
    series.labels[line.substr(at, equals - at)] = line.substr(equals + 2, end - equals - 2);
    at = line[end + 1] == ',' ? end + 2 : end + 1;
  }
  return series;
}

Page parse_page(const std::string& text) {
  Page page;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    Series series = parse_series(line);
    std::string key = series.key();
    EXPECT_TRUE(page.emplace(std::move(key), std::move(series)).second) << "twice: " << line;
  }
  return page;
}

enum class Kind {
  kNotOurs,   // theirs shows it, ours does not
  kOnlyOurs,  // ours has more series of this family
  kLabel,     // ours has a label more
  kValue,     // values are not compared
  kNear,      // the value differs by at most `distance`
};
struct Difference {
  std::string_view families;  // a name, or its beginning and *
  Kind kind;
  std::string_view reason;
  std::string_view label = "";
  double distance = 0;
  // Not every machine, or every moment, shows the difference.
  bool may_be_absent = false;
};

constexpr Difference kDifferences[] = {
    {"go_*", Kind::kNotOurs, "there is no Go runtime"},
    {"promhttp_*", Kind::kNotOurs, "there is no Go HTTP handler"},
    {"process_*", Kind::kValue, "each shows its own process"},
    {"node_exporter_build_info", Kind::kNotOurs, "each has its own version as labels"},
    {"node_exporter_build_info", Kind::kOnlyOurs, "each has its own version as labels"},
    {"node_scrape_collector_duration_seconds", Kind::kValue, "each measures itself"},
    {"node_scrape_collector_*", Kind::kOnlyOurs, "collectors that are newer than 1.5.0"},
    {"node_disk_info", Kind::kLabel, "new in 1.8", "rotational"},
    {"node_filesystem_*", Kind::kLabel, "new in 1.9", "device_error"},
    {"node_network_info", Kind::kLabel, "new in 1.6", "adminstate"},
    {"node_perf_*", Kind::kValue, "each counts from its own start", "", 0, true},
    {"node_sockstat_*", Kind::kNear, "making a page opens sockets, each in its own order", "", 16,
     true},
    {"node_filefd_allocated", Kind::kNear, "making a page opens files; counted for each CPU", "",
     1024, true},
    {"node_procs_*", Kind::kNear, "the threads that make a page are among those running", "", 8,
     true},
    {"node_processes_*", Kind::kNear, "the threads that make a page are among those running", "", 8,
     true},
};

bool covers(const Difference& difference, std::string_view family) {
  std::string_view name = difference.families;
  if (!name.ends_with('*')) return name == family;
  name.remove_suffix(1);
  return family.starts_with(name);
}

// Compares rounds and remembers what has agreed, and which differences were needed.
class Comparison {
 public:
  void add_round(const std::string& before_text, const std::string& theirs_text,
                 const std::string& after_text) {
    before_ = parse_page(before_text);
    after_ = parse_page(after_text);
    theirs_ = parse_page(theirs_text);
    types_ = page_families(theirs_text);
    our_types_ = page_families(after_text);
    wrong_.clear();
    std::set<std::string> expected;
    for (const auto& [key, series] : theirs_) compare(series, &expected);
    for (const auto& [key, series] : before_) {
      const bool is_new = !types_.contains(series.family) || expected.contains(key);
      if (!is_new && after_.contains(key)) look_at_addition(key, series);
    }
    compare_types();
  }

  // What is wrong after the last round, one line for each.
  const std::map<std::string, std::string>& wrong() const { return wrong_; }
  std::size_t agreed() const { return agreed_.size(); }

  // Rows of the table that no round needed, although it could have.
  std::vector<std::string> needless() const {
    std::vector<std::string> rows;
    for (const Difference& row : kDifferences) {
      if (!row.may_be_absent && !used_.contains(&row)) {
        rows.push_back(fmt::format("{}: {}", row.families, row.reason));
      }
    }
    return rows;
  }

 private:
  const Difference* find(std::string_view family, Kind kind) const {
    for (const Difference& row : kDifferences) {
      if (row.kind == kind && covers(row, family)) return &row;
    }
    return nullptr;
  }
  bool excused(std::string_view family, Kind kind) {
    const Difference* row = find(family, kind);
    if (row != nullptr) used_.insert(row);
    return row != nullptr;
  }

  // The keys that ours may have for a series of theirs: the same, or with one label more.
  std::vector<std::string> keys_of(const Series& series) {
    const Difference* row = find(series.family, Kind::kLabel);
    std::vector<std::string> keys = {series.key()};
    if (row == nullptr || series.labels.contains(std::string(row->label))) return keys;
    for (const auto& [key, mine] : after_) {
      if (mine.family != series.family || !mine.labels.contains(std::string(row->label))) continue;
      Series without = mine;
      without.labels.erase(std::string(row->label));
      if (without.key() != series.key()) continue;
      used_.insert(row);
      keys.push_back(key);
    }
    return keys;
  }

  void compare(const Series& series, std::set<std::string>* expected) {
    const std::string key = series.key();
    for (const std::string& mine : keys_of(series)) {
      expected->insert(mine);
      const auto before = before_.find(mine);
      const auto after = after_.find(mine);
      if (before == before_.end() || after == after_.end()) continue;
      if (lies_between(series, before->second.value, after->second.value)) agreed_.insert(key);
      if (agreed_.contains(key)) return;
      wrong_[key] = fmt::format("ours {}, theirs {}, ours {}", before->second.value, series.value,
                                after->second.value);
      return;
    }
    if (!excused(series.family, Kind::kNotOurs)) wrong_[key] = "missing";
  }

  bool lies_between(const Series& series, double before, double after) {
    const double low = std::min(before, after), high = std::max(before, after);
    if (series.value >= low && series.value <= high) return true;
    if (std::isnan(series.value) && (std::isnan(before) || std::isnan(after))) return true;
    if (excused(series.family, Kind::kValue)) return true;
    const Difference* near = find(series.family, Kind::kNear);
    return near != nullptr && series.value >= low - near->distance &&
           series.value <= high + near->distance;
  }

  void look_at_addition(const std::string& key, const Series& series) {
    if (seen_of_theirs_.contains(key) || excused(series.family, Kind::kOnlyOurs)) return;
    wrong_[key] = "only ours shows it";
  }

  void compare_types() {
    for (const auto& [family, theirs] : types_) {
      const auto mine = our_types_.find(family);
      if (mine == our_types_.end() || mine->second.type == theirs.type) continue;
      wrong_[family] = fmt::format("ours is a {}, theirs a {}", mine->second.type, theirs.type);
    }
    for (const auto& [key, series] : theirs_) {
      for (const std::string& mine : keys_of(series)) seen_of_theirs_.insert(mine);
    }
  }

  Page before_, theirs_, after_;
  std::map<std::string, PageFamily> types_, our_types_;
  std::map<std::string, std::string> wrong_;
  std::set<std::string> agreed_;
  std::set<std::string> seen_of_theirs_;
  std::set<const Difference*> used_;
};

class NodeLive : public ::testing::Test {
 protected:
  void SetUp() override {
    text_files_.write("backup.prom",
                      "# HELP backup_seconds Duration of the last backup.\n"
                      "# TYPE backup_seconds gauge\n"
                      "backup_seconds{job=\"a \\\"b\\\" c\"} 12.5\n"
                      "backups_total 7\n");
  }

  // Their filters differ from one version to the next: these are the newest's.
  std::vector<std::string> flags() const {
    return {"--collector.textfile.directory=" + text_files_.path(),
            "--collector.netdev.device-exclude=^$",
            "--collector.diskstats.device-exclude=^(z?ram|loop|fd|(h|s|v|xv)d[a-z])\\d+$",
            "--collector.filesystem.mount-points-exclude=^/(dev|proc|sys)($|/)",
            "--collector.filesystem.fs-types-exclude=^(autofs|binfmt_misc|bpf|cgroup2?|configfs|"
            "debugfs|devpts|devtmpfs|fusectl|hugetlbfs|mqueue|nsfs|overlay|proc|pstore|securityfs|"
            "sysfs|tracefs)$",
            "--collector.systemd"};
  }

  void start(std::vector<std::string> more) {
    std::vector<std::string> ours = {built_program("tocsin-node-exporter"),
                                     "--web.listen-address=127.0.0.1:0"};
    ours.insert(ours.end(), more.begin(), more.end());
    ours_ = std::make_unique<Process>(std::move(ours));
    our_address_ = log_field(ours_->wait_for_line({"listening", "address="}), "address");
    if (!has_theirs()) return;
    std::vector<std::string> theirs = {their_program(), "--web.listen-address=127.0.0.1:0"};
    theirs.insert(theirs.end(), more.begin(), more.end());
    theirs_ = std::make_unique<Process>(std::move(theirs));
    their_address_ = theirs_->wait_for_listener();
  }

  static std::string their_program() {
    return source_path("build/parts/bin/prometheus-node-exporter");
  }
  static bool has_theirs() { return std::filesystem::exists(their_program()); }
  static std::string page_at(const std::string& address) {
    const Reply reply = http_get(address, "/metrics");
    EXPECT_EQ(reply.status, 200) << address;
    return reply.body;
  }

  void expect_agreement(std::size_t at_least) {
    Comparison comparison;
    std::size_t rounds = 0;
    // The first page of a collector opens files that later ones have open.
    static_cast<void>(page_at(our_address_));
    static_cast<void>(page_at(their_address_));
    const bool agrees = eventually([&] {
      const std::string before = page_at(our_address_);
      const std::string theirs = page_at(their_address_);
      comparison.add_round(before, theirs, page_at(our_address_));
      ++rounds;
      return comparison.wrong().empty() || HasFailure();
    });
    EXPECT_TRUE(agrees);
    for (const auto& [key, what] : comparison.wrong()) ADD_FAILURE() << key << ": " << what;
    for (const std::string& row : comparison.needless()) {
      ADD_FAILURE() << "a difference that does not occur: " << row;
    }
    fmt::print("{} series agree after {} rounds\n", comparison.agreed(), rounds);
    EXPECT_GE(comparison.agreed(), at_least);
  }

  TempDir text_files_;
  std::unique_ptr<Process> ours_, theirs_;
  std::string our_address_, their_address_;
};

TEST_F(NodeLive, TheDefaultSetAgreesWithDebiansExporter) {
  if (!has_theirs()) GTEST_SKIP() << their_program() << " is missing: run tools/fetch_test_parts";
  start(flags());
  expect_agreement(350);
}

TEST_F(NodeLive, WhatIsOffByDefaultAgreesWithDebiansExporter) {
  if (!has_theirs()) GTEST_SKIP() << their_program() << " is missing: run tools/fetch_test_parts";
  std::vector<std::string> more = flags();
  for (const std::string_view name :
       {"buddyinfo", "cgroups", "drbd", "ethtool", "interrupts", "ksmd", "lnstat", "meminfo_numa",
        "mountstats", "network_route", "perf", "processes", "qdisc", "slabinfo", "sysctl",
        "tcpstat", "wifi", "zoneinfo"}) {
    more.push_back(fmt::format("--collector.{}", name));
  }
  more.insert(more.end(), {"--collector.sysctl.include=kernel.threads-max",
                           "--collector.sysctl.include-info=kernel.ostype",
                           "--collector.stat.softirq", "--collector.cpu.info"});
  start(std::move(more));
  expect_agreement(1000);
}

// Theirs shows the number that means "unknown" as a speed.
std::string without_unknown_speeds(const std::string& page) {
  std::string kept;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    const bool is_unknown =
        line.starts_with("node_network_speed_bytes{") && line.ends_with(" 5.36870911875e+14");
    if (!is_unknown) kept.append(line).append("\n");
  }
  return kept;
}

TEST_F(NodeLive, NetclassByNetlinkAgreesWithDebiansExporter) {
  if (!has_theirs()) GTEST_SKIP() << their_program() << " is missing: run tools/fetch_test_parts";
  start({"--collector.disable-defaults", "--collector.netclass", "--collector.netclass.netlink",
         "--collector.netclass_rtnl.with-stats"});
  Comparison comparison;
  const bool agrees = eventually([&] {
    const std::string before = page_at(our_address_);
    const std::string theirs = without_unknown_speeds(page_at(their_address_));
    comparison.add_round(before, theirs, page_at(our_address_));
    return comparison.wrong().empty() || HasFailure();
  });
  EXPECT_TRUE(agrees);
  for (const auto& [key, what] : comparison.wrong()) ADD_FAILURE() << key << ": " << what;
  // Of the loopback alone: 14 properties and 24 counters.
  EXPECT_GE(comparison.agreed(), 38U);
}

// Families of the newest default set that a machine shows only with this file.
constexpr std::pair<std::string_view, std::string_view> kNeeds[] = {
    {"node_cpu_guest_", "/proc/stat"},
    {"node_disk_", "/sys/block/vda"},
    {"node_entropy_", "/proc/sys/kernel/random/entropy_avail"},
    {"node_filesystem_purgeable_", "/proc/1/mountinfo"},
    {"node_kernel_hung_", "/proc/sys/kernel/hung_task_detect_count"},
    {"node_memory_DirectMap1G_", "/sys/kernel/mm/hugepages/hugepages-1048576kB"},
    {"node_memory_Zswap", "/sys/module/zswap"},
    {"node_netstat_Icmp6_", "/proc/net/snmp6"},
    {"node_netstat_Ip6_", "/proc/net/snmp6"},
    {"node_netstat_Udp6_", "/proc/net/snmp6"},
    {"node_netstat_UdpLite", "/proc/net/udplite"},
    {"node_network_carrier_", "/sys/class/net/eth0"},
    {"node_network_speed_", "/sys/class/net/eth0/speed"},
    {"node_nf_conntrack_", "/proc/sys/net/netfilter/nf_conntrack_count"},
    {"node_pressure_", "/proc/pressure/cpu"},
    {"node_sockstat_FRAG6_", "/proc/net/sockstat6"},
    {"node_sockstat_RAW6_", "/proc/net/sockstat6"},
    {"node_sockstat_TCP6_", "/proc/net/sockstat6"},
    {"node_sockstat_UDP6_", "/proc/net/sockstat6"},
    {"node_sockstat_UDPLITE", "/proc/net/udplite"},
};

bool is_out_of_reach(std::string_view family) {
  for (const auto& [prefix, file] : kNeeds) {
    if (family.starts_with(prefix)) return !std::filesystem::exists(file);
  }
  return false;
}

TEST_F(NodeLive, EveryFamilyOfTheNewestDefaultSetIsShown) {
  const char* folder =
      std::getenv("TOCSIN_CONFORMANCE_DIR");  // NOLINT(concurrency-mt-unsafe): no other thread runs
  if (folder == nullptr) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  start({"--collector.textfile.directory=" + text_files_.path()});
  const std::map<std::string, PageFamily> ours = page_families(page_at(our_address_));
  std::istringstream rows(read_file(fmt::format("{}/exporter-families/node_families.tsv", folder)));
  std::size_t found = 0;
  for (std::string line; std::getline(rows, line);) {
    std::istringstream row(line);
    std::string name, labels, seen, label;
    PageFamily theirs;
    std::getline(row, name, '\t');
    std::getline(row, theirs.type, '\t');
    std::getline(row, labels, '\t');
    std::getline(row, seen, '\t');
    std::istringstream list(labels);
    while (std::getline(list, label, ',')) theirs.labels.insert(label);
    const bool is_of_the_node = name.starts_with("node_") || name.starts_with("process_");
    if (!is_of_the_node || seen.find("1.11.1_default") == std::string::npos) continue;
    const auto it = ours.find(name);
    if (it == ours.end() && is_out_of_reach(name)) continue;
    EXPECT_TRUE(it != ours.end()) << "missing: " << name;
    if (it == ours.end()) continue;
    EXPECT_EQ(it->second.type, theirs.type) << name;
    EXPECT_EQ(it->second.labels, theirs.labels) << name;
    ++found;
  }
  fmt::print("{} of upstream's families\n", found);
  EXPECT_GE(found, 200U);
}

}  // namespace
}  // namespace tocsin::tests
