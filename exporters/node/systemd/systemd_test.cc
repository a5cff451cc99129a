// SPDX-License-Identifier: Apache-2.0
//
// The collector against a bus of this test: a socket that answers calls by member and arguments.
#include "exporters/node/systemd/systemd.h"

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/executor.h"
#include "exporters/node/systemd/dbus.h"
#include "exporters/testing/node_machine.h"

namespace tocsin::exporters {
namespace {

using testing::NodeMachine;

void pad(std::string* out, std::size_t size) {
  out->resize((out->size() + size - 1) / size * size);
}

template <typename T>
void add(std::string* out, T value) {
  pad(out, sizeof(T));
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out->push_back(static_cast<char>(value >> (8 * i) & 0xff));
  }
}

void add_text(std::string* out, std::string_view text) {
  add(out, static_cast<std::uint32_t>(text.size()));
  out->append(text).push_back('\0');
}

std::string text_variant(std::string_view text) {
  std::string out("\1s\0", 3);
  add_text(&out, text);
  return out;
}

std::string number_variant(std::uint64_t value) {
  std::string out("\1t\0", 3);
  add(&out, value);
  return out;
}

std::string small_variant(std::uint32_t value) {
  std::string out("\1u\0", 3);
  add(&out, value);
  return out;
}

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
  std::string out;
  add(&out, static_cast<std::uint32_t>(items.size()));
  pad(&out, 8);
  return out + items;
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

// Answers one client. An answer is found by the texts of the call's body, joined by blanks, or its
// member; what has none is answered with an error.
class FakeBus {
 public:
  explicit FakeBus(std::map<std::string, std::string> answers) : answers_(std::move(answers)) {
    path_ = fmt::format("{}/tocsin-bus-{}-{}", std::filesystem::temp_directory_path().string(),
                        ::getpid(), reinterpret_cast<std::uintptr_t>(this));
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    EXPECT_TRUE(thread_.post([this] { serve(); }));
  }
  ~FakeBus() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.stop();
    ::close(listener_);
    ::unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }

 private:
  static bool read(int socket, std::string* out, std::size_t size) {
    out->resize(size);
    return size == 0 ||
           ::recv(socket, out->data(), size, MSG_WAITALL) == static_cast<ssize_t>(size);
  }
  static void write(int socket, const std::string& bytes) {
    EXPECT_EQ(::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  static std::string read_line(int socket) {
    std::string line, byte;
    while (!line.ends_with("\r\n") && read(socket, &byte, 1)) line += byte;
    return line;
  }

  void serve() {
    const int client = ::accept(listener_, nullptr, nullptr);
    if (client < 0) return;
    EXPECT_TRUE(read_line(client).starts_with(std::string(1, '\0') + "AUTH EXTERNAL "));
    write(client, "OK 0123\r\n");
    EXPECT_EQ(read_line(client), "BEGIN\r\n");
    std::string header, fields, body;
    while (read(client, &header, 16)) {
      DbusReader reader(header);
      reader.u32();
      const std::uint32_t body_size = reader.u32();
      const std::uint32_t serial = reader.u32();
      if (!read(client, &fields, (reader.u32() + 7) / 8 * 8)) break;
      if (!read(client, &body, body_size)) break;
      answer(client, serial, fields, body);
    }
    ::close(client);
  }

  void answer(int client, std::uint32_t serial, std::string_view fields, std::string_view body) {
    std::map<int, std::string> values;
    DbusReader reader(fields);
    while (reader.ok() && !reader.at_end()) {
      reader.align(8);
      if (reader.at_end()) break;
      const int code = reader.byte();
      values[code] = reader.variant().text;
    }
    std::string key = values[1] + " " + values[3];
    DbusReader arguments(body);
    while (arguments.ok() && !arguments.at_end()) key += " " + arguments.text();
    const auto it = answers_.find(key);
    const bool known = it != answers_.end();
    std::string content;
    if (known) content = it->second;
    if (!known) add_text(&content, "no " + key);
    // A signal comes before each answer, and is not one.
    write(client, message(4, serial, ""));
    write(client, message(known ? 2 : 3, serial, content));
  }

  static std::string message(char type, std::uint32_t serial, const std::string& body) {
    std::string out("l\0\0\1", 4);
    out[1] = type;
    add(&out, static_cast<std::uint32_t>(body.size()));
    add(&out, std::uint32_t{7});
    std::string fields("\5\1u\0", 4);  // REPLY_SERIAL
    add(&fields, serial);
    add(&out, static_cast<std::uint32_t>(fields.size()));
    out += fields;
    pad(&out, 8);
    return out + body;
  }

  const std::map<std::string, std::string> answers_;
  std::string path_;
  int listener_ = -1;
  base::ThreadPool thread_{{.name = "bus", .threads = 1}};
};

const std::map<std::string, std::string>& answers() {
  static const std::string kHello = [] {
    std::string out;
    add_text(&out, ":1.5");
    return out;
  }();
  static const std::string kGet = " Get org.freedesktop.systemd1.";
  static const std::map<std::string, std::string> kAnswers = {
      {"/org/freedesktop/DBus Hello", kHello},
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

std::string show(const std::vector<std::string>& arguments) {
  FakeBus bus(answers());
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
