// SPDX-License-Identifier: Apache-2.0
//
// The input against a broker that the test plays.
#include "exporters/app/celery/celery_input.h"

#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"
#include "base/testing/manual_executor.h"
#include "base/testing/mem_fs.h"
#include "net/testing/raw_socket.h"

namespace tocsin::exporters::app {
namespace {

using net::testing::RawListener;
using net::testing::RawSocket;

constexpr std::string_view kSubscribed =
    "*3\r\n$10\r\npsubscribe\r\n$12\r\n/0.celeryev/\r\n:1\r\n"
    "*3\r\n$10\r\npsubscribe\r\n$13\r\n/0.celeryev/*\r\n:2\r\n";

std::string bulk(std::string_view text) { return fmt::format("${}\r\n{}\r\n", text.size(), text); }

std::string message(std::string_view payload) {
  return "*4\r\n" + bulk("pmessage") + bulk("/0.celeryev/*") + bulk("/0.celeryev/worker.online") +
         bulk(payload);
}

const std::string kOnline =
    R"({"body": "{\"type\": \"worker-online\", \"hostname\": \"celery@host1\"}"})";

class CeleryInputTest : public ::testing::Test {
 protected:
  void start(std::string_view more = "") {
    const std::string yaml = fmt::format(
        "{{broker: 'redis://{}', queues: [celery], discover_queues: false, priority_steps: [], "
        "poll_interval: 1h{}}}",
        listener_.address(), more);
    const StatusOr<base::YamlNode> node = base::parse_yaml(yaml, "app.yml");
    StatusOr<CeleryOptions> options = read_celery(*node, "", 100);
    ASSERT_TRUE(options.ok()) << tocsin::message(options.status());
    input_ = std::make_unique<CeleryInput>(
        *std::move(options), InputServices{clock_, timers_, *files_, lookup_, executor_});
    ASSERT_TRUE(input_->start().ok());
  }
  RawSocket accept_subscriber() {
    RawSocket socket = listener_.accept();
    EXPECT_NE(socket.read_until("/0.celeryev/*\r\n").find("PSUBSCRIBE"), std::string::npos);
    socket.write(kSubscribed);
    return socket;
  }
  // Answers the questions about the queue.
  RawSocket accept_asker(std::string_view replies) {
    RawSocket socket = listener_.accept();
    socket.read_until("unacked\r\n");
    socket.write(replies);
    return socket;
  }
  // Collects until the page and the status are as wanted; the last status.
  Status collect_until(const std::function<bool(const Status&)>& is_good) {
    const base::SteadyTime deadline = clock_.steady_now() + std::chrono::seconds(60);
    Status status;
    do {
      families_.clear();
      status = input_->collect(&families_);
    } while (!is_good(status) && clock_.steady_now() < deadline);
    return status;
  }
  double value(std::string_view family) const {
    for (const base::MetricFamily& f : families_) {
      if (f.name == family && !f.samples.empty()) return f.samples.front().value;
    }
    return -1;
  }

  const base::SystemClock clock_;
  base::testing::FakeClock timers_;
  std::unique_ptr<base::FileSystem> files_ = base::testing::make_mem_fs();
  net::HostLookup lookup_;
  base::testing::InlineExecutor executor_;
  RawListener listener_;
  std::unique_ptr<CeleryInput> input_;
  std::vector<base::MetricFamily> families_;
};

TEST_F(CeleryInputTest, ShowsEventsAndQueues) {
  start(", labels: {broker: main}");
  EXPECT_FALSE(input_->collect(&families_).ok()) << "nothing is known yet";
  RawSocket subscriber = accept_subscriber();
  const RawSocket asker = accept_asker(":7\r\n:2\r\n");
  subscriber.write(message(kOnline) + message("no JSON") + "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
  const Status status =
      collect_until([&](const Status& s) { return s.ok() && value("celery_worker_up") == 1; });
  EXPECT_TRUE(status.ok()) << tocsin::message(status);
  EXPECT_EQ(value("celery_queue_length"), 7);
  EXPECT_EQ(value("celery_unacked_messages"), 2);
  EXPECT_TRUE(collect_until([&](const Status& s) {
                return s.ok() && value("celery_undecoded_messages_total") == 1;
              }).ok());
  EXPECT_EQ(value("celery_undecoded_messages_total"), 1);
  for (const base::MetricFamily& family : families_) {
    EXPECT_EQ(family.samples.front().labels.front(),
              (std::pair<std::string, std::string>("broker", "main")));
  }
}

TEST_F(CeleryInputTest, ComesBackToABrokerThatClosed) {
  start();
  {
    RawSocket subscriber = accept_subscriber();
    const RawSocket asker = accept_asker(":7\r\n:0\r\n");
    subscriber.write(message(kOnline));
    EXPECT_TRUE(collect_until([&](const Status& s) {
                  return s.ok() && value("celery_worker_up") == 1;
                }).ok());
  }
  const Status status = collect_until([](const Status& s) { return !s.ok(); });
  EXPECT_EQ(tocsin::message(status), "EOF");
  EXPECT_EQ(value("celery_queue_length"), -1) << "an old length is no length";
  EXPECT_EQ(value("celery_worker_up"), 1) << "the broker is gone, not the worker";
  const RawSocket subscriber = accept_subscriber();
  const RawSocket asker = accept_asker(":9\r\n:0\r\n");
  EXPECT_TRUE(collect_until([](const Status& s) { return s.ok(); }).ok());
  EXPECT_EQ(value("celery_queue_length"), 9);
}

TEST_F(CeleryInputTest, ABrokerThatSaysNothingIsGivenUp) {
  start(", timeout: 100ms");
  const RawSocket silent = listener_.accept();
  const Status status =
      collect_until([](const Status& s) { return s.code() == StatusCode::kDeadlineExceeded; });
  EXPECT_EQ(tocsin::message(status), "PSUBSCRIBE: i/o timeout");
}

TEST_F(CeleryInputTest, AQueueThatIsNoListIsToldAndTheRestShown) {
  start();
  const RawSocket subscriber = accept_subscriber();
  const RawSocket asker = accept_asker("-WRONGTYPE not a list\r\n:4\r\n");
  const Status status =
      collect_until([](const Status& s) { return s.code() == StatusCode::kFailedPrecondition; });
  EXPECT_EQ(tocsin::message(status), "1 queues cannot be measured");
  EXPECT_EQ(value("celery_queue_length"), -1);
  EXPECT_EQ(value("celery_unacked_messages"), 4);
}

TEST_F(CeleryInputTest, StopsWhileItWaits) {
  start();
  const RawSocket subscriber = accept_subscriber();
  input_->stop();
}

TEST(CeleryBroker, EscapesPatterns) {
  EXPECT_EQ(CeleryBroker::escaped_glob("/0.a*b[c]?\\"), "/0.a\\*b\\[c\\]\\?\\\\");
}

}  // namespace
}  // namespace tocsin::exporters::app
