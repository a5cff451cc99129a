// SPDX-License-Identifier: Apache-2.0
#include "tests/exporters/web_servers.h"

#include <unistd.h>

#include <csignal>
#include <filesystem>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/testing/raw_socket.h"

namespace tocsin::tests {
namespace {

constexpr int kTries = 5;

std::string part(std::string_view name) {
  return source_path(fmt::format("build/parts/bin/{}", name));
}

std::string free_address() { return net::testing::RawListener().address(); }

// Whether somebody listens at "127.0.0.1:PORT".
bool can_connect(const std::string& address) {
  const std::string port = address.substr(address.rfind(':') + 1);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected =
      ::connect(descriptor, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
  ::close(descriptor);
  return connected;
}

// Waits until the server listens; false when it has ended.
bool listens(Process& process, const std::string& address) {
  const bool done = eventually([&] { return process.has_ended() || can_connect(address); });
  return done && !process.has_ended();
}

}  // namespace

bool web_servers_are_installed() {
  return ::access(part("nginx").c_str(), X_OK) == 0 && ::access(part("haproxy").c_str(), X_OK) == 0;
}

std::string web_servers_missing() {
  return part("nginx") + " or haproxy is missing: run tools/fetch_test_parts";
}

// nginx ------------------------------------------------------------------------------------------

NginxServer::NginxServer(std::vector<std::string> upstreams) {
  std::filesystem::create_directory(files_.file("logs"));
  // Another program may take the port before the server does.
  for (int i = 0; i < kTries; ++i) {
    if (start(upstreams)) return;
  }
  ADD_FAILURE() << "nginx does not start: " << process_->standard_error();
}

bool NginxServer::start(const std::vector<std::string>& upstreams) {
  address_ = free_address();
  std::string upstream, location = "return 404;";
  if (!upstreams.empty()) {
    upstream = "upstream app {\n";
    for (const std::string& server : upstreams) {
      upstream += fmt::format("  server {} max_fails=0;\n", server);
    }
    upstream += "}\n";
    location = "proxy_pass http://app; proxy_next_upstream_tries 2;";
  }
  // One process, so that nothing is left when it is killed.
  const std::string text = fmt::format(R"(daemon off;
master_process off;
pid {0}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
  log_format edge '{1}';
  access_log {0}/logs/access.log edge;
  client_body_temp_path {0}/body;
  proxy_temp_path {0}/proxy;
  fastcgi_temp_path {0}/fastcgi;
  uwsgi_temp_path {0}/uwsgi;
  scgi_temp_path {0}/scgi;
  {2}
  server {{
    listen {3};
    location = /stub_status {{ stub_status; access_log off; }}
    location / {{ {4} }}
  }}
}}
)",
                                       files_.path(), kFormat, upstream, address_, location);
  process_ = std::make_unique<Process>(std::vector<std::string>{
      part("nginx"), "-p", files_.path(), "-e", "stderr", "-c", files_.write("nginx.conf", text)});
  return listens(*process_, address_);
}

void NginxServer::rotate() {
  std::filesystem::rename(access_log(), files_.file(fmt::format("logs/old{}", ++rotations_)));
  process_->signal(SIGUSR1);
  EXPECT_TRUE(eventually([this] { return std::filesystem::exists(access_log()); }));
}

// HAProxy ----------------------------------------------------------------------------------------

HaproxyServer::HaproxyServer(std::vector<std::string> servers) {
  for (int i = 0; i < kTries; ++i) {
    if (start(servers)) return;
  }
  ADD_FAILURE() << "haproxy does not start: " << process_->standard_error();
}

bool HaproxyServer::start(const std::vector<std::string>& servers) {
  address_ = free_address();
  stats_address_ = free_address();
  std::string lines;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    lines += fmt::format("  server s{} {} check inter 200ms fall 1 rise 1\n", i + 1, servers[i]);
  }
  const std::string text = fmt::format(R"(global
  stats socket {0}/admin.sock mode 600 level operator
  log stdout format raw local0
  maxconn 200
defaults
  mode http
  log global
  option httplog
  retries 1
  option redispatch
  timeout connect 1s
  timeout client 20s
  timeout server 20s
frontend fe
  bind {1}
  default_backend be
backend be
  balance roundrobin
  option httpchk GET /health
{2}frontend stats
  bind {3}
  stats enable
  stats uri /stats
  no log
)",
                                       files_.path(), address_, lines, stats_address_);
  const std::string config = files_.write("haproxy.cfg", text);
  // exec: the shell is only there to send the log to a file.
  const std::string command =
      fmt::format("LD_LIBRARY_PATH='{}' exec '{}' -db -f '{}' >>'{}'",
                  source_path("build/parts/lib"), part("haproxy"), config, access_log());
  process_ = std::make_unique<Process>(std::vector<std::string>{"/bin/sh", "-c", command});
  return listens(*process_, stats_address_);
}

}  // namespace tocsin::tests
