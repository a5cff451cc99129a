// SPDX-License-Identifier: Apache-2.0
//
// tocsin-app-exporter and Celery over a real redis-server: with the messages that a worker sends,
// and with a real worker where one is (tools/fetch_test_parts).
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/exporters/alert_chain.h"
#include "tests/exporters/lint.h"
#include "tests/support/http.h"
#include "tests/support/process.h"
#include "tests/support/redis.h"
#include "tests/support/wait.h"

namespace tocsin::tests {
namespace {

constexpr std::string_view kTasks = R"(
import os
from celery import Celery

app = Celery('tasks', broker=os.environ['BROKER'])
app.conf.update(worker_send_task_events=True, task_send_sent_event=True)

@app.task(name='tasks.add')
def add(a, b):
    return a + b

@app.task(name='tasks.boom')
def boom():
    raise ValueError('x')
)";

// A message as kombu publishes it when the body needs no base64.
std::string envelope(std::string event) {
  std::string body;
  for (const char c : event) body += c == '"' ? std::string("\\\"") : std::string(1, c);
  return fmt::format(
      R"({{"body": "{}", "content-encoding": "utf-8", "content-type": "application/json", )"
      R"("headers": {{}}, "properties": {{"delivery_mode": 1, "priority": 0}}}})",
      body);
}

class Celery : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!RedisServer::is_installed()) GTEST_SKIP() << RedisServer::missing();
  }

  void start_server(const std::vector<std::string>& options = {}) {
    redis_ = std::make_unique<RedisServer>(options);
  }
  // Starts the exporter for database 5 of the server.
  void start_exporter(const std::string& more = "") {
    const std::string config =
        files_.write("app.yml", fmt::format("celery:\n- broker: redis://{}/5\n  name: shop\n"
                                            "  poll_interval: 100ms\n  timeout: 500ms\n{}",
                                            redis_->address(), more));
    exporter_ = std::make_unique<Process>(
        std::vector<std::string>{built_program("tocsin-app-exporter"), "--config.file=" + config,
                                 "--web.listen-address=127.0.0.1:0"});
    address_ = log_field(exporter_->wait_for_line({"msg=listening", "address="}), "address");
  }
  std::string page() {
    const Reply reply = http_get(address_, "/metrics");
    EXPECT_EQ(reply.status, 200);
    return reply.body;
  }
  std::string value(const std::string& series) {
    const std::string text = "\n" + page();
    const std::size_t at = text.find("\n" + series + " ");
    if (at == std::string::npos) return "";
    const std::size_t begin = at + series.size() + 2;
    return text.substr(begin, text.find('\n', begin) - begin);
  }
  bool becomes(const std::string& series, const std::string& wanted) {
    return eventually([&] { return value(series) == wanted; });
  }
  bool is_up(const std::string& wanted) {
    return becomes("app_exporter_source_up{source=\"celery/shop\"}", wanted);
  }
  // Publishes until somebody has heard it.
  void publish(const std::string& key, const std::string& event) {
    EXPECT_TRUE(eventually([&] {
      return redis_->call({"PUBLISH", "/5.celeryev/" + key, envelope(event)}) == ":1\r\n";
    }));
  }
  // Runs a command in database 5, in one round trip.
  void in_database(const std::vector<std::string>& words) {
    std::string script = "redis.call('SELECT', 5) return redis.call(unpack(ARGV))";
    std::vector<std::string> command = {"EVAL", script, "0"};
    command.insert(command.end(), words.begin(), words.end());
    EXPECT_EQ(redis_->call(command).front(), ':') << words.front();
  }

  const TempDir files_;
  std::unique_ptr<RedisServer> redis_;
  std::unique_ptr<Process> exporter_;
  std::string address_;
};

TEST_F(Celery, ShowsTheEventsOfAWorker) {
  start_server();
  start_exporter();
  publish("worker.online", R"({"type": "worker-online", "hostname": "celery@host1"})");
  publish("task.sent",
          R"({"type": "task-sent", "uuid": "u1", "name": "tasks.add", "queue": "mail", )"
          R"("hostname": "gen1@web", "timestamp": 1795220259.0})");
  publish("task.multi", R"([{"type": "task-received", "uuid": "u1", "name": "tasks.add", )"
                        R"("hostname": "celery@host1", "timestamp": 1795220259.1}, )"
                        R"({"type": "task-started", "uuid": "u1", "hostname": "celery@host1", )"
                        R"("timestamp": 1795220259.2}])");
  publish("task.multi", R"([{"type": "task-succeeded", "uuid": "u1", "hostname": "celery@host1", )"
                        R"("runtime": 0.5, "timestamp": 1795220259.7}])");
  const std::string labels = R"({hostname="host1",name="tasks.add",queue_name="mail"})";
  EXPECT_TRUE(becomes("celery_task_succeeded_total" + labels, "1"));
  EXPECT_EQ(value("celery_task_runtime_sum" + labels), "0.5");
  EXPECT_EQ(own_complaints(page()), std::vector<std::string>{});
  EXPECT_EQ(value("celery_task_queue_wait_time_count" + labels), "1");
  EXPECT_EQ(value("celery_worker_up{hostname=\"host1\"}"), "1");
  publish("worker.offline", R"({"type": "worker-offline", "hostname": "celery@host1"})");
  EXPECT_TRUE(becomes("celery_worker_up{hostname=\"host1\"}", "0"));
}

