// SPDX-License-Identifier: Apache-2.0
#include "net/server/listen_address.h"

#include <charconv>
#include <system_error>

namespace tocsin::net {

StatusOr<ListenAddress> ListenAddress::parse(std::string_view text) {
  if (text.starts_with("unix:")) return unimplemented("not supported yet: listener {}", text);
  const std::size_t colon = text.rfind(':');
  const auto invalid = [&] { return invalid_argument("invalid listen address {:?}", text); };
  if (colon == std::string_view::npos) return invalid();
  ListenAddress address;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, address.port);
  if (error != std::errc() || stop != end) return invalid();
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return invalid();
  }
  address.host = host;
  return address;
}

Status listen_error(std::string_view address, int error_number) {
  std::string reason = std::generic_category().message(error_number);
  if (!reason.empty() && reason[0] >= 'A' && reason[0] <= 'Z') {
    reason[0] = static_cast<char>(reason[0] - 'A' + 'a');
  }
  return unavailable("listen on {}: {}", address, reason);
}

}  // namespace tocsin::net
