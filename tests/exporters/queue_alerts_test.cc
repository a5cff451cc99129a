// SPDX-License-Identifier: Apache-2.0
//
// The whole way of the rules in examples/queues: a real redis-server, tocsin-app-exporter, tocsin and
// a receiver, with the times of the examples shortened.
#include <unistd.h>

#include <csignal>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/exporters/alert_chain.h"
#include "tests/support/redis.h"

namespace tocsin::tests {
namespace {

class QueueAlerts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!RedisServer::is_installed()) GTEST_SKIP() << RedisServer::missing();
    redis_ = std::make_unique<RedisServer>();
    start_exporter();
    start_chain();
  }

  void start_exporter() {
    std::string config = read_file(source_path("examples/queues/app.yml"));
    config =
        replaced_once(config, "127.0.0.1:6379/0'",
                      redis_->address() + "/0'\n    poll_interval: 200ms\n    worker_timeout: 3s");
    config = replaced_once(config, "listen_udp: '127.0.0.1:8125'", "listen_udp: '127.0.0.1:0'");
    exporter_ = std::make_unique<Process>(std::vector<std::string>{
        built_program("tocsin-app-exporter"), "--config.file=" + files_.write("app.yml", config),
        "--web.listen-address=127.0.0.1:0"});
    const std::string udp =
        log_field(exporter_->wait_for_line({"listening for StatsD", "address="}), "address");
    statsd_port_ = static_cast<std::uint16_t>(std::stoi(udp.substr(udp.rfind(':') + 1)));
    address_ = log_field(exporter_->wait_for_line({"msg=listening", "address="}), "address");
  }

  void start_chain() {
    // So that what has ended resolves soon.
    chain_ = std::make_unique<AlertChain>(AlertChain::Options{.example = "queues",
                                                              .target = "127.0.0.1:9115",
                                                              .exporter = address_,
                                                              .changes = {{"[5m]", "[5s]"}}});
    ASSERT_TRUE(eventually([this] {
      return chain_->tocsin().value("app_exporter_source_up{source=\"celery/shop\"}") == "1";
    }));
  }

  void count(std::string_view lines) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(statsd_port_);
    const int descriptor = ::socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT_EQ(::sendto(descriptor, lines.data(), lines.size(), 0,
                       reinterpret_cast<const sockaddr*>(&to), sizeof(to)),
              static_cast<ssize_t>(lines.size()));
    ::close(descriptor);
  }
  void heartbeat() {
    redis_->call(
        {"PUBLISH", "/0.celeryev/worker.heartbeat",
         R"({"body": "{\"type\": \"worker-heartbeat\", \"hostname\": \"celery@host1\"}"})"});
  }

  const TempDir files_;
  std::unique_ptr<RedisServer> redis_;
  std::unique_ptr<Process> exporter_;
  std::uint16_t statsd_port_ = 0;
  std::string address_;
  std::unique_ptr<AlertChain> chain_;
};

TEST_F(QueueAlerts, AWorkerThatFallsSilentIsToldAndThatItIsBack) {
  ASSERT_TRUE(eventually([this] {
    heartbeat();
    return chain_->tocsin().value("celery_worker_up") == "1";
  }));
  EXPECT_TRUE(chain_->hears("firing", "CeleryWorkerDown"));
  EXPECT_TRUE(chain_->hears("resolved", "CeleryWorkerDown", [this] { heartbeat(); }));
}

TEST_F(QueueAlerts, AQueueThatGrowsIsToldAndThatItIsEmpty) {
  std::vector<std::string> push = {"LPUSH", "celery"};
  for (int i = 0; i < 101; ++i) push.push_back(std::to_string(i));
  redis_->call(push);
  EXPECT_TRUE(chain_->hears("firing", "CeleryQueueLong"));
  EXPECT_TRUE(chain_->hears("firing", "CeleryWithoutWorkers"));
  redis_->call({"DEL", "celery"});
  EXPECT_TRUE(chain_->hears("resolved", "CeleryQueueLong"));
  EXPECT_TRUE(chain_->hears("resolved", "CeleryWithoutWorkers"));
}

TEST_F(QueueAlerts, WhatApplicationsCannotPublishOrDeliverIsTold) {
  count("redis.publish.fail:0|c\nws.delivery.ok:1|c\nws.delivery.closed:0|c");
  ASSERT_TRUE(
      eventually([this] { return chain_->tocsin().value("app_redis_publish_total") == "0"; }));
  const auto trouble = [this] {
    count("redis.publish.fail:1|c\nws.delivery.closed:1|c\nws.delivery.ok:9|c");
  };
  EXPECT_TRUE(chain_->hears("firing", "AppPublishFails", trouble));
  EXPECT_TRUE(chain_->hears("firing", "WebSocketDeliveryFails", trouble));
  const auto calm = [this] { count("redis.publish.ok:1|c\nws.delivery.ok:100|c"); };
  EXPECT_TRUE(chain_->hears("resolved", "AppPublishFails", calm));
  EXPECT_TRUE(chain_->hears("resolved", "WebSocketDeliveryFails", calm));
}

TEST_F(QueueAlerts, ABrokerThatHangsOrIsGoneIsTold) {
  redis_->process().signal(SIGSTOP);
  EXPECT_TRUE(chain_->hears("firing", "CeleryBrokerUnheard"));
  redis_->process().signal(SIGCONT);
  EXPECT_TRUE(chain_->hears("resolved", "CeleryBrokerUnheard"));
  redis_.reset();
  EXPECT_TRUE(chain_->hears("firing", "CeleryBrokerUnheard"));
}

}  // namespace
}  // namespace tocsin::tests
