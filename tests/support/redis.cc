// SPDX-License-Identifier: Apache-2.0
#include "tests/support/redis.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "net/testing/raw_socket.h"

namespace tocsin::tests {
namespace {

constexpr int kTries = 5;

std::string program() { return source_path("build/parts/bin/redis-server"); }

std::uint16_t free_port() { return net::testing::RawListener().port(); }

std::string to_resp(const std::vector<std::string>& words) {
  std::string out = fmt::format("*{}\r\n", words.size());
  for (const std::string& word : words) out += fmt::format("${}\r\n{}\r\n", word.size(), word);
  return out;
}

}  // namespace

bool RedisServer::is_installed() { return ::access(program().c_str(), X_OK) == 0; }

std::string RedisServer::missing() { return program() + " is missing: run tools/fetch_test_parts"; }

RedisServer::RedisServer(std::vector<std::string> options, Kind kind) {
  // Another program may take the port before the server does.
  for (int i = 0; i < kTries; ++i) {
    if (start(options, kind)) return;
  }
  ADD_FAILURE() << "redis-server does not start: " << process_->standard_output();
}

bool RedisServer::start(const std::vector<std::string>& options, Kind kind) {
  port_ = free_port();
  const std::string port = std::to_string(port_);
  std::vector<std::string> command = {
      "/usr/bin/env", "LD_LIBRARY_PATH=" + source_path("build/parts/lib"), program()};
  std::string ready = "Ready to accept connections";
  if (kind == Kind::kSentinel) {
    std::string lines = fmt::format("port {}\nbind 127.0.0.1\ndir {}\n", port, files_.path());
    for (const std::string& line : options) lines += line + "\n";
    command.insert(command.end(), {files_.write("sentinel.conf", lines), "--sentinel"});
    ready = "Sentinel ID is";
  } else {
    command.insert(command.end(),
                   {"--port", port, "--bind", "127.0.0.1", "--dir", files_.path(), "--save", "",
                    "--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"});
    if (kind == Kind::kCluster) {
      command.insert(command.end(),
                     {"--cluster-enabled", "yes", "--cluster-port", std::to_string(free_port())});
    }
    command.insert(command.end(), options.begin(), options.end());
  }
  process_ = std::make_unique<Process>(std::move(command));
  const bool answered = eventually([&] {
    return process_->has_ended() || process_->standard_output().find(ready) != std::string::npos;
  });
  return answered && !process_->has_ended();
}

std::string RedisServer::call(const std::vector<std::string>& words) const {
  net::testing::RawSocket socket = net::testing::RawSocket::connect(address());
  socket.write(to_resp(words));
  return socket.read_some();
}

void RedisServer::send(const std::vector<std::string>& words) {
  auto socket =
      std::make_shared<net::testing::RawSocket>(net::testing::RawSocket::connect(address()));
  socket->write(to_resp(words));
  open_.push_back(std::move(socket));
}

}  // namespace tocsin::tests
