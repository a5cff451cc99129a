// SPDX-License-Identifier: Apache-2.0
#include "template/functions/address.h"

#include <array>

#include <arpa/inet.h>

namespace tocsin::tmpl {
namespace {

// False when there is no port or the brackets of IPv6 are wrong.
bool split_host_port(std::string_view address, std::string* host, std::string* port) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return false;
  std::string_view name = address.substr(0, colon);
  if (!name.empty() && name.front() == '[') {
    if (name.back() != ']') return false;
    name = name.substr(1, name.size() - 2);
    if (name.find_first_of("[]") != std::string_view::npos) return false;
  } else if (name.find_first_of(":[]") != std::string_view::npos) {
    return false;
  }
  *host = name;
  *port = address.substr(colon + 1);
  return port->find_first_of("[]") == std::string::npos;
}

bool is_ip(const std::string& host) {
  std::array<unsigned char, 16> buffer{};
  return inet_pton(AF_INET, host.c_str(), buffer.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), buffer.data()) == 1;
}

}  // namespace

std::string strip_port(std::string_view address) {
  std::string host;
  std::string port;
  return split_host_port(address, &host, &port) ? host : std::string(address);
}

std::string strip_domain(std::string_view address) {
  std::string host(address);
  std::string port;
  std::string name;
  if (split_host_port(address, &name, &port)) host = name;
  if (is_ip(host)) return std::string(address);
  host = host.substr(0, host.find('.'));
  return port.empty() ? host : host + ":" + port;
}

}  // namespace tocsin::tmpl
