// SPDX-License-Identifier: Apache-2.0
//
// Netlink: asking the kernel for a table, and reading its messages: nlmsghdr, a body, attributes,
// all aligned to 4 bytes. Headers are copied out, because the stream is bytes.
//
// Functions; views point into the dump.
// Errors: kDataLoss when a message does not fit into the rest.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "exporters/node/collectors.h"

namespace tocsin::exporters {

// The first bytes of `data` as a T, the rest zero when there are fewer.
template <typename T>
T copy_out(std::string_view data) {
  T value{};
  std::memcpy(&value, data.data(), std::min(sizeof(T), data.size()));
  return value;
}

template <typename T>
std::string bytes_of(const T& value) {
  std::string out(sizeof(T), '\0');
  std::memcpy(out.data(), &value, sizeof(T));
  return out;
}

constexpr std::size_t netlink_aligned(std::size_t length) { return (length + 3) & ~std::size_t{3}; }

struct NetlinkMessage {
  std::uint16_t type = 0;
  std::string_view body;  // after the nlmsghdr
};

// The messages up to NLMSG_DONE.
StatusOr<std::vector<NetlinkMessage>> parse_netlink(std::string_view dump);

struct NetlinkAttribute {
  std::uint16_t type = 0;
  std::string_view payload;
};

// Attributes after `header` bytes of a body; ends at the first that does not fit.
std::vector<NetlinkAttribute> netlink_attributes(std::string_view body, std::size_t header = 0);
// The payload of the first attribute of a type, "" for none.
std::string_view find_attribute(const std::vector<NetlinkAttribute>& attributes,
                                std::uint16_t type);
// The first attribute of a type as a number of 1, 2, 4 or 8 bytes; nullopt for none.
std::optional<double> find_number(const std::vector<NetlinkAttribute>& attributes,
                                  std::uint16_t type);
// A payload that is a text, without its zero.
std::string_view attribute_text(std::string_view payload);

// An attribute as a request carries it.
std::string make_attribute(std::uint16_t type, std::string_view payload);

// The body of a request by generic netlink.
std::string generic_netlink_body(std::uint8_t command, std::string_view attributes);
// The number of a family of generic netlink; kNotFound when the kernel does not have it.
StatusOr<std::uint16_t> find_generic_family(const NodeServices& services, std::string_view name);

// Asks the kernel for a dump. Returns within a second.
StatusOr<std::string> netlink_dump(const NetlinkRequest& request);

}  // namespace tocsin::exporters
