// SPDX-License-Identifier: Apache-2.0
//
// Connections against servers of the test's own making: redirections in a cluster, and what breaks
// a connection.
#include "exporters/redis/key_connection.h"

#include <gtest/gtest.h>

#include "base/testing/mem_fs.h"
#include "net/testing/raw_socket.h"

namespace tocsin::exporters {
namespace {

using net::testing::RawListener;
using net::testing::RawSocket;

// Answers each command that arrives with the next reply, on one connection.
class Node {
 public:
  explicit Node(std::vector<std::string> replies) {
    EXPECT_TRUE(thread_.post([this, replies = std::move(replies)] {
      RawSocket socket = listener_.accept();
      for (const std::string& reply : replies) {
        const std::string asked = socket.read_some();
        if (asked.empty()) break;
        commands_ += asked;
        socket.write(reply);
      }
    }));
  }
  ~Node() { thread_.stop(); }
  std::string address() const { return listener_.address(); }
  // All that was asked. REQUIRES: the connection was closed.
  std::string commands() {
    thread_.stop();
    return commands_;
  }

 private:
  RawListener listener_;
  std::string commands_;
  base::ThreadPool thread_{{.name = "node", .threads = 1}};
};

class KeyConnectionTest : public ::testing::Test {
 protected:
  StatusOr<std::unique_ptr<RedisConnection>> open(const std::string& address) {
    const StatusOr<RedisTarget> target = RedisTarget::parse(address);
    return RedisConnection::open(*target, {}, {clock_, lookup_, tls_},
                                 {.deadline = clock_.steady_now() + std::chrono::seconds(20)});
  }

  const base::SystemClock clock_;
  std::unique_ptr<base::FileSystem> files_ = base::testing::make_mem_fs();
  net::HostLookup lookup_;
  net::TlsClient tls_{*files_, {}};
};

TEST_F(KeyConnectionTest, FollowsRedirections) {
  Node other({"$1\r\nv\r\n", "+OK\r\n", ":1\r\n"});
  Node home({fmt::format("-MOVED 5 {}\r\n", other.address()),
             fmt::format("-ASK 6 {}\r\n", other.address()), "-ERR no\r\n"});
  {
    const auto server = open(home.address());
    ASSERT_EQ(server.status(), ok());
    KeyConnection keys(**server, [this](const std::string& address) { return open(address); });
    EXPECT_EQ(keys.select("3"), ok()) << "a cluster has one database: nothing is sent";
    EXPECT_EQ(keys.call({"GET", "a"})->as_text(), "v");
    EXPECT_EQ(keys.call({"STRLEN", "b"})->as_integer(), 1);
    EXPECT_EQ(message(keys.call({"TYPE", "c"}).status()), "ERR no");
    EXPECT_FALSE(keys.is_broken());
  }
  EXPECT_EQ(other.commands(),
            "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$6\r\nASKING\r\n"
            "*2\r\n$6\r\nSTRLEN\r\n$1\r\nb\r\n");
}

TEST_F(KeyConnectionTest, EndsWhenNodesSendItInCircles) {
  RawListener listener;
  const std::string moved = fmt::format("-MOVED 5 {}\r\n", listener.address());
  base::ThreadPool thread({.name = "nodes", .threads = 1});
  ASSERT_TRUE(thread.post([&] {
    RawSocket first = listener.accept();
    first.read_some();
    first.write(moved);
    RawSocket second = listener.accept();
    while (!second.read_some().empty()) second.write(moved);
  }));
  {
    const auto server = open(listener.address());
    ASSERT_EQ(server.status(), ok());
    KeyConnection keys(**server, [this](const std::string& address) { return open(address); });
    EXPECT_EQ(fmt::format("-{}\r\n", message(keys.call({"GET", "a"}).status())), moved);
  }
  thread.stop();
}

TEST_F(KeyConnectionTest, AServerOutsideAClusterIsAskedOnly) {
  Node home({"-MOVED 5 127.0.0.1:1\r\n", "+OK\r\n"});
  {
    const auto server = open(home.address());
    ASSERT_EQ(server.status(), ok());
    KeyConnection keys(**server, nullptr);
    EXPECT_EQ(message(keys.call({"GET", "a"}).status()), "MOVED 5 127.0.0.1:1");
    EXPECT_EQ(keys.select("3"), ok());
    EXPECT_EQ(keys.select("3"), ok()) << "asked once";
  }
  EXPECT_NE(home.commands().find("*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"), std::string::npos);
}

TEST_F(KeyConnectionTest, ABrokenConnectionStaysBroken) {
  Node home({"?\r\n"});
  const auto server = open(home.address());
  ASSERT_EQ(server.status(), ok());
  const Status status = (*server)->call({"PING"}).status();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_EQ((*server)->call({"PING"}).status(), status);
  EXPECT_TRUE((*server)->is_broken());
}

TEST_F(KeyConnectionTest, AServerThatCloses) {
  Node home({""});
  const auto server = open(home.address());
  ASSERT_EQ(server.status(), ok());
  EXPECT_EQ((*server)->call({"PING"}).status(), unavailable("EOF"));
}

}  // namespace
}  // namespace tocsin::exporters
