// SPDX-License-Identifier: Apache-2.0
//
// The whole way of the rules in examples/queues: a real redis-server, tocsin-app-exporter, tocsin and
// a receiver, with the times of the examples shortened.
#include <unistd.h>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/support/redis.h"
#include "tests/support/tocsin.h"

namespace tocsin::tests {
namespace {

class QueueAlerts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!RedisServer::is_installed()) GTEST_SKIP() << RedisServer::missing();
    redis_ = std::make_unique<RedisServer>();
    start_exporter();
    start_tocsin();
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

  void start_tocsin() {
    std::string rules = read_file(source_path("examples/queues/rules/queues.yml"));
    for (const char* time : {"for: 1m", "for: 2m", "for: 5m"}) {
      rules = replaced(rules, time, "for: 1s");
    }
    // So that what has ended resolves soon.
    rules = replaced(rules, "[5m]", "[5s]");
    files_.write("rules/queues.yml", rules);
    std::string config = read_file(source_path("examples/queues/prometheus.yml"));
    config = replaced_once(config, "scrape_interval: 15s", "scrape_interval: 1s");
    config = replaced_once(config, "evaluation_interval: 15s", "evaluation_interval: 1s");
    config = replaced_once(config, "127.0.0.1:9115", address_);
    std::string receiver = read_file(source_path("examples/queues/alertmanager.yml"));
    receiver = replaced_once(receiver, "127.0.0.1:9025", sink_.address());
    receiver = replaced_once(receiver,
                             "  group_by:", "  group_wait: 1s\n  group_interval: 1s\n  group_by:");
    tocsin_ = std::make_unique<Tocsin>(
        Tocsin::Options{.config = files_.write("prometheus.yml", config),
                        .alertmanager = files_.write("alertmanager.yml", receiver),
                        .data = files_.file("data")});
    ASSERT_TRUE(tocsin_->wait_ready());
    ASSERT_TRUE(eventually([this] {
      return tocsin_->value("app_exporter_source_up{source=\"celery/shop\"}") == "1";
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

  // Waits until the receiver has heard of the alert, and does `meanwhile` until then.
  bool hears(
      std::string_view status, std::string_view name,
      const std::function<void()>& meanwhile = [] {}) {
    return eventually([&] {
      meanwhile();
      for (const net::HttpRequest& request : sink_.requests()) {
        const base::JsonValue body = parsed(request.body);
        for (const base::JsonValue& alert : at(body, "alerts").items()) {
          if (text_at(alert, "status") == status && text_at(alert, "labels.alertname") == name) {
            return true;
          }
        }
      }
      return false;
    });
  }

  const TempDir files_;
  HttpSink sink_{[](const net::HttpRequest&) { return net::HttpResponse::text(200, "ok"); }};
  std::unique_ptr<RedisServer> redis_;
  std::unique_ptr<Process> exporter_;
  std::uint16_t statsd_port_ = 0;
  std::string address_;
  std::unique_ptr<Tocsin> tocsin_;
};

TEST_F(QueueAlerts, AWorkerThatFallsSilentIsToldAndThatItIsBack) {
  ASSERT_TRUE(eventually([this] {
    heartbeat();
    return tocsin_->value("celery_worker_up") == "1";
  }));
  EXPECT_TRUE(hears("firing", "CeleryWorkerDown"));
  EXPECT_TRUE(hears("resolved", "CeleryWorkerDown", [this] { heartbeat(); }));
}

TEST_F(QueueAlerts, AQueueThatGrowsIsToldAndThatItIsEmpty) {
  std::vector<std::string> push = {"LPUSH", "celery"};
  for (int i = 0; i < 101; ++i) push.push_back(std::to_string(i));
  redis_->call(push);
  EXPECT_TRUE(hears("firing", "CeleryQueueLong"));
  EXPECT_TRUE(hears("firing", "CeleryWithoutWorkers"));
  redis_->call({"DEL", "celery"});
  EXPECT_TRUE(hears("resolved", "CeleryQueueLong"));
}

TEST_F(QueueAlerts, WhatApplicationsCannotPublishOrDeliverIsTold) {
  count("redis.publish.fail:0|c\nws.delivery.ok:1|c\nws.delivery.closed:0|c");
  ASSERT_TRUE(eventually([this] { return tocsin_->value("app_redis_publish_total") == "0"; }));
  const auto trouble = [this] {
    count("redis.publish.fail:1|c\nws.delivery.closed:1|c\nws.delivery.ok:9|c");
  };
  EXPECT_TRUE(hears("firing", "AppPublishFails", trouble));
  EXPECT_TRUE(hears("firing", "WebSocketDeliveryFails", trouble));
  const auto calm = [this] { count("redis.publish.ok:1|c\nws.delivery.ok:100|c"); };
  EXPECT_TRUE(hears("resolved", "AppPublishFails", calm));
  EXPECT_TRUE(hears("resolved", "WebSocketDeliveryFails", calm));
}

TEST_F(QueueAlerts, ABrokerThatIsGoneIsTold) {
  redis_.reset();
  EXPECT_TRUE(hears("firing", "CeleryBrokerUnheard"));
}

}  // namespace
}  // namespace tocsin::tests
