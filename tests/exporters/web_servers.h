// SPDX-License-Identifier: Apache-2.0
//
// NginxServer and HaproxyServer: the real ones, of Debian's packages (tools/fetch_test_parts), on free
// ports of 127.0.0.1, each with its own directory.
//
// Own: the process. Threads: confined. Errors: a server that does not start fails the running test.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/files.h"
#include "tests/support/process.h"

namespace tocsin::tests {

// Whether both are there, and what a test says when they are not.
bool web_servers_are_installed();
std::string web_servers_missing();

class NginxServer {
 public:
  // The log_format that it writes.
  static constexpr std::string_view kFormat =
      R"($remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent )"
      R"("$http_referer" "$http_user_agent" $request_time $upstream_addr $upstream_status )"
      R"($upstream_response_time $upstream_connect_time)";

  // Passes requests on to `upstreams` ("127.0.0.1:PORT"), with at most one retry; 404 without any.
  explicit NginxServer(std::vector<std::string> upstreams);

  const std::string& address() const { return address_; }
  std::string stub_status() const { return "http://" + address_ + "/stub_status"; }
  std::string access_log() const { return files_.file("logs/access.log"); }
  // As logrotate does it, with another name for the old file.
  void rotate();
  Process& process() { return *process_; }

 private:
  bool start(const std::vector<std::string>& upstreams);

  TempDir files_;
  std::unique_ptr<Process> process_;
  std::string address_;
  int rotations_ = 0;
};

class HaproxyServer {
 public:
  // Balances over `servers` ("127.0.0.1:PORT"), called s1, s2 ..., and asks each /health.
  explicit HaproxyServer(std::vector<std::string> servers);

  const std::string& address() const { return address_; }
  std::string stats_url() const { return "http://" + stats_address_ + "/stats;csv"; }
  std::string stats_socket() const { return files_.file("admin.sock"); }
  // What it writes for `option httplog`.
  std::string access_log() const { return files_.file("access.log"); }
  Process& process() { return *process_; }

 private:
  bool start(const std::vector<std::string>& servers);

  TempDir files_;
  std::unique_ptr<Process> process_;
  std::string address_, stats_address_;
};

}  // namespace tocsin::tests
