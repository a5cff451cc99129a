// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/celery/celery_state.h"

#include <gtest/gtest.h>

#include "exporters/common/page.h"
#include "formats/text_writer.h"

namespace tocsin::exporters::app {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Type = CeleryEvent::Type;

class CeleryStateTest : public ::testing::Test {
 protected:
  void make(CeleryState::Options options) { state_ = std::make_unique<CeleryState>(options); }
  void task(Type type, std::string uuid, CeleryEvent event = {}) {
    event.type = type;
    event.uuid = std::move(uuid);
    if (event.node.empty()) event.node = type == Type::kSent ? "gen1@web" : "celery@host1";
    state_->apply(event, now_);
  }
  void worker(Type type, std::string node, double active = 0) {
    CeleryEvent event;
    event.type = type;
    event.node = std::move(node);
    event.active = active;
    state_->apply(event, now_);
  }
  std::string page() {
    std::vector<base::MetricFamily> families;
    state_->append_to(now_, &families);
    tidy_families(&families);
    std::string text;
    formats::write_text(families, &text);
    return text;
  }
  // The value of a series; "" when it is not on the page.
  std::string value(const std::string& series) {
    const std::string text = "\n" + page();
    const std::size_t at = text.find("\n" + series + " ");
    if (at == std::string::npos) return "";
    const std::size_t begin = at + series.size() + 2;
    return text.substr(begin, text.find('\n', begin) - begin);
  }

