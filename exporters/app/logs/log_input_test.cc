// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/log_input.h"

#include <gtest/gtest.h>

#include "exporters/app/testing/fake_input.h"
#include "exporters/app/testing/page_text.h"
#include "exporters/app/testing/temp_folder.h"

namespace tocsin::exporters::app {
namespace {

using testing::value_in;

class LogInputTest : public ::testing::Test {
 protected:
  void open(std::string_view more = "format: '\"$request\" $status'") {
    const std::string text =
        fmt::format("logs:\n- name: edge\n  files: ['{}']\n  {}", folder_.file("*.log"), more);
    const StatusOr<base::YamlNode> root = base::parse_yaml(text, "app.yml");
    ASSERT_TRUE(root.ok()) << root.status();
    StatusOr<std::unique_ptr<Input>> input =
        make_log(root->find("logs")->items()[0], {services_.all(), *root, "/", 100, nullptr});
    ASSERT_TRUE(input.ok()) << input.status();
    input_ = *std::move(input);
    ASSERT_TRUE(input_->start().ok());
    services_.clock.advance(base::Duration(0));
  }
  std::string page() {
    std::vector<base::MetricFamily> families;
    status_ = input_->collect(&families);
    return testing::page_text(std::move(families));
  }

  testing::TempFolder folder_;
  testing::FakeServices services_;
  std::unique_ptr<Input> input_;
  Status status_;
};

TEST_F(LogInputTest, AFileIsReadWhileNobodyAsks) {
  folder_.append("a.log", "\"GET / HTTP/1.1\" 200\n");
  open();
  EXPECT_EQ(input_->name(), "logs/edge");
  // Rotated by copying between two pages: what came before is not lost.
  folder_.append("a.log", "\"GET / HTTP/1.1\" 200\n");
  services_.clock.advance(std::chrono::seconds(1));
  folder_.truncate("a.log");
  folder_.append("a.log", "\"GET / HTTP/1.1\" 200\nbad\n");
  services_.clock.advance(std::chrono::seconds(1));
  const std::string text = page();
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_EQ(value_in(text, R"(nginx_http_response_count_total{method="GET",status="200"})"), "2");
  EXPECT_EQ(value_in(text, "nginx_parse_errors_total"), "1");
  EXPECT_EQ(value_in(text, R"(app_exporter_log_lines_total{source="logs/edge"})"), "3");
  EXPECT_EQ(value_in(text, R"(app_exporter_log_files{source="logs/edge"})"), "1");
  EXPECT_EQ(value_in(text, R"(app_exporter_log_truncations_total{source="logs/edge"})"), "1");
  input_->stop();
  EXPECT_EQ(services_.clock.pending(), 0U);
}

TEST_F(LogInputTest, APageHasWhatWasWrittenJustBefore) {
  open();
  folder_.append("a.log", "\"GET / HTTP/1.1\" 200\n");
  EXPECT_EQ(value_in(page(), R"(nginx_http_response_count_total{method="GET",status="200"})"), "1");
  input_->stop();
}

TEST_F(LogInputTest, ABurstIsReadWithoutWaitingForTheNextTurn) {
  open();
  std::string much;
  for (int i = 0; i < 500'000; ++i) much += "\"GET / HTTP/1.1\" 200\n";
  folder_.append("a.log", much);
  services_.clock.advance(std::chrono::seconds(1));
  EXPECT_EQ(value_in(page(), R"(app_exporter_log_lines_total{source="logs/edge"})"), "500000");
  input_->stop();
}

TEST_F(LogInputTest, PatternsSayWhatTheyMissed) {
  open(
      "format: regex\n  patterns: [{match: 'fail (?P<why>\\w+)', counter: x_total, labels: {why: "
      "$why}}]");
  folder_.append("a.log", "fail disk\nfine\n\n");
  const std::string text = page();
  EXPECT_EQ(value_in(text, R"(x_total{why="disk"})"), "1");
  EXPECT_EQ(value_in(text, R"(app_exporter_log_lines_unmatched_total{source="logs/edge"})"), "1");
  input_->stop();
}

TEST_F(LogInputTest, ASourceWithNothingToReadIsDown) {
  std::filesystem::create_symlink("/dev/null", folder_.file("a.log"));
  open();
  static_cast<void>(page());
  EXPECT_FALSE(status_.ok());
  folder_.append("b.log", "");
  static_cast<void>(page());
  EXPECT_TRUE(status_.ok()) << status_;
  input_->stop();
}

TEST_F(LogInputTest, PositionsAreKeptWhenItStops) {
  const std::string more = "positions_file: /positions\n  format: '\"$request\" $status'";
  folder_.append("a.log", "\"GET / HTTP/1.1\" 200\n");
  open(more);
  input_->stop();
  folder_.append("a.log", "\"GET / HTTP/1.1\" 200\n");
  open(more);
  EXPECT_EQ(value_in(page(), R"(nginx_http_response_count_total{method="GET",status="200"})"), "1");
  input_->stop();
}

}  // namespace
}  // namespace tocsin::exporters::app
