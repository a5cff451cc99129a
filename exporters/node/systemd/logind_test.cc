// SPDX-License-Identifier: Apache-2.0
#include "exporters/node/systemd/logind.h"

#include <map>

#include <gtest/gtest.h>

#include "exporters/testing/fake_bus.h"
#include "exporters/testing/node_machine.h"

namespace tocsin::exporters {
namespace {

using testing::add;
using testing::add_text;
using testing::bool_variant;
using testing::dbus_array;
using testing::FakeBus;
using testing::NodeMachine;
using testing::pad;
using testing::text_body;
using testing::text_variant;

constexpr std::size_t kCombinations = std::size_t{2} * 7 * 5;  // of each seat

struct Session {
  std::string name, seat;
  bool is_remote = false;
  std::string type, session_class;

  std::string path() const { return "/session/" + name; }
};

const std::vector<Session>& sessions() {
  static const std::vector<Session> kSessions = {
      {.name = "1", .seat = "seat0", .type = "wayland", .session_class = "user"},
      {.name = "c1", .seat = "seat0", .type = "x11", .session_class = "greeter"},
      {.name = "2", .seat = "", .is_remote = true, .type = "tty", .session_class = "user"},
      {.name = "3", .seat = "", .is_remote = true, .type = "tty", .session_class = "user"},
      {.name = "4", .seat = "", .type = "hologram", .session_class = "user-early"}};
  return kSessions;
}

std::string seat_list(const std::vector<std::string>& names) {
  std::string items;
  for (const std::string& name : names) {
    pad(&items, 8);
    add_text(&items, name);
    add_text(&items, "/seat/" + name);
  }
  return dbus_array(items);
}

std::string session_list() {
  std::string items;
  for (const Session& session : sessions()) {
    pad(&items, 8);
    add_text(&items, session.name);
    add(&items, std::uint32_t{1000});
    add_text(&items, "somebody");
    add_text(&items, session.seat);
    add_text(&items, session.path());
  }
  return dbus_array(items);
}

constexpr std::string_view kManager = "/org/freedesktop/login1 ";
const std::string kGet = " Get org.freedesktop.login1.Session ";

std::map<std::string, std::string> answers() {
  std::map<std::string, std::string> out = {
      {"/org/freedesktop/DBus Hello", text_body(":1.5")},
      {fmt::format("{}ListSeats", kManager), seat_list({"seat0", "seat1"})},
      {fmt::format("{}ListSessions", kManager), session_list()}};
  for (const Session& session : sessions()) {
    out[session.path() + kGet + "Remote"] = bool_variant(session.is_remote);
    out[session.path() + kGet + "Type"] = text_variant(session.type);
    out[session.path() + kGet + "Class"] = text_variant(session.session_class);
  }
  return out;
}

std::string show(std::map<std::string, std::string> answers, const std::string& hang_up_at = "") {
  FakeBus bus(std::move(answers), hang_up_at);
  NodeMachine machine;
  machine.options.disable_defaults = true;
  machine.options.collectors["logind"] = true;
  machine.services.system_bus = [&bus] { return bus.path(); };
  const auto collectors = make_collectors(machine.options, machine.services);
  EXPECT_EQ(collectors.status(), ok());
  return NodeMachine::show(*collectors->front());
}

// Lines of `page` that are no comments and do not end with a 0, after the name of the family.
std::vector<std::string> nonzero(std::string_view page) {
  std::vector<std::string> out;
  for (const std::string_view line : lines_of(page)) {
    if (line.starts_with('#') || line.ends_with(" 0")) continue;
    EXPECT_TRUE(line.starts_with("node_logind_sessions")) << line;
    out.emplace_back(line.substr(std::string_view("node_logind_sessions").size()));
  }
  return out;
}

std::size_t count_of(std::string_view page, std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = page.find(text); at != std::string_view::npos; ++count) {
    at = page.find(text, at + 1);
  }
  return count;
}

TEST(LogindTest, CountsSessionsByKind) {
  const std::string page = show(answers());
  EXPECT_TRUE(page.starts_with("# TYPE node_logind_sessions gauge\n")) << page;
  EXPECT_EQ(nonzero(page), (std::vector<std::string>{
                               R"({class="greeter",remote="false",seat="seat0",type="x11"} 1)",
                               R"({class="other",remote="false",seat="",type="other"} 1)",
                               R"({class="user",remote="false",seat="seat0",type="wayland"} 1)",
                               R"({class="user",remote="true",seat="",type="tty"} 2)"}));
}

TEST(LogindTest, EveryKindOfEverySeatHasASeries) {
  const std::string page = show(answers());
  for (const std::string_view seat : {"", "seat0", "seat1"}) {
    EXPECT_EQ(count_of(page, fmt::format("seat=\"{}\"", seat)), kCombinations) << seat;
  }
  EXPECT_EQ(count_of(page, "\nnode_logind_sessions{"), 3 * kCombinations);
  for (const std::string_view type :
       {"other", "unspecified", "tty", "x11", "wayland", "mir", "web"}) {
    EXPECT_EQ(count_of(page, fmt::format("type=\"{}\"", type)), 3 * kCombinations / 7) << type;
  }
  for (const std::string_view name : {"other", "user", "greeter", "lock-screen", "background"}) {
    EXPECT_EQ(count_of(page, fmt::format("class=\"{}\"", name)), 3 * kCombinations / 5) << name;
  }
}

TEST(LogindTest, ASessionThatEndedMeanwhileIsNotCounted) {
  for (const std::string_view property : {"Remote", "Type", "Class"}) {
    std::map<std::string, std::string> some = answers();
    EXPECT_EQ(some.erase(fmt::format("/session/c1{}{}", kGet, property)), 1U);
    const std::string page = show(std::move(some));
    EXPECT_EQ(page.find("error"), std::string::npos) << page;
    EXPECT_EQ(nonzero(page).size(), 3U) << page;
  }
}

TEST(LogindTest, WithoutLogindOnTheBusThereIsNoData) {
  for (const std::string_view member : {"ListSeats", "ListSessions"}) {
    std::map<std::string, std::string> some = answers();
    EXPECT_EQ(some.erase(fmt::format("{}{}", kManager, member)), 1U);
    EXPECT_EQ(show(std::move(some)),
              fmt::format("error: dbus: {0}: no {1}{0}\n", member, kManager));
  }
}

TEST(LogindTest, ABusThatHangsUpShowsNoCounts) {
  for (const auto& [key, answer] : answers()) {
    const std::string page = show(answers(), key);
    EXPECT_TRUE(page.starts_with("error: ")) << key << "\n" << page;
  }
}

TEST(LogindTest, AMachineWithoutABusHasNoData) {
  NodeMachine machine;
  std::vector<base::MetricFamily> families;
  Families out(&families);
  EXPECT_EQ(collect_logind({machine.options, machine.services}, &out).code(),
            StatusCode::kNotFound);
  EXPECT_TRUE(families.empty());
}

TEST(LogindTest, CutListsAreRefused) {
  const std::string seats = seat_list({"seat0", "seat1"});
  ASSERT_EQ(parse_seats(seats).status(), ok());
  EXPECT_EQ(*parse_seats(seats), (std::vector<std::string>{"seat0", "seat1"}));
  for (std::size_t length = 0; length < seats.size(); ++length) {
    EXPECT_FALSE(parse_seats(std::string_view(seats).substr(0, length)).ok()) << length;
  }
  const std::string list = session_list();
  ASSERT_EQ(parse_sessions(list).status(), ok());
  EXPECT_EQ(parse_sessions(list)->size(), sessions().size());
  for (std::size_t length = 0; length < list.size(); ++length) {
    EXPECT_FALSE(parse_sessions(std::string_view(list).substr(0, length)).ok()) << length;
  }
  EXPECT_TRUE(parse_seats(seat_list({}))->empty());
}

}  // namespace
}  // namespace tocsin::exporters