  base::SteadyTime now_;
  std::unique_ptr<CeleryState> state_ = std::make_unique<CeleryState>(CeleryState::Options());
};

CeleryEvent sent(std::string task, std::string queue, double at) {
  CeleryEvent event;
  event.task = std::move(task);
  event.queue = std::move(queue);
  event.timestamp = at;
  return event;
}

CeleryEvent at(double timestamp) {
  CeleryEvent event;
  event.timestamp = timestamp;
  return event;
}

constexpr const char* kLabels = R"({hostname="host1",name="tasks.add",queue_name="mail"})";

TEST_F(CeleryStateTest, FollowsATaskByItsUuid) {
  task(Type::kSent, "u", sent("tasks.add", "mail", 100));
  task(Type::kReceived, "u", sent("tasks.add", "", 100.1));
  task(Type::kStarted, "u", at(100.7));
  CeleryEvent done = at(102);
  done.runtime = 1.3;
  task(Type::kSucceeded, "u", done);
  EXPECT_EQ(value(R"(celery_task_sent_total{hostname="web",name="tasks.add",queue_name="mail"})"),
            "1");
  const std::string labels = kLabels;
  EXPECT_EQ(value("celery_task_received_total" + labels), "1");
  EXPECT_EQ(value("celery_task_started_total" + labels), "1");
  EXPECT_EQ(value("celery_task_succeeded_total" + labels), "1");
  EXPECT_EQ(value("celery_task_runtime_sum" + labels), "1.3");
  EXPECT_EQ(value("celery_task_runtime_count" + labels), "1");
  EXPECT_EQ(value(R"(celery_task_runtime_bucket{hostname="host1",le="1",name="tasks.add",)"
                  R"(queue_name="mail"})"),
            "0");
  EXPECT_EQ(value(R"(celery_task_runtime_bucket{hostname="host1",le="2",name="tasks.add",)"
                  R"(queue_name="mail"})"),
            "1");
  EXPECT_EQ(value(R"(celery_task_queue_wait_time_bucket{hostname="host1",le="0.5",)"
                  R"(name="tasks.add",queue_name="mail"})"),
            "0");
  EXPECT_EQ(value(R"(celery_task_queue_wait_time_bucket{hostname="host1",le="1",)"
                  R"(name="tasks.add",queue_name="mail"})"),
            "1");
  EXPECT_EQ(state_->tracked_tasks(), 0U);
  EXPECT_TRUE(state_->queues().contains("mail"));
}

TEST_F(CeleryStateTest, ShowsAllCountersOfAWorkerBeforeTheyMoveAndOnlySentOfAClient) {
  task(Type::kSent, "u", sent("tasks.add", "mail", 100));
  task(Type::kReceived, "u", sent("tasks.add", "", 100.1));
  const std::string labels = kLabels;
  for (const char* name : {"sent", "started", "succeeded", "rejected", "revoked", "retried"}) {
    EXPECT_EQ(value(fmt::format("celery_task_{}_total{}", name, labels)), "0") << name;
  }
  EXPECT_EQ(value(R"(celery_task_failed_total{exception="",hostname="host1",name="tasks.add",)"
                  R"(queue_name="mail"})"),
            "0");
  EXPECT_EQ(page().find(R"(celery_task_received_total{hostname="web")"), std::string::npos);
}

TEST_F(CeleryStateTest, CountsFailuresByException) {
  const auto fail = [this](std::string uuid, std::string exception) {
    CeleryEvent event;
    event.task = "t";
    event.exception = std::move(exception);
    task(Type::kFailed, std::move(uuid), event);
  };
  fail("1", "ValueError('x')");
  fail("2", "ValueError('y')");
  fail("3", "KeyError(1)");
  const auto failed = [](std::string_view exception) {
    return fmt::format(
        R"(celery_task_failed_total{{exception="{}",hostname="host1",name="t",queue_name="celery"}})",
        exception);
  };
  EXPECT_EQ(value(failed("")), "0");
  EXPECT_EQ(value(failed("ValueError")), "2");
  EXPECT_EQ(value(failed("KeyError")), "1");
}

TEST_F(CeleryStateTest, DelayThatWasAskedForIsNoWaiting) {
  CeleryEvent event = sent("tasks.add", "mail", 100);
  event.eta = 160;
  task(Type::kSent, "u", event);
  task(Type::kStarted, "u", at(160.5));
  EXPECT_EQ(value("celery_task_queue_wait_time_sum" + std::string(kLabels)), "0.5");
  // Clocks that differ make no negative time.
  task(Type::kSent, "v", sent("tasks.add", "mail", 200));
  task(Type::kStarted, "v", at(199));
  EXPECT_EQ(value("celery_task_queue_wait_time_sum" + std::string(kLabels)), "0.5");
  EXPECT_EQ(value("celery_task_queue_wait_time_count" + std::string(kLabels)), "2");
}

TEST_F(CeleryStateTest, NamesWhatItHasNotSeenFromTheStart) {
  task(Type::kSucceeded, "u");
  EXPECT_EQ(value(R"(celery_task_succeeded_total{hostname="host1",name="unknown",)"
                  R"(queue_name="celery"})"),
            "1");
}

TEST_F(CeleryStateTest, AWorkerIsDownAfterItsTimeAndForgottenLater) {
  worker(Type::kOnline, "celery@host1");
  EXPECT_EQ(value("celery_worker_up{hostname=\"host1\"}"), "1");
  worker(Type::kHeartbeat, "celery@host1", 3);
  EXPECT_EQ(value("celery_worker_tasks_active{hostname=\"host1\"}"), "3");
  task(Type::kReceived, "u", sent("tasks.add", "mail", 1));
  now_ += minutes(5);
  EXPECT_EQ(value("celery_worker_up{hostname=\"host1\"}"), "1");
  now_ += seconds(1);
  EXPECT_EQ(value("celery_worker_up{hostname=\"host1\"}"), "0");
  EXPECT_EQ(value("celery_worker_tasks_active{hostname=\"host1\"}"), "0");
  EXPECT_EQ(value("celery_task_received_total" + std::string(kLabels)), "1");
  now_ += minutes(5);
  EXPECT_EQ(page().find("host1"), std::string::npos);
  worker(Type::kHeartbeat, "celery@host1");
  EXPECT_EQ(value("celery_worker_up{hostname=\"host1\"}"), "1");
}

TEST_F(CeleryStateTest, AWorkerThatLeavesIsDownAtOnce) {
  worker(Type::kHeartbeat, "celery@host1", 2);
  worker(Type::kOffline, "celery@host1");
  EXPECT_EQ(value("celery_worker_up{hostname=\"host1\"}"), "0");
  worker(Type::kOffline, "celery@stranger");
  EXPECT_EQ(page().find("stranger"), std::string::npos);
}

TEST_F(CeleryStateTest, WorkersOfOneHostAreOneUnlessToldOtherwise) {
  worker(Type::kHeartbeat, "w1@host1", 2);
  worker(Type::kHeartbeat, "w2@host1", 3);
  worker(Type::kOffline, "w1@host1");
  EXPECT_EQ(value("celery_worker_up{hostname=\"host1\"}"), "1");
  EXPECT_EQ(value("celery_worker_tasks_active{hostname=\"host1\"}"), "3");
  make({.node_names = true});
  worker(Type::kHeartbeat, "w1@host1", 2);
  worker(Type::kHeartbeat, "w2@host1", 3);
  worker(Type::kOffline, "w1@host1");
  EXPECT_EQ(value("celery_worker_up{hostname=\"w1@host1\"}"), "0");
  EXPECT_EQ(value("celery_worker_up{hostname=\"w2@host1\"}"), "1");
}

TEST_F(CeleryStateTest, SendersMayBeOne) {
  make({.generic_sender = true});
  task(Type::kSent, "u", sent("t", "mail", 1));
  EXPECT_EQ(value(R"(celery_task_sent_total{hostname="generic",name="t",queue_name="mail"})"), "1");
}

TEST_F(CeleryStateTest, FoldsWhatIsTooManyAndForgetsTheOldestTasks) {
  make({.max_tasks = 3, .max_series = 2 * CeleryState::kSeriesPerTask});
  for (int i = 0; i < 10; ++i) {
    task(Type::kReceived, fmt::format("u{}", i), sent(fmt::format("task{}", i), "", 1));
  }
  EXPECT_EQ(state_->tracked_tasks(), 3U);
  EXPECT_EQ(value(R"(celery_task_received_total{hostname="other",name="other",)"
                  R"(queue_name="other"})"),
            "8");
  EXPECT_EQ(state_->dropped(), 8U);
  // A host that is forgotten makes room.
  for (int i = 0; i < 10; ++i) worker(Type::kHeartbeat, fmt::format("w@h{}", i));
  EXPECT_EQ(page().find("h0"), std::string::npos);
}

}  // namespace
}  // namespace tocsin::exporters::app