TEST_F(Celery, MeasuresQueuesThatItIsToldFindsAndHearsOf) {
  start_server();
  in_database({"LPUSH", "celery", "m1", "m2"});
  in_database({"LPUSH",
               "celery\x06\x16"
               "3",
               "m3"});
  in_database({"LPUSH", "found", "m1"});
  in_database({"SADD", "_kombu.binding.found",
               "found\x06\x16\x06\x16"
               "found"});
  in_database({"SADD", "_kombu.binding.celery.pidbox", "\x06\x16\x06\x16w1.celery.pidbox"});
  in_database({"LPUSH", "heard", "m1", "m2", "m3"});
  in_database({"HSET", "unacked", "tag", "message"});
  start_exporter("  queues: [celery, empty]\n");
  EXPECT_TRUE(is_up("1"));
  EXPECT_TRUE(becomes("celery_queue_length{queue_name=\"celery\"}", "3"));
  EXPECT_TRUE(becomes("celery_queue_length{queue_name=\"found\"}", "1"));
  EXPECT_EQ(value("celery_queue_length{queue_name=\"empty\"}"), "0");
  EXPECT_EQ(value("celery_unacked_messages"), "1");
  publish("task.sent", R"({"type": "task-sent", "uuid": "u", "name": "t", "queue": "heard"})");
  EXPECT_TRUE(becomes("celery_queue_length{queue_name=\"heard\"}", "3"));
  EXPECT_EQ(page().find("pidbox"), std::string::npos);
}

TEST_F(Celery, AServerThatHangsHoldsUpNoPageAndIsToldAsDown) {
  start_server();
  start_exporter("  queues: [celery]\n");
  EXPECT_TRUE(is_up("1"));
  redis_->send({"DEBUG", "SLEEP", "3"});
  EXPECT_TRUE(is_up("0"));
  EXPECT_EQ(value("celery_queue_length{queue_name=\"celery\"}"), "");
  EXPECT_TRUE(is_up("1"));
  EXPECT_EQ(value("celery_queue_length{queue_name=\"celery\"}"), "0");
}

TEST_F(Celery, NeedsTheRightPasswordAndNeverTellsIt) {
  start_server({"--requirepass", "right-secret"});
  const std::string file = files_.write("redis.pw", "wrong-secret\n");
  start_exporter("  password_file: redis.pw\n");
  EXPECT_TRUE(is_up("0"));
  exporter_->wait_for_line({"lost a broker of Celery"});
  EXPECT_EQ(exporter_->standard_error().find("-secret"), std::string::npos);
  // The file is read anew for each connection.
  files_.write("redis.pw", "right-secret\n");
  EXPECT_TRUE(is_up("1"));
  EXPECT_EQ(page().find("-secret"), std::string::npos);
}

TEST_F(Celery, NeedsNoMoreRightsThanTheExampleGives) {
  std::string rights = read_file(source_path("examples/queues/exporter.acl"));
  rights = rights.substr(rights.rfind("user exporter"));
  rights = replaced(rights, "/0.celeryev", "/5.celeryev");
  start_server({"--aclfile", files_.write("users.acl", rights)});
  in_database({"LPUSH", "found", "m1"});
  in_database({"SADD", "_kombu.binding.found",
               "found\x06\x16\x06\x16"
               "found"});
  start_exporter("  username: exporter\n  password: change-me\n");
  EXPECT_TRUE(is_up("1"));
  EXPECT_TRUE(becomes("celery_queue_length{queue_name=\"found\"}", "1"));
  publish("worker.online", R"({"type": "worker-online", "hostname": "celery@host1"})");
  EXPECT_TRUE(becomes("celery_worker_up{hostname=\"host1\"}", "1"));
}

