// SPDX-License-Identifier: Apache-2.0
//
// RedisServer: a real redis-server of Debian's package (tools/fetch_test_parts) on a free port of
// 127.0.0.1, with its own directory.
//
// Owns: the process. Threads: confined. Errors: a server that does not start fails the running test.
#pragma once

#include <csignal>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tests/support/files.h"
#include "tests/support/process.h"

namespace tocsin::tests {

class RedisServer {
 public:
  enum class Kind { kServer, kCluster, kSentinel };

  static bool is_installed();
  // What a test that needs it says when it is not.
  static std::string missing();

  // `options` are words of the command line, "--name", "value"; for a sentinel lines of its file.
  explicit RedisServer(std::vector<std::string> options = {}, Kind kind = Kind::kServer);

  std::uint16_t port() const { return port_; }
  std::string address() const { return fmt::format("127.0.0.1:{}", port_); }
  // The reply to a command, as RESP.
  std::string call(const std::vector<std::string>& words) const;
  // Sends a command without waiting for the reply; the connection stays open.
  void send(const std::vector<std::string>& words);
  Process& process() { return *process_; }

 private:
  bool start(const std::vector<std::string>& options, Kind kind);

  TempDir files_;
  std::unique_ptr<Process> process_;
  std::uint16_t port_ = 0;
  std::vector<std::shared_ptr<void>> open_;  // connections of send()
};

}  // namespace tocsin::tests
