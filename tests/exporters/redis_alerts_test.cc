// SPDX-License-Identifier: Apache-2.0
//
// The whole way of rules in examples/redis: a real redis-server, tocsin-redis-exporter, tocsin and a
// receiver.
#include <csignal>

#include <gtest/gtest.h>

#include "tests/exporters/alert_chain.h"
#include "tests/support/redis.h"

namespace tocsin::tests {
namespace {

class RedisAlerts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!RedisServer::is_installed()) GTEST_SKIP() << RedisServer::missing();
    redis_ = std::make_unique<RedisServer>();
    exporter_ = std::make_unique<Process>(std::vector<std::string>{
        built_program("tocsin-redis-exporter"), "--web.listen-address=127.0.0.1:0",
        "--redis.addr=redis://" + redis_->address(), "--check-single-keys=db0=celery"});
    const std::string address =
        log_field(exporter_->wait_for_line({"listening", "address="}), "address");
    // So that what has ended resolves soon.
    chain_ = std::make_unique<AlertChain>(AlertChain::Options{.example = "redis",
                                                              .target = "127.0.0.1:9121",
                                                              .exporter = address,
                                                              .changes = {{"[5m]", "[5s]"}}});
    ASSERT_TRUE(eventually([this] { return chain_->tocsin().value("redis_up") == "1"; }));
  }

  std::unique_ptr<RedisServer> redis_;
  std::unique_ptr<Process> exporter_;
  std::unique_ptr<AlertChain> chain_;
};

TEST_F(RedisAlerts, AServerThatHangsIsToldAndThatItAnswersAgain) {
  redis_->process().signal(SIGSTOP);
  EXPECT_TRUE(chain_->hears("firing", "RedisDown"));
  redis_->process().signal(SIGCONT);
  EXPECT_TRUE(chain_->hears("resolved", "RedisDown"));
}

TEST_F(RedisAlerts, MessagesThatAreRefusedAreToldAndThatTheyAreTakenAgain) {
  const auto publish = [this] { redis_->call({"PUBLISH", "news", "x"}); };
  redis_->call({"ACL", "SETUSER", "default", "-publish"});
  EXPECT_TRUE(chain_->hears("firing", "RedisPublishFails", publish));
  redis_->call({"ACL", "SETUSER", "default", "+publish"});
  EXPECT_TRUE(chain_->hears("resolved", "RedisPublishFails", publish));
}

TEST_F(RedisAlerts, AQueueThatGrowsIsToldAndThatItIsEmpty) {
  std::vector<std::string> push = {"LPUSH", "celery"};
  for (int i = 0; i < 101; ++i) push.push_back(std::to_string(i));
  redis_->call(push);
  EXPECT_TRUE(chain_->hears("firing", "RedisQueueLong"));
  redis_->call({"DEL", "celery"});
  EXPECT_TRUE(chain_->hears("resolved", "RedisQueueLong"));
}

}  // namespace
}  // namespace tocsin::tests
