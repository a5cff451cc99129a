// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/statsd/statsd_input.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/testing/fake_clock.h"
#include "base/testing/manual_executor.h"
#include "base/testing/mem_fs.h"

namespace tocsin::exporters::app {
namespace {

StatusOr<StatsdOptions> read(std::string_view yaml) {
  const StatusOr<base::YamlNode> node = base::parse_yaml(yaml, "app.yml");
  RETURN_IF_ERROR(node.status());
  return read_statsd(*node, "/run/app", 5000);
}

class StatsdInputTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/statsd.XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    directory_ = path;
  }
  void TearDown() override {
    if (input_) input_->stop();
    ::unlink(socket_path().c_str());
    ::rmdir(directory_.c_str());
  }
  std::string socket_path() const { return directory_ + "/statsd.sock"; }

  void start(std::string_view yaml) {
    StatusOr<StatsdOptions> options = read(yaml);
    ASSERT_TRUE(options.ok()) << message(options.status());
    input_ = std::make_unique<StatsdInput>(
        *std::move(options), InputServices{clock_, timers_, *files_, lookup_, executor_});
    ASSERT_TRUE(input_->start().ok());
  }
  void send_udp(const std::string& address, std::string_view packet) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    const int descriptor = ::socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT_EQ(::sendto(descriptor, packet.data(), packet.size(), 0,
                       reinterpret_cast<const sockaddr*>(&to), sizeof(to)),
              static_cast<ssize_t>(packet.size()));
    ::close(descriptor);
  }
  void send_unix(std::string_view packet) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::strcpy(to.sun_path, socket_path().c_str());
    const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM, 0);
    EXPECT_EQ(::sendto(descriptor, packet.data(), packet.size(), 0,
                       reinterpret_cast<const sockaddr*>(&to), sizeof(to)),
              static_cast<ssize_t>(packet.size()));
    ::close(descriptor);
  }
  // Collects until the family has the value.
  bool comes(std::string_view family, double value) {
    const base::SteadyTime deadline = clock_.steady_now() + std::chrono::seconds(60);
    do {
      std::vector<base::MetricFamily> families;
      EXPECT_TRUE(input_->collect(&families).ok());
      for (const base::MetricFamily& f : families) {
        if (f.name == family && f.samples.front().value == value) return true;
      }
    } while (clock_.steady_now() < deadline);
    return false;
  }

  const base::SystemClock clock_;
  base::testing::FakeClock timers_;
  std::unique_ptr<base::FileSystem> files_ = base::testing::make_mem_fs();
  net::HostLookup lookup_;
  base::testing::InlineExecutor executor_;
  std::string directory_;
  std::unique_ptr<StatsdInput> input_;
};

TEST_F(StatsdInputTest, TakesDatagramsFromUdpAndUnixSockets) {
  start(
      fmt::format("{{listen_udp: ['127.0.0.1:0', 'localhost:0'], listen_unixgram: {}, "
                  "unixgram_mode: 0700}}",
                  socket_path()));
  const std::vector<std::string> addresses = input_->addresses();
  ASSERT_EQ(addresses.size(), 3U);
  EXPECT_EQ(addresses[2], "unixgram://" + socket_path());
  struct stat status{};
  ASSERT_EQ(::stat(socket_path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  send_udp(addresses[0], "a:1|c\na:2|c\n");
  send_udp(addresses[1], "a:4|c");
  send_unix("a:8|c");
  EXPECT_TRUE(comes("a", 15));
  EXPECT_TRUE(comes("statsd_exporter_packets_total", 3));
  input_->stop();
  EXPECT_NE(::stat(socket_path().c_str(), &status), 0) << "the socket is gone with its owner";
}

TEST_F(StatsdInputTest, ReplacesADeadSocketButNoLivingOne) {
  // A file that its process left behind.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, socket_path().c_str());
  const int dead = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ::close(dead);
  start(fmt::format("listen_unixgram: {}", socket_path()));
  send_unix("a:8|c");
  EXPECT_TRUE(comes("a", 8));
  StatsdInput second(*read(fmt::format("listen_unixgram: {}", socket_path())),
                     InputServices{clock_, timers_, *files_, lookup_, executor_});
  EXPECT_EQ(second.start().code(), StatusCode::kUnavailable);
  send_unix("a:8|c");
  EXPECT_TRUE(comes("a", 16));
}

TEST_F(StatsdInputTest, SaysWhichAddressItCannotHave) {
  start("listen_udp: '127.0.0.1:0'");
  const std::string taken = input_->addresses()[0].substr(6);
  StatsdInput second(*read(fmt::format("listen_udp: '{}'", taken)),
                     InputServices{clock_, timers_, *files_, lookup_, executor_});
  EXPECT_EQ(message(second.start()), fmt::format("listen udp {}: Address already in use", taken));
}

TEST(StatsdOptions, AreReadStrictly) {
  const StatusOr<StatsdOptions> options = read(
      "{listen_udp: ['127.0.0.1:8125', '[::1]:8125', ':9125'], listen_unixgram: s.sock, "
      "ttl: 10m, max_series: 7, max_set_members: 9}");
  ASSERT_TRUE(options.ok()) << message(options.status());
  EXPECT_EQ(options->listen_unixgram, "/run/app/s.sock");
  EXPECT_EQ(options->store.max_series, 7U);
  EXPECT_EQ(options->store.max_set_members, 9U);
  const auto check = [](std::string_view yaml, std::string_view reason) {
    const Status status = read(yaml).status();
    EXPECT_NE(message(status).find(reason), std::string_view::npos)
        << yaml << ": " << message(status);
  };
  check("{}", "needs listen_udp or listen_unixgram");
  check("{listen_udp: '8125'}", "no address");
  check("{listen_udp: 'example.org:8125'}", "no address");
  check("{listen_udp: '127.0.0.1:x'}", "no address");
  check("{listen_udp: ':1', listen_tcp: ':1'}", "not supported yet: listen_tcp");
  check("{listen_unixgram: s, unixgram_mode: rwx}", "octal");
  check("{listen_udp: ':1', ttl: soon}", "ttl");
  check("{listen_udp: ':1', mapings: []}", "field mapings not found");
}

}  // namespace
}  // namespace tocsin::exporters::app
