// SPDX-License-Identifier: Apache-2.0
//
// Which address of a host a probe asks, and the connection to it.
//
// Functions; they block until the deadline of the run.
// Errors: those of HostLookup and Stream; kNotFound when a host has no address of the protocol.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "exporters/app/probe/module.h"
#include "exporters/app/probe/run.h"
#include "net/stream.h"

namespace tocsin::exporters::app {

// Looks up `host`: the first address of the preferred protocol, or of the other one.
StatusOr<net::SocketAddress> find_address(ProbeRun& run, const IpChoice& ip,
                                          const std::string& host, std::uint16_t port);

struct ChosenAddress {
  StatusOr<net::SocketAddress> address;
  double lookup_seconds = 0;
};
// The same, with the gauges about it: probe_dns_lookup_time_seconds, probe_ip_protocol and
// probe_ip_addr_hash.
ChosenAddress choose_address(ProbeRun& run, const IpChoice& ip, const std::string& host,
                             std::uint16_t port);

bool is_ip6(const net::SocketAddress& address);

StatusOr<std::unique_ptr<net::Stream>> connect_to(ProbeRun& run, const IpChoice& ip,
                                                  const net::SocketAddress& address);

// "host:port" or "[::1]:port". Without a port, `fallback_port`; kInvalidArgument when that is 0.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};
StatusOr<HostPort> split_host_port(std::string_view target, std::uint16_t fallback_port);

enum class TlsDetail { kWithoutCipher, kWithCipher };
// Gauges about the certificate of the server and what was agreed upon.
void add_tls_metrics(ProbeRun& run, const net::TlsPeer& peer, TlsDetail detail);

}  // namespace tocsin::exporters::app
