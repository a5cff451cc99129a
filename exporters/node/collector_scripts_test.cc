// SPDX-License-Identifier: Apache-2.0
//
// Runs testdata/*.test: files of a machine in memory, and the page that a collector makes of them.
//
//   collector NAME          begins a case
//   flag --FLAG=VALUE       a flag of the command line; may come again
//   file PATH               a file; its lines follow, each after "| "
//   want                    the page without HELP lines follows, up to an empty line
#include <algorithm>
#include <fstream>

#include <gtest/gtest.h>

#include "exporters/node/storage/storage.h"
#include "exporters/node/text.h"
#include "exporters/testing/node_machine.h"

namespace tocsin::exporters {
namespace {

using testing::NodeMachine;

struct Script {
  std::string collector;
  std::vector<std::string> flags;
  std::vector<std::pair<std::string, std::string>> files;
  std::string want;
  int line = 0;
};

std::vector<Script> read_scripts(const std::string& path) {
  std::vector<Script> scripts;
  std::ifstream file(path);
  bool in_want = false;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.starts_with("collector ")) {
      scripts.push_back(
          {.collector = line.substr(10), .flags = {}, .files = {}, .want = {}, .line = number});
      in_want = false;
    } else if (scripts.empty() || line.empty()) {
      in_want = false;
    } else if (in_want) {
      scripts.back().want.append(line).append("\n");
    } else if (line == "want") {
      in_want = true;
    } else if (line.starts_with("flag ")) {
      scripts.back().flags.push_back(line.substr(5));
    } else if (line.starts_with("file ")) {
      scripts.back().files.emplace_back(line.substr(5), "");
    } else if (line.starts_with("|")) {
      scripts.back().files.back().second.append(line.substr(std::min<std::size_t>(2, line.size())));
      scripts.back().files.back().second.append("\n");
    } else {
      ADD_FAILURE() << path << ":" << number << ": " << line;
    }
  }
  return scripts;
}

void run(const Script& script) {
  NodeMachine machine;
  Flags flags("test", "");
  add_node_flags(&flags, &machine.options);
  std::vector<std::string> arguments = script.flags;
  arguments.push_back("--collector.disable-defaults");
  arguments.push_back("--collector." + script.collector);
  ASSERT_EQ(flags.parse(arguments).status(), ok());
  for (const auto& [path, text] : script.files) machine.write(path, text);
  const auto collectors = make_collectors(machine.options, machine.services);
  ASSERT_EQ(collectors.status(), ok());
  ASSERT_EQ(collectors->size(), 1U);
  EXPECT_EQ(NodeMachine::show(*collectors->front()), script.want);
}

TEST(BtrfsTest, ShowsWhatAMountedFileSystemTells) {
  NodeMachine machine;
  machine.options.disable_defaults = true;
  machine.options.collectors["btrfs"] = true;
  machine.write("/sys/fs/btrfs/0abb23a9-579b-43e6/label", "data\n");
  machine.write("/sys/fs/btrfs/0abb23a9-579b-43e6/devices/sda/size", "8\n");
  machine.write("/proc/1/mountinfo",
                "1 0 0:2 / / rw - ext4 /dev/vda rw\n"
                "2 1 0:30 / /denied rw - btrfs /dev/sda rw\n"
                "3 1 0:30 / /data rw - btrfs /dev/sda rw\n"
                "4 1 0:30 /sub /more rw - btrfs /dev/sda rw\n");
  std::vector<std::string> asked;
  machine.services.btrfs_report = [&](const std::string& path) -> StatusOr<BtrfsReport> {
    asked.push_back(path);
    if (path == "/denied") return unavailable("no");
    return BtrfsReport{.uuid = "0abb23a9579b43e6",
                       .devices = {{.name = "sda",
                                    .uuid = "c0ffee",
                                    .size_bytes = 4096,
                                    .used_bytes = 96,
                                    .write_errors = 1,
                                    .generation_errors = 5}}};
  };
  const auto collectors = make_collectors(machine.options, machine.services);
  const std::string page = NodeMachine::show(*collectors->front());
  EXPECT_EQ(asked, (std::vector<std::string>{"/denied", "/data"}));
  const std::string labels = R"(btrfs_dev_uuid="c0ffee",device="sda",uuid="0abb23a9-579b-43e6"})";
  for (const std::string& line :
       {"node_btrfs_device_size_bytes{" + labels + " 4096\n",
        "node_btrfs_device_unused_bytes{" + labels + " 4000\n",
        std::string("type=\"write\",uuid=\"0abb23a9-579b-43e6\"} 1\n"),
        std::string("type=\"read\",uuid=\"0abb23a9-579b-43e6\"} 0\n"),
        std::string("type=\"generation\",uuid=\"0abb23a9-579b-43e6\"} 5\n")}) {
    EXPECT_NE(page.find(line), std::string::npos) << line << page;
  }
  EXPECT_EQ(page.find("{device=\"sda\""), std::string::npos) << "a device that came twice";
}