// A real worker and a real client.
class CeleryWorker : public Celery {
 protected:
  void SetUp() override {
    Celery::SetUp();
    if (IsSkipped()) return;
    packages_ = source_path("build/parts/celery/usr/lib/python3/dist-packages");
    if (!std::filesystem::exists(packages_ + "/celery")) {
      GTEST_SKIP() << packages_ << " is missing: run tools/fetch_test_parts";
    }
    files_.write("tasks.py", kTasks);
    start_server();
  }
  std::unique_ptr<Process> python(std::vector<std::string> arguments) {
    std::vector<std::string> command = {
        "/usr/bin/env", "-C", files_.path(), "PYTHONPATH=" + packages_ + ":" + files_.path(),
        "PYTHONDONTWRITEBYTECODE=1", "BROKER=redis://" + redis_->address() + "/5",
        // Root may run a worker of a test.
        "C_FORCE_ROOT=1", "/usr/bin/python3"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return std::make_unique<Process>(std::move(command));
  }
  std::unique_ptr<Process> start_worker() {
    return python({"-m", "celery", "-A", "tasks", "worker", "-c", "1", "-n", "w1@host1",
                   "--without-mingle", "--without-gossip"});
  }
  void send(const std::string& code) {
    EXPECT_EQ(python({"-c", "import tasks; " + code})->wait(), 0);
  }

  std::string packages_;
};

// Families of the exporter that users come from, as far as its page has them with Redis.
void expect_known_families(const std::string& page) {
  const char* folder =
      std::getenv("TOCSIN_CONFORMANCE_DIR");  // NOLINT(concurrency-mt-unsafe): no other thread runs
  if (folder == nullptr) {
    fmt::print("TOCSIN_CONFORMANCE_DIR is not set: not compared with celery-exporter's families\n");
    return;
  }
  std::istringstream table(
      read_file(std::string(folder) + "/exporter-families/celery_families.tsv"));
  std::size_t found = 0;
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::istringstream row(line);
    std::string name, type;
    row >> name >> type;
    // When a counter began is an extension of OpenMetrics; who consumes a queue is asked of workers.
    if (name.ends_with("_created") || name.starts_with("celery_active_")) continue;
    EXPECT_NE(page.find(fmt::format("# TYPE {} {}\n", name, type)), std::string::npos) << name;
    ++found;
  }
  EXPECT_GE(found, 13U);
}

TEST_F(CeleryWorker, IsFollowedFromItsFirstHeartbeatToItsEnd) {
  start_exporter();
  EXPECT_TRUE(is_up("1"));
  const std::unique_ptr<Process> worker = start_worker();
  ASSERT_TRUE(becomes("celery_worker_up{hostname=\"host1\"}", "1"));
  send("[tasks.add.delay(i, i) for i in range(3)]; tasks.boom.delay()");
  const std::string add = R"({hostname="host1",name="tasks.add",queue_name="celery"})";
  EXPECT_TRUE(becomes("celery_task_succeeded_total" + add, "3"));
  EXPECT_EQ(value("celery_task_received_total" + add), "3");
  EXPECT_EQ(value("celery_task_started_total" + add), "3");
  EXPECT_EQ(value("celery_task_runtime_count" + add), "3");
  EXPECT_EQ(value("celery_task_queue_wait_time_count" + add), "3");
  EXPECT_TRUE(becomes(R"(celery_task_failed_total{exception="ValueError",hostname="host1",)"
                      R"(name="tasks.boom",queue_name="celery"})",
                      "1"));
  EXPECT_TRUE(becomes("celery_queue_length{queue_name=\"celery\"}", "0"));
  EXPECT_EQ(value("celery_undecoded_messages_total"), "0");
  expect_known_families(page());
  EXPECT_EQ(worker->terminate(), 0);
  EXPECT_TRUE(becomes("celery_worker_up{hostname=\"host1\"}", "0"));
  send("tasks.add.apply_async((1, 2), priority=9); tasks.add.delay(1, 2)");
  EXPECT_TRUE(becomes("celery_queue_length{queue_name=\"celery\"}", "2"));
}

TEST_F(CeleryWorker, ThatIsKilledIsDownAfterItsTime) {
  start_exporter("  worker_timeout: 5s\n");
  EXPECT_TRUE(is_up("1"));
  const std::unique_ptr<Process> worker = start_worker();
  ASSERT_TRUE(becomes("celery_worker_up{hostname=\"host1\"}", "1"));
  worker->kill();
  EXPECT_TRUE(becomes("celery_worker_up{hostname=\"host1\"}", "0"));
}

// With the messages of a worker that a test plays: queue_alerts_test.cc.
TEST_F(CeleryWorker, ThatIsKilledIsToldAndThatAnotherIsInItsPlace) {
  start_exporter("  worker_timeout: 5s\n");
  AlertChain chain({.example = "queues", .target = "127.0.0.1:9115", .exporter = address_});
  std::unique_ptr<Process> worker = start_worker();
  ASSERT_TRUE(eventually([&] { return chain.tocsin().value("celery_worker_up") == "1"; }));
  worker->kill();
  EXPECT_TRUE(chain.hears("firing", "CeleryWorkerDown"));
  worker = start_worker();
  EXPECT_TRUE(chain.hears("resolved", "CeleryWorkerDown"));
}

}  // namespace
}  // namespace tocsin::tests
