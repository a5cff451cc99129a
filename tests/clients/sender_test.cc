// SPDX-License-Identifier: Apache-2.0
//
// Debian's prometheus as a sender of remote write.
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/support/tocsin.h"

namespace tocsin::tests {
namespace {

constexpr std::string_view kSenderConfig = R"(
global: {scrape_interval: 1s, external_labels: {sender: debian}}
scrape_configs:
  - job_name: sink
    static_configs:
      - targets: ['PAGE']
        labels: {instance: one}
remote_write:
  - url: http://RECEIVER/api/v1/write
    queue_config: {batch_send_deadline: 100ms}
    metadata_config: {send_interval: 1s}
)";

class SenderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::access(program_.c_str(), X_OK) != 0) {
      GTEST_SKIP() << program_ << " is missing: run tools/fetch_test_parts";
    }
  }

  std::unique_ptr<Tocsin> start_receiver(std::vector<std::string> more) {
    auto tocsin = std::make_unique<Tocsin>(
        Tocsin::Options{.config = files_.write("tocsin.yml", "global: {scrape_interval: 1m}\n"),
                        .data = files_.file("data"),
                        .more = std::move(more)});
    EXPECT_TRUE(tocsin->wait_ready());
    return tocsin;
  }
  std::unique_ptr<Process> start_sender(const std::string& receiver) {
    std::string config = replaced(std::string(kSenderConfig), "PAGE", page_.address());
    config = files_.write("sender.yml", replaced(config, "RECEIVER", receiver));
    return std::make_unique<Process>(std::vector<std::string>{
        program_, "--config.file=" + config, "--storage.tsdb.path=" + files_.file("sender-data"),
        "--web.listen-address=127.0.0.1:0"});
  }

  const std::string program_ = source_path("build/parts/bin/prometheus");
  const TempDir files_;
  HttpSink page_{[](const net::HttpRequest&) {
    net::HttpResponse response;
    response.headers.set("Content-Type", "text/plain; version=0.0.4");
    response.body = "# TYPE fixed gauge\nfixed{color=\"red\"} 42\nfixed{color=\"blue\"} NaN\n";
    return response;
  }};
};

TEST_F(SenderTest, FillsTheStore) {
  const auto receiver = start_receiver({"--web.enable-remote-write-receiver"});
  const auto sender = start_sender(receiver->address());
  const std::string red = R"(fixed{color="red",instance="one",job="sink",sender="debian"})";
  EXPECT_TRUE(eventually(
      [&] { return receiver->value("count_over_time(" + red + "[1m]) >= bool 3") == "1"; }));
  EXPECT_EQ(receiver->value(red), "42");
  EXPECT_EQ(receiver->value(replaced(red, "red", "blue")), "NaN");
  EXPECT_EQ(receiver->value(R"(up{sender="debian"})"), "1");
  EXPECT_EQ(receiver->metric("tocsin_remote_write_refused_total"), 0);
  const Reply metrics = http_get(sender->wait_for_listener(), "/metrics");
  EXPECT_NE(metrics.body.find("prometheus_remote_storage_samples_failed_total{"),
            std::string::npos);
  for (std::size_t at = 0;
       (at = metrics.body.find("\nprometheus_remote_storage_samples_failed_total{", at)) !=
       std::string::npos;) {
    const std::size_t end = metrics.body.find('\n', ++at);
    EXPECT_EQ(metrics.body.substr(end - 2, 2), " 0") << metrics.body.substr(at, end - at);
  }
}

TEST_F(SenderTest, IsToldHowToTurnTheReceiverOn) {
  const auto receiver = start_receiver({});
  const auto sender = start_sender(receiver->address());
  const std::string line =
      sender->wait_for_line({"404 Not Found", "remote write receiver needs to be enabled"});
  EXPECT_NE(line.find("--web.enable-remote-write-receiver"), std::string::npos) << line;
}

}  // namespace
}  // namespace tocsin::tests