TEST(BtrfsTest, AnotherFileSystemIsNone) {
  EXPECT_FALSE(ask_btrfs("/proc").ok());
  EXPECT_FALSE(ask_btrfs("/nowhere").ok());
}

class CollectorScriptsTest : public ::testing::TestWithParam<const char*> {};

TEST_P(CollectorScriptsTest, ShowsWhatTheScriptWants) {
  const std::string path =
      fmt::format("{}/exporters/node/testdata/{}.test", TOCSIN_SOURCE_DIR, GetParam());
  const std::vector<Script> scripts = read_scripts(path);
  EXPECT_FALSE(scripts.empty()) << path;
  for (const Script& script : scripts) {
    SCOPED_TRACE(fmt::format("{}:{}: {}", path, script.line, script.collector));
    run(script);
  }
}

INSTANTIATE_TEST_SUITE_P(Subjects, CollectorScriptsTest,
                         ::testing::Values("hardware", "kernel", "memory", "network", "nfs",
                                           "storage"),
                         [](const auto& subject) { return std::string(subject.param); });

TEST(CollectorsTest, EveryNameOfAFlagIsACollector) {
  NodeMachine machine;
  for (auto& [name, state] : machine.options.collectors) state = true;
  const auto collectors = make_collectors(machine.options, machine.services);
  ASSERT_EQ(collectors.status(), ok());
  std::vector<std::string> made, named;
  for (const auto& collector : *collectors) made.emplace_back(collector->name());
  for (const auto& [name, state] : machine.options.collectors) named.push_back(name);
  std::sort(made.begin(), made.end());
  EXPECT_EQ(made, named);
}

TEST(TextTest, RunsOfInvalidBytesBecomeOneReplacement) {
  EXPECT_EQ(to_valid_utf8("a\xff\xfe"
                          "b\xc3\xa4"),
            "a\xEF\xBF\xBD"
            "b\xc3\xa4");
  EXPECT_EQ(to_valid_utf8(""), "");
}

// Cut anywhere, a file must end no collector: the kernel's lines get new columns, and old ones lack
// some.
TEST(CollectorsTest, TakesFilesThatAreCutAnywhere) {
  for (const std::string subject : {"hardware", "kernel", "memory", "network", "nfs", "storage"}) {
    const std::string path =
        fmt::format("{}/exporters/node/testdata/{}.test", TOCSIN_SOURCE_DIR, subject);
    for (const Script& script : read_scripts(path)) {
      NodeMachine machine;
      machine.options.disable_defaults = true;
      machine.options.collectors[script.collector] = true;
      for (const auto& [file, text] : script.files) machine.write(file, text);
      const auto collectors = make_collectors(machine.options, machine.services);
      ASSERT_EQ(collectors.status(), ok());
      for (const auto& [file, text] : script.files) {
        for (std::size_t length = 0; length < text.size(); ++length) {
          machine.write(file, text.substr(0, length));
          std::vector<base::MetricFamily> families;
          static_cast<void>(collectors->front()->collect(&families));
        }
        machine.write(file, text);
      }
    }
  }
}

}  // namespace
}  // namespace tocsin::exporters
