// SPDX-License-Identifier: Apache-2.0
//
// The collector against a bus of this test.
#include "exporters/node/systemd/systemd.h"

#include <map>

#include <gtest/gtest.h>

#include "exporters/testing/fake_bus.h"
#include "exporters/testing/node_machine.h"

namespace tocsin::exporters {
namespace {

using testing::add;
using testing::add_text;
using testing::dbus_array;
using testing::FakeBus;
using testing::NodeMachine;
using testing::number_variant;
using testing::pad;
using testing::small_variant;
using testing::text_body;
using testing::text_variant;

std::string unit_list(const std::vector<SystemdUnit>& units) {
  std::string items;
  for (const SystemdUnit& unit : units) {
    pad(&items, 8);
    for (const std::string_view text :
         {std::string_view(unit.name), std::string_view("A description"),
          std::string_view(unit.load_state), std::string_view(unit.active_state),
          std::string_view("running"), std::string_view(""), std::string_view(unit.path)}) {
      add_text(&items, text);
    }
    add(&items, std::uint32_t{0});
    add_text(&items, "");
    add_text(&items, "/");
  }
  return dbus_array(items);
}

const std::vector<SystemdUnit>& units() {
  static const std::vector<SystemdUnit> kUnits = {
      {"web.service", "loaded", "active", "/u/web"},
      {"db.service", "loaded", "failed", "/u/db"},
      {"gone.service", "not-found", "inactive", "/u/gone"},
      {"clean.timer", "loaded", "active", "/u/timer"},
      {"in.socket", "loaded", "active", "/u/socket"},
      {"home.mount", "loaded", "active", "/u/mount"}};
  return kUnits;
}

TEST(DbusTest, ReadsTheListOfUnits) {
  const std::string body = unit_list(units());
  const auto parsed = parse_units(body);
  ASSERT_EQ(parsed.status(), ok());
  ASSERT_EQ(parsed->size(), units().size());
  EXPECT_EQ(parsed->at(1).name, "db.service");
  EXPECT_EQ(parsed->at(1).active_state, "failed");
  EXPECT_EQ(parsed->at(5).path, "/u/mount");
  EXPECT_TRUE(parse_units(unit_list({}))->empty());
}

TEST(DbusTest, ACutListIsRefused) {
  const std::string body = unit_list(units());
  for (std::size_t length = 0; length < body.size(); ++length) {
    EXPECT_FALSE(parse_units(std::string_view(body).substr(0, length)).ok()) << length;
  }
}

TEST(DbusTest, VersionsAreNumbers) {
  EXPECT_EQ(systemd_version_number("252.17-1~deb12u1"), 252.17);
  EXPECT_EQ(systemd_version_number("v249"), 249);
  EXPECT_EQ(systemd_version_number("254~rc1"), 254);
  EXPECT_EQ(systemd_version_number("none"), 0);
}

const std::map<std::string, std::string>& answers() {
  static const std::string kGet = " Get org.freedesktop.systemd1.";
  static const std::map<std::string, std::string> kAnswers = {
      {"/org/freedesktop/DBus Hello", text_body(":1.5")},
      {"/org/freedesktop/systemd1 ListUnits", unit_list(units())},
      {"/org/freedesktop/systemd1" + kGet + "Manager Version", text_variant("252.17-1")},
      {"/org/freedesktop/systemd1" + kGet + "Manager SystemState", text_variant("degraded")},
      {"/u/web" + kGet + "Service Type", text_variant("notify")},
      {"/u/web" + kGet + "Service NRestarts", small_variant(3)},
      {"/u/web" + kGet + "Service TasksCurrent", number_variant(12)},
      {"/u/web" + kGet + "Service TasksMax", number_variant(~std::uint64_t{0})},
      {"/u/web" + kGet + "Unit ActiveEnterTimestamp", number_variant(1'700'000'000'500'000)},
      {"/u/timer" + kGet + "Timer LastTriggerUSec", number_variant(1'600'000'000'000'000)},
      {"/u/socket" + kGet + "Socket NAccepted", small_variant(9)},
      {"/u/socket" + kGet + "Socket NConnections", small_variant(2)}};
  return kAnswers;
}

std::string show(const std::vector<std::string>& arguments, const std::string& hang_up_at = "") {
  FakeBus bus(answers(), hang_up_at);
  NodeMachine machine;
  machine.services.system_bus = [&bus] { return bus.path(); };
  Flags flags("test", "");
  add_node_flags(&flags, &machine.options);
  EXPECT_EQ(flags.parse(arguments).status(), ok());
  const auto collectors = make_collectors(machine.options, machine.services);
  EXPECT_EQ(collectors.status(), ok());
  return NodeMachine::show(*collectors->front());
}

TEST(SystemdTest, ShowsUnitsTimersAndSockets) {
  const std::string page = show({"--collector.disable-defaults", "--collector.systemd"});
  for (const std::string_view line :
       {"node_systemd_system_running 0\n", "node_systemd_version{version=\"252.17-1\"} 252.17\n",
        "node_systemd_units{state=\"active\"} 4\n", "node_systemd_units{state=\"failed\"} 1\n",
        "node_systemd_units{state=\"inactive\"} 1\n",
        "node_systemd_unit_state{name=\"web.service\",state=\"active\",type=\"notify\"} 1\n",
        "node_systemd_unit_state{name=\"web.service\",state=\"failed\",type=\"notify\"} 0\n",
        "node_systemd_unit_state{name=\"db.service\",state=\"failed\",type=\"\"} 1\n",
        "node_systemd_timer_last_trigger_seconds{name=\"clean.timer\"} 1.6e+09\n",
        "node_systemd_socket_accepted_connections_total{name=\"in.socket\"} 9\n",
        "node_systemd_socket_current_connections{name=\"in.socket\"} 2\n"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line << page;
  }
  for (const std::string_view text :
       {"gone.service", "home.mount", "restart_total", "tasks", "start_time", "refused"}) {
    EXPECT_EQ(page.find(text), std::string::npos) << text;
  }
}

TEST(SystemdTest, ShowsMoreWhenAsked) {
  const std::string page =
      show({"--collector.disable-defaults", "--collector.systemd",
            "--collector.systemd.unit-include=web.*", "--collector.systemd.enable-task-metrics",
            "--collector.systemd.enable-restarts-metrics",
            "--collector.systemd.enable-start-time-metrics"});
  for (const std::string_view line :
       {"node_systemd_service_restart_total{name=\"web.service\"} 3\n",
        "node_systemd_unit_tasks_current{name=\"web.service\"} 12\n",
        "node_systemd_unit_start_time_seconds{name=\"web.service\"} 1.7000000005e+09\n"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line << page;
  }
  EXPECT_EQ(page.find("db.service"), std::string::npos);
  EXPECT_EQ(page.find("tasks_max"), std::string::npos) << "no limit";
}

TEST(SystemdTest, ABusThatHangsUpInTheMiddleIsNoSuccess) {
  const std::vector<std::string> arguments = {"--collector.disable-defaults",
                                              "--collector.systemd"};
  const std::string page =
      show(arguments, "/u/timer Get org.freedesktop.systemd1.Timer LastTriggerUSec");
  EXPECT_NE(page.find("name=\"web.service\""), std::string::npos) << page;
  EXPECT_NE(page.find("error: systemd stopped answering\n"), std::string::npos) << page;
  EXPECT_EQ(show(arguments).find("error: "), std::string::npos);
}

TEST(SystemdTest, AMachineWithoutABusHasNoData) {
  NodeMachine machine;
  const auto collect = make_systemd({machine.options, machine.services});
  ASSERT_EQ(collect.status(), ok());
  std::vector<base::MetricFamily> families;
  Families out(&families);
  EXPECT_EQ((*collect)(&out).code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace tocsin::exporters
