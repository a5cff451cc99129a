// SPDX-License-Identifier: Apache-2.0
//
// ListenAddress: what HttpServerOptions::listen_addresses hold, taken apart. A value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tocsin::net {

struct ListenAddress {
  std::string host;  // without brackets; "" = all interfaces
  // "localhost" is the loopback address without a look-up (RFC 6761, 6.3): a bare system has no /etc/hosts.
  bool is_localhost() const { return host == "localhost"; }
  std::uint16_t port = 0;

  // kInvalidArgument; kUnimplemented for a unix path.
  static StatusOr<ListenAddress> parse(std::string_view text);
};

// "listen on ADDRESS: REASON", for a failed system call.
Status listen_error(std::string_view address, int error_number);

}  // namespace tocsin::net
