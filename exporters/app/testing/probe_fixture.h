// SPDX-License-Identifier: Apache-2.0
//
// ProbeTest: runs modules against servers that a test scripts on 127.0.0.1, and ScriptServer, such a
// server: it calls the script for one connection after another.
//
// Threads: the script runs on the thread of its server. Does not fail.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "base/executor.h"
#include "base/file_system.h"
#include "exporters/app/probe/probes.h"
#include "exporters/common/page.h"
#include "formats/text_writer.h"
#include "net/testing/raw_socket.h"
#include "net/testing/tls_socket.h"

namespace tocsin::exporters::app::testing {

class ScriptServer {
 public:
  using Script = std::function<void(net::testing::RawSocket& peer)>;
  explicit ScriptServer(Script script) : script_(std::move(script)) {
    static_cast<void>(thread_.post([this] {
      for (;;) {
        net::testing::RawSocket peer = listener_.accept();
        if (stopping_) return;
        ++connections_;
        script_(peer);
      }
    }));
  }
  ~ScriptServer() {
    stopping_ = true;
    // Wakes the thread.
    const net::testing::RawSocket last = net::testing::RawSocket::connect(address());
    thread_.stop();
  }
  ScriptServer(const ScriptServer&) = delete;
  ScriptServer& operator=(const ScriptServer&) = delete;

  std::string address() const { return listener_.address(); }
  std::uint16_t port() const { return listener_.port(); }
  int connections() const { return connections_; }

 private:
  const Script script_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> connections_ = 0;
  net::testing::RawListener listener_;
  base::ThreadPool thread_{{.name = "script", .threads = 1}};
};

// Every name but "nowhere.test" is 127.0.0.1.
inline StatusOr<net::SocketAddresses> resolve_to_loopback(const std::string& host) {
  if (host == "nowhere.test") return not_found("lookup {}: no such host", host);
  net::SocketAddress address;
  auto& ip4 = reinterpret_cast<sockaddr_in&>(address.storage);
  ip4.sin_family = AF_INET;
  ip4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.length = sizeof(ip4);
  return net::SocketAddresses{address};
}

class ProbeTest : public ::testing::Test {
 protected:
  struct Seen {
    bool success = false;
    std::string page;  // without help
    std::string log;
  };

  static StatusOr<ProbeModule> parse(std::string_view module) {
    ASSIGN_OR_RETURN(const base::YamlNode node, base::parse_yaml(module, "m.yml"));
    TlsClients clients(base::real_file_system());
    return parse_probe_module(node, ::testing::TempDir(), clients);
  }

  Seen probe(std::string_view module_text, ProbeTarget target, ProbeRun::Options options = {}) {
    const StatusOr<ProbeModule> module = parse(module_text);
    if (!module.ok()) {
      ADD_FAILURE() << module.status();
      return {};
    }
    options.keeps_log = true;
    // Whoever has no timeout of its own shall never run into one.
    const base::Duration timeout =
        module->timeout.count() != 0 ? module->timeout : base::Duration(20'000);
    ProbeOutcome outcome = run_probe(*module, target, {clock_, base::real_file_system(), lookup_},
                                     timeout, std::move(options));
    tidy_families(&outcome.families);
    for (base::MetricFamily& family : outcome.families) family.help.clear();
    Seen seen{outcome.success, {}, std::move(outcome.log)};
    formats::write_text(outcome.families, &seen.page);
    return seen;
  }
  Seen probe(std::string_view module_text, const std::string& target) {
    return probe(module_text, ProbeTarget{target, ""});
  }

  const base::SystemClock clock_;
  net::HostLookup lookup_{resolve_to_loopback};
};

}  // namespace tocsin::exporters::app::testing
