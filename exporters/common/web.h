// SPDX-License-Identifier: Apache-2.0
//
// The web side of an exporter: its flags, and the choice and life of its server.
//
// WebOptions is a value; start_server() is called by main.
// Errors: those of Flags, and kUnavailable with the address when it cannot be bound.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/status.h"
#include "exporters/common/flags.h"
#include "net/beast.h"
#include "net/http_server.h"

namespace tocsin::exporters {

enum class ServerKind { kCivetweb, kBeast };

struct WebOptions {
  std::vector<std::string> listen_addresses;
  std::string telemetry_path = "/metrics";
  std::size_t max_requests = 40;
  bool disable_exporter_metrics = false;
  std::string config_file;      // "" = none
  bool systemd_socket = false;  // serve on what systemd has opened instead of the addresses
  // Scrapes have no body; a client that sends more is no scraper.
  std::uint64_t max_body_bytes = 64 << 10;
  std::optional<ServerKind> server;  // none: the one that choose_server() says
  base::log::Options log;
};

// --web.listen-address, --web.systemd-socket, --web.telemetry-path and --web.config.file. `options`
// holds the defaults and must outlive `flags`.
void add_listen_flags(Flags* flags, WebOptions* options);
// These, and the other flags --web.*, --log.* and --runtime.gomaxprocs.
void add_web_flags(Flags* flags, WebOptions* options);

// civetweb is the smaller one, but it has no IPv6. With TLS it is Beast in any case.
ServerKind choose_server(const std::vector<std::string>& listen_addresses);

// The sockets that systemd has opened for the process `pid`, by LISTEN_PID and LISTEN_FDS as `get`
// knows them (as getenv()). Fails when there are none.
StatusOr<std::vector<int>> systemd_sockets(const std::function<const char*(const char*)>& get,
                                           std::int64_t pid);

// Starts the chosen server, with a WebGuard before the handler when there is a config file. The
// services must outlive it.
StatusOr<std::unique_ptr<net::HttpServer>> start_server(const WebOptions& options,
                                                        net::Handler handler,
                                                        net::BeastServices services);

}  // namespace tocsin::exporters
