// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe/address.h"

#include <charconv>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace tocsin::exporters::app {
namespace {

// What Go makes of a time that was never set: the first of January of the year 1.
constexpr double kNoTime = -62135596800.0;

// FNV-1a of 32 bits over the bytes of the address.
double hash_of(const net::SocketAddress& address) {
  const void* start = nullptr;
  std::size_t size = 0;
  if (is_ip6(address)) {
    start = &reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_addr;
    size = sizeof(in6_addr);
  } else {
    start = &reinterpret_cast<const sockaddr_in&>(address.storage).sin_addr;
    size = sizeof(in_addr);
  }
  std::uint32_t hash = 2166136261U;
  for (const char c : std::string_view(static_cast<const char*>(start), size)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  }
  return hash;
}

}  // namespace

bool is_ip6(const net::SocketAddress& address) { return address.storage.ss_family == AF_INET6; }

StatusOr<net::SocketAddress> find_address(ProbeRun& run, const IpChoice& ip,
                                          const std::string& host, std::uint16_t port) {
  ASSIGN_OR_RETURN(const net::SocketAddresses addresses,
                   run.services().lookup.find(host, port, run.deadline()));
  for (const net::SocketAddress& address : addresses) {
    if (is_ip6(address) == ip.prefers_ip6) return address;
  }
  if (!ip.has_fallback) {
    return not_found("lookup {}: no address of {}", host, ip.prefers_ip6 ? "ip6" : "ip4");
  }
  return addresses.front();
}

ChosenAddress choose_address(ProbeRun& run, const IpChoice& ip, const std::string& host,
                             std::uint16_t port) {
  const base::SteadyTime start = run.now();
  ChosenAddress chosen{.address = find_address(run, ip, host, port)};
  chosen.lookup_seconds = seconds_between(start, run.now());
  double protocol = 0, hash = 0;
  if (chosen.address.ok()) {
    protocol = is_ip6(*chosen.address) ? 6 : 4;
    hash = hash_of(*chosen.address);
    run.debug(fmt::format("resolved {} to an address of IPv{}", host, protocol));
  } else {
    run.fail(fmt::format("cannot resolve the address: {}", message(chosen.address.status())));
  }
  run.set("probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds",
          chosen.lookup_seconds);
  run.set("probe_ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6", protocol);
  run.set("probe_ip_addr_hash",
          "Specifies the hash of IP address. It's useful to detect if the IP address changes.",
          hash);
  return chosen;
}

StatusOr<std::unique_ptr<net::Stream>> connect_to(ProbeRun& run, const IpChoice& ip,
                                                  const net::SocketAddress& address) {
  return net::Stream::connect({address}, run.clock(), run.deadline(),
                              ip.source ? &*ip.source : nullptr);
}

StatusOr<HostPort> split_host_port(std::string_view target, std::uint16_t fallback_port) {
  std::string_view host = target, port;
  if (target.starts_with('[')) {
    const std::size_t end = target.find(']');
    if (end == std::string_view::npos) return invalid_argument("missing ']' in {}", target);
    host = target.substr(1, end - 1);
    port = target.substr(end + 1);
    if (!port.empty() && !port.starts_with(':')) {
      return invalid_argument("unexpected {} after ']'", port);
    }
  } else if (const std::size_t colon = target.rfind(':');
             colon != std::string_view::npos && colon == target.find(':')) {
    host = target.substr(0, colon);
    port = target.substr(colon);
  }
  if (host.empty()) return invalid_argument("no host in {:?}", target);
  if (!port.empty()) port.remove_prefix(1);
  HostPort out{std::string(host), fallback_port};
  if (port.empty()) {
    if (fallback_port == 0) return invalid_argument("missing port in address {}", target);
    return out;
  }
  const auto [stop, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (error != std::errc() || stop != port.data() + port.size() || out.port == 0) {
    return invalid_argument("bad port in address {}", target);
  }
  return out;
}

void add_tls_metrics(ProbeRun& run, const net::TlsPeer& peer, TlsDetail detail) {
  run.set("probe_ssl_earliest_cert_expiry", "Returns last SSL chain expiry in unixtime",
          static_cast<double>(peer.earliest_expiry));
  run.set("probe_ssl_last_chain_expiry_timestamp_seconds",
          "Returns last SSL chain expiry in timestamp",
          peer.chain_expiry ? static_cast<double>(*peer.chain_expiry) : kNoTime);
  run.set_with({"probe_ssl_last_chain_info", "Contains SSL leaf certificate information"},
               {{"fingerprint_sha256", peer.fingerprint_sha256},
                {"issuer", peer.issuer},
                {"serialnumber", peer.serial_number},
                {"subject", peer.subject},
                {"subjectalternative", peer.dns_names}},
               1);
  run.set_with({"probe_tls_version_info", "Returns the TLS version used or NaN when unknown"},
               {{"version", peer.version}}, 1);
  if (detail == TlsDetail::kWithCipher) {
    run.set_with({"probe_tls_cipher_info", "Returns the TLS cipher negotiated during handshake"},
                 {{"cipher", peer.cipher}}, 1);
  }
}

}  // namespace tocsin::exporters::app
