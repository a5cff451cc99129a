// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe/probe_list.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/manual_executor.h"
#include "exporters/app/config.h"
#include "exporters/app/testing/probe_fixture.h"

namespace tocsin::exporters::app {
namespace {

using net::testing::RawSocket;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::ScriptServer;

// Timers that fire when the test says so, however late they are; confined to the test's thread.
class HandTimers final : public base::Timers {
 public:
  Id schedule(base::SteadyTime, std::function<void()> callback) override {
    waiting_.emplace(++last_, std::move(callback));
    return last_;
  }
  bool cancel(Id id) override { return waiting_.erase(id) != 0; }
  void fire_all() {
    for (auto& [id, callback] : std::exchange(waiting_, {})) callback();
  }
  std::size_t pending() const { return waiting_.size(); }

 private:
  Id last_ = 0;
  std::map<Id, std::function<void()>> waiting_;
};

class ProbeListTest : public ::testing::Test {
 protected:
  StatusOr<AppConfig> parse(std::string_view yaml) {
    return AppConfig::parse(fmt::format("modules: {{http: {{prober: http}}}}\n{}", yaml), "app.yml",
                            input_kinds(),
                            {clock_, timers_, base::real_file_system(), lookup_, workers_});
  }
  std::unique_ptr<Input> start(std::string_view yaml) {
    StatusOr<AppConfig> config = parse(yaml);
    EXPECT_TRUE(config.ok()) << config.status();
    std::unique_ptr<Input> input = std::move(config->inputs.at(0).input);
    EXPECT_TRUE(input->start().ok());
    return input;
  }
  static std::string page(Input& input) {
    std::vector<base::MetricFamily> families;
    EXPECT_TRUE(input.collect(&families).ok());
    EXPECT_EQ(tidy_families(&families), 0U);
    std::string text;
    formats::write_text(families, &text);
    return text;
  }

  const base::SystemClock clock_;
  HandTimers timers_;
  net::HostLookup lookup_{testing::resolve_to_loopback};
  base::testing::ManualExecutor workers_;
};

void answer_ok(RawSocket& peer) {
  peer.read_until("\r\n\r\n");
  peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

TEST_F(ProbeListTest, ShowsTheNewestRunOfEachTarget) {
  ScriptServer server(answer_ok);
  const auto list =
      start(fmt::format("probes: [{{module: http, labels: {{app: shop}}, targets: ['http://{}/', "
                        "'http://nowhere.test/']}}]",
                        server.address()));
  EXPECT_EQ(list->name(), "probes/http");
  EXPECT_THAT(page(*list), Not(HasSubstr("probe_success")));
  for (int run = 1; run <= 3; ++run) {
    timers_.fire_all();
    EXPECT_EQ(workers_.run_until_idle(), 2U);
    const std::string text = page(*list);
    EXPECT_THAT(text,
                HasSubstr(fmt::format("probe_success{{app=\"shop\",instance=\"http://{}/\"}} 1\n",
                                      server.address())));
    EXPECT_THAT(text,
                HasSubstr("probe_success{app=\"shop\",instance=\"http://nowhere.test/\"} 0\n"));
    EXPECT_THAT(text, HasSubstr("probe_http_duration_seconds{app=\"shop\",instance="
                                "\"http://nowhere.test/\",phase=\"connect\"} 0\n"));
  }
  EXPECT_EQ(server.connections(), 3);
}

TEST_F(ProbeListTest, ATargetIsNotProbedTwiceAtOnce) {
  ScriptServer server(answer_ok);
  const auto list =
      start(fmt::format("probes: [{{module: http, name: x, targets: ['{}']}}]", server.address()));
  for (int turn = 0; turn < 3; ++turn) timers_.fire_all();
  EXPECT_EQ(workers_.run_until_idle(), 1U);
  EXPECT_THAT(page(*list), HasSubstr("app_exporter_probes_skipped_total{source=\"probes/x\"} 2\n"));
  timers_.fire_all();
  EXPECT_EQ(workers_.run_until_idle(), 1U);
}

TEST_F(ProbeListTest, StopEndsItsTimersAndWhatWaits) {
  ScriptServer server(answer_ok);
  auto list = start(fmt::format("probes: [{{module: http, targets: ['{}']}}]", server.address()));
  timers_.fire_all();
  list->stop();
  EXPECT_EQ(timers_.pending(), 0U);
  list.reset();
  EXPECT_EQ(workers_.run_until_idle(), 1U);
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(ProbeListTest, RefusesListsThatCannotWork) {
  const auto check = [this](std::string_view list, std::string_view error) {
    const std::string text(message(parse(fmt::format("probes: {}", list)).status()));
    EXPECT_THAT(text, HasSubstr(std::string(error))) << list;
  };
  check("[{module: nope, targets: [a]}]", "Unknown module \"nope\"");
  check("[{module: http}]", "missing field targets");
  check("[{module: http, targets: ['http://']}]", "bad target");
  check("[{module: http, targets: [a], labels: {instance: x}}]", "the label instance is taken");
  check("[{module: http, targets: [a, a]}]", "probed twice with the same labels");
  check("[{module: http, targets: [a]}, {module: http, name: b, targets: [a]}]",
        "probed twice with the same labels");
  check("[{module: http, targets: [a]}, {module: http, targets: [b]}]", "give one a name");
  EXPECT_TRUE(parse("probes: [{module: http, targets: [a]}, {module: http, name: b, targets: [a], "
                    "labels: {x: y}}]")
                  .ok());
}

TEST_F(ProbeListTest, AChangedModuleMakesANewList) {
  const auto identity = [this](std::string_view modules) {
    const StatusOr<AppConfig> config = AppConfig::parse(
        fmt::format("modules: {}\nprobes: [{{module: a, targets: [x]}}]", modules), "app.yml",
        input_kinds(), {clock_, timers_, base::real_file_system(), lookup_, workers_});
    EXPECT_TRUE(config.ok()) << config.status();
    return config->inputs.at(0).identity;
  };
  const std::string plain = identity("{a: {prober: http}}");
  EXPECT_EQ(identity("{a: {prober: http}, b: {prober: tcp}}"), plain);
  EXPECT_NE(identity("{a: {prober: http, timeout: 1s}}"), plain);
}

}  // namespace
}  // namespace tocsin::exporters::app
