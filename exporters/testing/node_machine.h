// SPDX-License-Identifier: Apache-2.0
//
// NodeMachine: a machine in memory for the collectors of the node exporter.
//
// Confined to its test, except what collectors call.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"
#include "base/testing/mem_fs.h"
#include "exporters/common/page.h"
#include "exporters/node/collectors.h"
#include "formats/text_writer.h"

namespace tocsin::exporters::testing {

// Families as a page without HELP lines.
inline std::string page_of(std::vector<base::MetricFamily> families) {
  EXPECT_EQ(tidy_families(&families), 0U) << "samples that came twice";
  for (base::MetricFamily& family : families) family.help.clear();
  std::string text;
  formats::write_text(families, &text);
  return text;
}

struct NodeMachine {
  base::testing::FakeClock clock;
  std::unique_ptr<base::FileSystem> files = base::testing::make_mem_fs();
  std::map<std::string, std::string> links;  // for real_path; the files are not found through it
  NodeOptions options;
  NodeServices services{
      *files,
      clock,
      clock,
      base::TimeZone::utc(),
      [](const std::string& path) -> StatusOr<MountStats> {
        return not_found("no mount {}", path);
      },
      []() -> StatusOr<SystemNames> { return SystemNames(); },
      []() -> StatusOr<std::string> { return std::string(); },
      [](const NetlinkRequest&) -> StatusOr<std::string> { return unavailable("no netlink"); },
      [](const std::string&) -> StatusOr<EthtoolReport> { return not_found("no driver"); },
      []() -> std::string { return "/nowhere"; },
      []() -> StatusOr<ClockState> { return ClockState(); },
      [this](const std::string& path) -> StatusOr<std::string> {
        const auto it = links.find(path);
        if (it == links.end()) return not_found("no link {}", path);
        return it->second;
      },
      [](const std::string& path) -> StatusOr<BtrfsReport> {
        return not_found("no btrfs {}", path);
      },
      [](const PerfEvent&) -> StatusOr<PerfCounter> { return unavailable("no perf"); },
  };

  // Writes a file, with the directories above it.
  void write(const std::string& path, std::string_view text) {
    ASSERT_EQ(files->create_directories(path.substr(0, path.rfind('/'))), ok());
    auto file = files->open_writable(path, base::FileSystem::OpenMode::kTruncate);
    ASSERT_EQ(file.status(), ok());
    ASSERT_EQ((*file)->append(text), ok());
  }

  // What the collector shows, or "error: " and its reason after that.
  static std::string show(Collector& collector) {
    std::vector<base::MetricFamily> families;
    const Status status = collector.collect(&families);
    std::string text = page_of(std::move(families));
    if (!status.ok()) text.append("error: ").append(message(status)).append("\n");
    return text;
  }
};

}  // namespace tocsin::exporters::testing
