// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <array>
#include <cstring>

#include <gtest/gtest.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/timex.h>

#include "base/executor.h"
#include "exporters/node/hardware/pci_names.h"
#include "exporters/node/services/exchange.h"
#include "exporters/testing/node_machine.h"
#include "net/testing/raw_socket.h"

namespace tocsin::exporters {
namespace {

using net::testing::RawListener;
using net::testing::RawSocket;
using testing::NodeMachine;

// The machine's collector of that name, with a clock that goes.
struct Machine : NodeMachine {
  std::string show(std::string_view collector) {
    options.disable_defaults = true;
    options.collectors[std::string(collector)] = true;
    const base::SystemClock system;
    const NodeServices real{*files,
                            system,
                            clock,
                            base::TimeZone::utc(),
                            services.mount_stats,
                            services.system_names,
                            services.link_dump,
                            services.netlink,
                            services.ethtool,
                            services.system_bus,
                            services.clock_state,
                            services.real_path,
                            services.btrfs_report,
                            services.perf_counter};
    const auto collectors = make_collectors(options, real);
    if (!collectors.ok()) return "cannot start: " + std::string(message(collectors.status()));
    return NodeMachine::show(*collectors->front());
  }
};

std::string runit_status(std::uint64_t tai, char wanted, char state) {
  std::string status;
  for (int shift = 56; shift >= 0; shift -= 8) status.push_back(static_cast<char>(tai >> shift));
  status.append(9, '\0');
  return status + wanted + '\0' + state;
}

TEST(RunitTest, ShowsServices) {
  Machine machine;
  machine.write("/etc/service/web/supervise/status",
                runit_status(4'611'686'018'427'387'914 + 1'700'000'000, 'u', 1));
  machine.write("/etc/service/mail/supervise/status",
                runit_status(4'611'686'018'427'387'914 + 5, 'd', 2));
  machine.write("/etc/service/mail/down", "");
  machine.write("/etc/service/half/supervise/status", "short");
  machine.write("/etc/service/new/run", "#!/bin/sh");
  EXPECT_EQ(
      machine.show("runit"),
      "# TYPE node_service_desired_state gauge\n"
      "node_service_desired_state{service=\"mail\",supervisor=\"runit\"} 0\n"
      "node_service_desired_state{service=\"web\",supervisor=\"runit\"} 1\n"
      "# TYPE node_service_normal_state gauge\n"
      "node_service_normal_state{service=\"mail\",supervisor=\"runit\"} 0\n"
      "node_service_normal_state{service=\"web\",supervisor=\"runit\"} 1\n"
      "# TYPE node_service_state gauge\n"
      "node_service_state{service=\"mail\",supervisor=\"runit\"} 2\n"
      "node_service_state{service=\"web\",supervisor=\"runit\"} 1\n"
      "# TYPE node_service_state_last_change_timestamp_seconds gauge\n"
      "node_service_state_last_change_timestamp_seconds{service=\"mail\",supervisor=\"runit\"} 5\n"
      "node_service_state_last_change_timestamp_seconds{service=\"web\",supervisor=\"runit\"} "
      "1.7e+09\n");
}

// Answers one request with `answer`, and keeps the request.
class Supervisor {
 public:
  explicit Supervisor(std::string answer) : answer_(std::move(answer)) {
    EXPECT_TRUE(server_.post([this] {
      RawSocket client = listener_.accept();
      request_.set(client.read_until("</methodCall>"));
      client.write(answer_);
    }));
  }
  ~Supervisor() { server_.stop(); }
  std::string url() const { return fmt::format("http://me:pw@{}/RPC2", listener_.address()); }
  std::string request() { return request_.wait().value_or("none came"); }

 private:
  const std::string answer_;
  RawListener listener_;
  net::testing::Waiter<std::string> request_;
  base::ThreadPool server_{{.name = "supervisor", .threads = 1}};
};

constexpr std::string_view kHead = "HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n";

std::string member(std::string_view name, std::string_view value) {
  return fmt::format("<member>\n<name>{}</name>\n<value>{}</value>\n</member>\n", name, value);
}

TEST(SupervisordTest, ShowsProcesses) {
  const std::string web = member("name", "<string>web &amp; &lt;1&gt;</string>") +
                          member("group", "www") + member("start", "<int>1500000000</int>") +
                          member("state", "<i4>20</i4>") + member("exitstatus", "<int>0</int>") +
                          member("spawnerr", "<string></string>");
  const std::string job = member("name", "<string>job</string>") +
                          member("group", "<string>jobs</string>") +
                          member("start", "<int>7</int>") + member("state", "<int>100</int>") +
                          member("exitstatus", "<int>3</int>");
  Supervisor supervisor(
      fmt::format("{}<?xml version='1.0'?>\n<methodResponse><params><param><value><array><data>"
                  "<value><struct>{}</struct></value><value><struct>{}</struct></value>"
                  "</data></array></value></param></params></methodResponse>",
                  kHead, web, job));
  Machine machine;
  machine.options.supervisord_url = supervisor.url();
  EXPECT_EQ(machine.show("supervisord"),
            "# TYPE node_supervisord_exit_status gauge\n"
            "node_supervisord_exit_status{group=\"jobs\",name=\"job\"} 3\n"
            "node_supervisord_exit_status{group=\"www\",name=\"web & <1>\"} 0\n"
            "# TYPE node_supervisord_start_time_seconds counter\n"
            "node_supervisord_start_time_seconds{group=\"www\",name=\"web & <1>\"} 1.5e+09\n"
            "# TYPE node_supervisord_state gauge\n"
            "node_supervisord_state{group=\"jobs\",name=\"job\"} 100\n"
            "node_supervisord_state{group=\"www\",name=\"web & <1>\"} 20\n"
            "# TYPE node_supervisord_up gauge\n"
            "node_supervisord_up{group=\"jobs\",name=\"job\"} 0\n"
            "node_supervisord_up{group=\"www\",name=\"web & <1>\"} 1\n");
  const std::string request = supervisor.request();
  EXPECT_TRUE(
      request.starts_with("POST /RPC2 HTTP/1.0\r\nHost: 127.0.0.1\r\n"
                          "Authorization: Basic bWU6cHc=\r\n"))
      << request;
}

TEST(SupervisordTest, SaysWhyThereAreNone) {
  const auto check = [](const std::string& answer, std::string_view why) {
    Supervisor supervisor(answer);
    Machine machine;
    machine.options.supervisord_url = supervisor.url();
    EXPECT_EQ(machine.show("supervisord"), fmt::format("error: {}\n", why)) << answer;
  };
  check("HTTP/1.0 401 Unauthorized\r\n\r\n",
        "unable to call supervisord: \"HTTP/1.0 401 Unauthorized\"");
  check("", "unable to call supervisord: \"\"");
  check("HTTP/1.0 200 OK\r\n", "supervisord: half an answer");
  check(std::string(kHead) + "<html></html>", "supervisord: no answer of XML-RPC");
  check(std::string(kHead) + "<methodResponse", "supervisord: a tag without an end");
  check(std::string(kHead) + "<methodResponse><fault><value><struct>" +
            member("faultCode", "<int>1</int>") +
            member("faultString", "<string>UNKNOWN_METHOD</string>") +
            "</struct></value></fault></methodResponse>",
        "unable to call supervisord: UNKNOWN_METHOD");
  Machine machine;
  RawListener listener;
  listener.close();
  machine.options.supervisord_url = "http://" + listener.address();
  EXPECT_EQ(machine.show("supervisord"),
            "error: unable to call supervisord: connect: Connection refused\n");
  machine.options.supervisord_url = "unix:///nowhere/socket";
  EXPECT_EQ(machine.show("supervisord"),
            "error: unable to call supervisord: connect: No such file or directory\n");
  for (const std::string url : {"https://a/RPC2", "http://", "unix://", "http://a/R PC"}) {
    machine.options.supervisord_url = url;
    EXPECT_TRUE(machine.show("supervisord").starts_with("cannot start: ")) << url;
  }
}

TEST(ExchangeTest, GivesUpOnAServerThatIsSilent) {
  const base::SystemClock clock;
  const RawListener listener;
  const ExchangeOptions options{.patience = base::Duration(30)};
  const std::string port = fmt::format("{}", listener.port());
  EXPECT_EQ(message(ask_stream("127.0.0.1", port, "hello", options, clock).status()),
            "i/o timeout");
}

TEST(ExchangeTest, TakesNoEndlessAnswer) {
  Supervisor supervisor(std::string(5000, 'x'));
  const base::SystemClock clock;
  const std::string url = supervisor.url();
  const std::string port = url.substr(url.rfind(':') + 1, url.rfind('/') - url.rfind(':') - 1);
  EXPECT_EQ(
      ask_stream("127.0.0.1", port, "</methodCall>", {.max_answer = 4000}, clock).status().code(),
      StatusCode::kResourceExhausted);
}

// Answers one NTP packet: `change` gets the answer of a sane server.
class NtpServer {
 public:
  explicit NtpServer(std::function<void(std::string*)> change = {}) : change_(std::move(change)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    EXPECT_TRUE(server_.post([this] { answer(); }));
  }
  ~NtpServer() {
    // Ends a server that nobody asked.
    ::shutdown(socket_, SHUT_RD);
    server_.stop();
    ::close(socket_);
  }
  std::size_t port() const { return port_; }
  const std::string& question() const { return question_; }

 private:
  static void put_time(std::string* packet, std::size_t at, std::uint64_t seconds) {
    for (std::size_t i = 0; i < 4; ++i) {
      (*packet)[at + i] = static_cast<char>(seconds >> (24 - 8 * i));
    }
  }

  void answer() {
    std::array<char, 100> buffer{};
    sockaddr_in peer{};
    socklen_t size = sizeof(peer);
    const ssize_t n = ::recvfrom(socket_, buffer.data(), buffer.size(), 0,
                                 reinterpret_cast<sockaddr*>(&peer), &size);
    if (n != 48) return;
    question_.assign(buffer.data(), 48);
    timex now{};
    ::adjtimex(&now);
    const auto seconds = static_cast<std::uint64_t>(now.time.tv_sec) + 2'208'988'800;
    std::string packet(48, '\0');
    packet[0] = 4 << 3 | 4;
    packet[1] = 2;        // stratum
    packet[6] = 0x40;     // a root delay of 1/4 s
    packet[10] = '\x80';  // a root dispersion of 1/2 s
    put_time(&packet, 16, seconds - 100);
    packet.replace(24, 8, question_.substr(40));
    // A server that is 10 s ahead.
    put_time(&packet, 32, seconds + 10);
    put_time(&packet, 40, seconds + 10);
    if (change_) change_(&packet);
    ::sendto(socket_, packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&peer), size);
  }

  const std::function<void(std::string*)> change_;
  const int socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  std::size_t port_ = 0;
  std::string question_;
  base::ThreadPool server_{{.name = "ntp", .threads = 1}};
};

double value_of(const std::string& page, std::string_view family) {
  const std::size_t at = page.find(fmt::format("\n{} ", family));
  return at == std::string::npos ? -1 : std::atof(page.c_str() + at + family.size() + 2);
}

TEST(NtpTest, ShowsWhatTheServerSays) {
  NtpServer server;
  Machine machine;
  machine.options.ntp_port = server.port();
  const std::string page = machine.show("ntp");
  EXPECT_EQ(value_of(page, "node_ntp_stratum"), 2) << page;
  EXPECT_EQ(value_of(page, "node_ntp_leap"), 0);
  EXPECT_EQ(value_of(page, "node_ntp_root_delay_seconds"), 0.25);
  EXPECT_EQ(value_of(page, "node_ntp_root_dispersion_seconds"), 0.5);
  EXPECT_GT(value_of(page, "node_ntp_reference_timestamp_seconds"), 1.7e9);
  EXPECT_GE(value_of(page, "node_ntp_rtt_seconds"), 0);
  EXPECT_GT(value_of(page, "node_ntp_offset_seconds"), 5);
  // It sent before it was asked.
  EXPECT_EQ(value_of(page, "node_ntp_sanity"), 0);
  EXPECT_EQ(server.question()[0], 4 << 3 | 3);
}

TEST(NtpTest, ASaneServerIsOne) {
  // The times of the answer are whole seconds, so the order of events is known to a second only.
  const auto sanity = [](std::function<void(std::string*)> change) {
    NtpServer server([change = std::move(change)](std::string* packet) {
      for (const std::size_t at : {35U, 43U}) {
        (*packet)[at] = static_cast<char>((*packet)[at] - 10);  // exact, but for a carry
      }
      if (change) change(packet);
    });
    Machine machine;
    machine.options.ntp_port = server.port();
    machine.options.ntp_offset_tolerance_seconds = 1000;
    machine.options.ntp_max_distance_seconds = 3000;
    return value_of(machine.show("ntp"), "node_ntp_sanity");
  };
  EXPECT_EQ(sanity({}), 1);
  EXPECT_EQ(sanity([](std::string* p) { (*p)[1] = 0; }), 0) << "kiss of death";
  EXPECT_EQ(sanity([](std::string* p) { (*p)[1] = 16; }), 0) << "stratum";
  EXPECT_EQ(sanity([](std::string* p) { (*p)[0] = static_cast<char>(3 << 6 | 4 << 3 | 4); }), 0)
      << "not in sync";
  EXPECT_EQ(sanity([](std::string* p) { (*p)[9] = 17; }), 0) << "dispersion";
  EXPECT_EQ(sanity([](std::string* p) { p->replace(16, 8, 8, '\0'); }), 0) << "never set";
}

TEST(NtpTest, RefusesStrangeAnswers) {
  const auto check = [](std::function<void(std::string*)> change, std::string_view why) {
    NtpServer server(std::move(change));
    Machine machine;
    machine.options.ntp_port = server.port();
    EXPECT_EQ(machine.show("ntp"), fmt::format("error: ntp: {}\n", why));
  };
  check([](std::string* p) { p->resize(47); }, "an answer of 47 bytes");
  check([](std::string* p) { (*p)[0] = 4 << 3 | 3; }, "invalid mode in response");
  check([](std::string* p) { (*p)[31] ^= 1; }, "server response mismatch");
  check([](std::string* p) { p->replace(40, 8, 8, '\0'); }, "invalid transmit time in response");
  check([](std::string* p) { (*p)[40] ^= '\x80'; }, "server clock ticked backwards");
}

TEST(NtpTest, OnlyAsksThisMachineUnlessToldOtherwise) {
  const auto check = [](std::string server, std::size_t port, std::size_t version) {
    Machine machine;
    machine.options.ntp_server = std::move(server);
    machine.options.ntp_port = port;
    machine.options.ntp_version = version;
    return machine.show("ntp");
  };
  const std::string foreign =
      "cannot start: only IP address of local NTP server is valid for --collector.ntp.server";
  EXPECT_EQ(check("192.0.2.1", 123, 4), foreign);
  EXPECT_EQ(check("localhost", 123, 4), foreign);
  EXPECT_EQ(check("127.0.0.1", 0, 4),
            "cannot start: invalid NTP port number 0; must be between 1 and 65535 inclusive");
  EXPECT_EQ(check("127.0.0.1", 123, 5),
            "cannot start: invalid NTP protocol version 5; must be 2, 3, or 4");
}

constexpr std::string_view kPciIds =
    "# comment\n"
    "0e11  Compaq Computer Corporation\n"
    "\t1481  Not this one\n"
    "1022  Advanced Micro Devices, Inc. [AMD]\n"
    "\t1480  Root Complex\n"
    "\t\t17aa 5095  Not this one either\n"
    "\t1481  Starship/Matisse IOMMU\n"
    "\t\t17aa 5095  ThinkPad E595\n"
    "17aa  Lenovo\n"
    "C 01  Mass storage controller\n"
    "\t08  Non-Volatile memory controller\n"
    "\t\t02  NVM Express\n"
    "C 08  Generic system peripheral\n"
    "\t06  IOMMU\n"
    "\t\t02  Not this one\n"
    "C 0c  Serial bus controller\n"
    "\t06  Wrong\n";

TEST(PciNamesTest, FindsWhatALineSays) {
  const auto all = [](const PciIds& ids) {
    const PciNames names = find_pci_names(kPciIds, ids);
    return fmt::format("{}|{}|{}|{}|{}", names.vendor, names.device, names.subsystem_vendor,
                       names.subsystem_device, names.device_class);
  };
  EXPECT_EQ(all({"1022", "1481", "17aa", "5095", "080600"}),
            "Advanced Micro Devices, Inc. [AMD]|Starship/Matisse IOMMU|Lenovo|ThinkPad E595|IOMMU");
  EXPECT_EQ(all({"1022", "1482", "1022", "5095", "010802"}),
            "Advanced Micro Devices, Inc. [AMD]|1482|Advanced Micro Devices, Inc. [AMD]|5095|"
            "NVM Express");
  EXPECT_EQ(all({"beef", "1481", "", "", "0c0000"}), "beef|1481|||Serial bus controller");
  EXPECT_EQ(all({"", "", "", "", "ff0000"}), "||||Unknown class (ff0000)");
}

TEST(PciNamesTest, AreLabelsWhenAskedFor) {
  Machine machine;
  machine.options.pci_names = true;
  machine.write("/sys/bus/pci/devices/0000:00:00.2/vendor", "0x1022\n");
  machine.write("/sys/bus/pci/devices/0000:00:00.2/device", "0x1481\n");
  machine.write("/sys/bus/pci/devices/0000:00:00.2/class", "0x080600\n");
  machine.write("/usr/share/hwdata/pci.ids", kPciIds);
  const std::string page = machine.show("pcidevice");
  for (const std::string_view label : {"vendor_name=\"Advanced Micro Devices, Inc. [AMD]\"",
                                       "device_name=\"Starship/Matisse IOMMU\"",
                                       "class_name=\"IOMMU\"", "subsystem_device_name=\"\""}) {
    EXPECT_NE(page.find(label), std::string::npos) << label << page;
  }
  machine.options.pci_ids_file = "/nowhere";
  EXPECT_NE(machine.show("pcidevice").find("vendor_name=\"1022\""), std::string::npos);
}

TEST(PerfTest, ShowsTheEventsThatAMachineHas) {
  Machine machine;
  machine.write("/sys/devices/system/cpu/online", "0-1\n");
  machine.write("/sys/kernel/tracing/events/sched/sched_process_fork/id", "317\n");
  machine.options.perf_no_cache = true;
  machine.options.perf_software = {"PageFault", "CpuMigration"};
  machine.options.perf_tracepoints = {"sched:sched_process_fork"};
  machine.services.perf_counter = [](const PerfEvent& event) -> StatusOr<PerfCounter> {
    if (event.type == PERF_TYPE_HARDWARE) return not_found("no such event");
    return PerfCounter(
        [value = 1000 * event.config + event.cpu]() -> StatusOr<std::uint64_t> { return value; });
  };
  EXPECT_EQ(machine.show("perf"),
            "# TYPE node_perf_cpu_migrations_total counter\n"
            "node_perf_cpu_migrations_total{cpu=\"0\"} 4000\n"
            "node_perf_cpu_migrations_total{cpu=\"1\"} 4001\n"
            "# TYPE node_perf_page_faults_total counter\n"
            "node_perf_page_faults_total{cpu=\"0\"} 2000\n"
            "node_perf_page_faults_total{cpu=\"1\"} 2001\n"
            "# TYPE node_perf_sched_sched_process_fork counter\n"
            "node_perf_sched_sched_process_fork{cpu=\"0\"} 317000\n"
            "node_perf_sched_sched_process_fork{cpu=\"1\"} 317001\n");
}

TEST(PerfTest, SaysWhyThereIsNothing) {
  const auto check = [](const std::function<void(NodeOptions*)>& change) {
    Machine machine;
    change(&machine.options);
    return machine.show("perf");
  };
  EXPECT_EQ(check([](NodeOptions*) {}), "error: no perf\n");
  EXPECT_EQ(check([](NodeOptions* o) { o->perf_cache = {"L4"}; }),
            "cannot start: unknown cache profiler \"L4\"");
  EXPECT_EQ(check([](NodeOptions* o) { o->perf_tracepoints = {"sched"}; }),
            "cannot start: invalid tracepoint config sched");
  EXPECT_EQ(check([](NodeOptions* o) { o->perf_tracepoints = {"a:b"}; }),
            "cannot start: tracepoint a:b is not known");
  for (const std::string cpus : {"x", "1-", "3-1", "0-9:0", "0-99999999", "-1"}) {
    EXPECT_EQ(check([&](NodeOptions* o) { o->perf_cpus = cpus; }),
              fmt::format("cannot start: invalid list of CPUs \"{}\"", cpus));
  }
}

TEST(PerfTest, CountsOnTheCpusThatAreNamed) {
  std::vector<std::size_t> cpus;
  Machine machine;
  machine.options.perf_cpus = "1-10:5,12";
  machine.options.perf_no_hardware = machine.options.perf_no_cache = true;
  machine.options.perf_software = {"ContextSwitch"};
  machine.services.perf_counter = [&](const PerfEvent& event) -> StatusOr<PerfCounter> {
    cpus.push_back(event.cpu);
    return unavailable("not here");
  };
  EXPECT_EQ(machine.show("perf"), "error: not here\n");
  EXPECT_EQ(cpus, (std::vector<std::size_t>{1, 6, 12}));
}

TEST(NodeOptionsTest, ReadsDurationsAsGoWritesThem) {
  const auto check = [](const std::string& text) {
    NodeOptions options;
    Flags flags("test", "");
    add_node_flags(&flags, &options);
    const std::vector<std::string> arguments = {"--collector.ntp.max-distance=" + text};
    if (!flags.parse(arguments).ok()) return -1.0;
    return options.ntp_max_distance_seconds;
  };
  EXPECT_EQ(check("3.46608s"), 3.46608);
  EXPECT_EQ(check("1h1m1s"), 3661);
  EXPECT_EQ(check("250ms"), 0.25);
  for (const std::string text : {"", "5", "s", "-1s", "1d", "1s2", "nans", "infs"}) {
    EXPECT_EQ(check(text), -1) << text;
  }
}

}  // namespace
}  // namespace tocsin::exporters
