// SPDX-License-Identifier: Apache-2.0
#include "exporters/postgres/host_addresses.h"

#include <netdb.h>

#include <algorithm>
#include <array>

#include <arpa/inet.h>
#include <sys/socket.h>

namespace tocsin::exporters::postgres {
namespace {

constexpr std::size_t kMaxAddresses = 8;

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out.append(&part == parts.data() ? "" : ",").append(part);
  return out;
}

// Whether libpq needs no name server for it: a directory of a socket, "" for the default one, or an
// address.
bool is_direct(const std::string& host) {
  if (host.empty() || host.front() == '/' || host.front() == '@') return true;
  std::array<char, sizeof(in6_addr)> address{};
  return ::inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

StatusOr<std::vector<std::string>> addresses_of(const std::string& host, base::SteadyTime deadline,
                                                net::HostLookup& lookup) {
  const StatusOr<net::SocketAddresses> found = lookup.find(host, 0, deadline);
  // To a Session, what is not found is a relation.
  if (found.status().code() == StatusCode::kNotFound)
    return unavailable("{}", message(found.status()));
  RETURN_IF_ERROR(found.status());
  std::vector<std::string> out;
  for (const net::SocketAddress& one : *found) {
    if (out.size() == kMaxAddresses) break;
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(reinterpret_cast<const sockaddr*>(&one.storage), one.length, text.data(),
                      text.size(), nullptr, 0, NI_NUMERICHOST) == 0) {
      out.emplace_back(text.data());
    }
  }
  return out;
}

}  // namespace

StatusOr<Conninfo> with_addresses(const Conninfo& info, base::SteadyTime deadline,
                                  net::HostLookup& lookup) {
  const std::vector<std::string> hosts = split(conninfo_value(info, "host"));
  if (!conninfo_value(info, "hostaddr").empty() ||
      std::all_of(hosts.begin(), hosts.end(), is_direct)) {
    return info;
  }
  const std::vector<std::string> ports = split(conninfo_value(info, "port"));
  if (ports.size() != 1 && ports.size() != hosts.size()) return info;  // libpq says what is wrong
  std::vector<std::string> names, addresses, ports_of_names;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    std::vector<std::string> found = {""};
    if (!is_direct(hosts[i])) {
      ASSIGN_OR_RETURN(found, addresses_of(hosts[i], deadline, lookup));
    }
    for (const std::string& address : found) {
      names.push_back(hosts[i]);
      addresses.push_back(address);
      ports_of_names.push_back(ports[ports.size() == 1 ? 0 : i]);
    }
  }
  Conninfo out = info;
  set_conninfo(&out, "host", join(names));
  set_conninfo(&out, "hostaddr", join(addresses));
  set_conninfo(&out, "port", join(ports_of_names));
  return out;
}

}  // namespace tocsin::exporters::postgres
