// SPDX-License-Identifier: Apache-2.0
#include "exporters/node/network/netlink.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "base/file_descriptor.h"

namespace tocsin::exporters {
namespace {

constexpr std::size_t kMaxDump = 64 << 20;  // about 40,000 devices

// Whether the messages of one read end the answer; an error message is an error.
StatusOr<bool> ends_dump(std::string_view messages) {
  while (messages.size() >= sizeof(nlmsghdr)) {
    const auto header = copy_out<nlmsghdr>(messages);
    if (header.nlmsg_len < sizeof(nlmsghdr) || header.nlmsg_len > messages.size()) break;
    if (header.nlmsg_type == NLMSG_DONE) return true;
    if (header.nlmsg_type == NLMSG_ERROR) {
      const auto error = copy_out<nlmsgerr>(messages.substr(sizeof(nlmsghdr)));
      if (error.error == 0) return true;
      return errno_status(-error.error, "netlink dump");
    }
    // An answer that is no dump is one message.
    if ((header.nlmsg_flags & NLM_F_MULTI) == 0) return true;
    messages.remove_prefix(std::min(netlink_aligned(header.nlmsg_len), messages.size()));
  }
  return false;
}

StatusOr<std::string> receive_all(int descriptor) {
  std::string all;
  std::vector<char> buffer(64 << 10);
  while (all.size() < kMaxDump) {
    const ssize_t n = ::recv(descriptor, buffer.data(), buffer.size(), MSG_TRUNC);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_status(errno, "netlink receive");
    if (static_cast<std::size_t>(n) > buffer.size()) return data_loss("netlink: truncated message");
    const std::string_view part(buffer.data(), static_cast<std::size_t>(n));
    ASSIGN_OR_RETURN(const bool is_end, ends_dump(part));
    all.append(part);
    if (is_end) return all;
  }
  return resource_exhausted("netlink: answer larger than {} bytes", kMaxDump);
}

}  // namespace

StatusOr<std::vector<NetlinkMessage>> parse_netlink(std::string_view dump) {
  std::vector<NetlinkMessage> messages;
  while (!dump.empty()) {
    const auto header = copy_out<nlmsghdr>(dump);
    if (dump.size() < sizeof(nlmsghdr) || header.nlmsg_len < sizeof(nlmsghdr) ||
        header.nlmsg_len > dump.size()) {
      return data_loss("netlink: a message of {} bytes in {}", header.nlmsg_len, dump.size());
    }
    if (header.nlmsg_type == NLMSG_DONE) break;
    messages.push_back(
        {header.nlmsg_type, dump.substr(sizeof(nlmsghdr), header.nlmsg_len - sizeof(nlmsghdr))});
    dump.remove_prefix(std::min(netlink_aligned(header.nlmsg_len), dump.size()));
  }
  return messages;
}

std::vector<NetlinkAttribute> netlink_attributes(std::string_view body, std::size_t header) {
  std::vector<NetlinkAttribute> out;
  std::string_view rest = body.substr(std::min(netlink_aligned(header), body.size()));
  while (rest.size() >= sizeof(rtattr)) {
    const auto one = copy_out<rtattr>(rest);
    if (one.rta_len < sizeof(rtattr) || one.rta_len > rest.size()) break;
    const auto type = static_cast<std::uint16_t>(one.rta_type & NLA_TYPE_MASK);
    out.push_back({type, rest.substr(sizeof(rtattr), one.rta_len - sizeof(rtattr))});
    rest.remove_prefix(std::min(netlink_aligned(one.rta_len), rest.size()));
  }
  return out;
}

std::string_view find_attribute(const std::vector<NetlinkAttribute>& attributes,
                                std::uint16_t type) {
  for (const NetlinkAttribute& attribute : attributes) {
    if (attribute.type == type) return attribute.payload;
  }
  return {};
}

std::optional<double> find_number(const std::vector<NetlinkAttribute>& attributes,
                                  std::uint16_t type) {
  const std::string_view payload = find_attribute(attributes, type);
  if (payload.size() == 8) return static_cast<double>(copy_out<std::uint64_t>(payload));
  if (payload.size() == 4) return copy_out<std::uint32_t>(payload);
  if (payload.size() == 2) return copy_out<std::uint16_t>(payload);
  if (payload.size() == 1) return copy_out<std::uint8_t>(payload);
  return std::nullopt;
}

std::string_view attribute_text(std::string_view payload) {
  return payload.substr(0, payload.find('\0'));
}

std::string make_attribute(std::uint16_t type, std::string_view payload) {
  rtattr header{};
  header.rta_len = static_cast<std::uint16_t>(sizeof(header) + payload.size());
  header.rta_type = type;
  std::string out = bytes_of(header).append(payload);
  out.resize(netlink_aligned(out.size()));
  return out;
}

std::string generic_netlink_body(std::uint8_t command, std::string_view attributes) {
  genlmsghdr header{};
  header.cmd = command;
  header.version = 1;
  return bytes_of(header).append(attributes);
}

StatusOr<std::uint16_t> find_generic_family(const NodeServices& services, std::string_view name) {
  const std::string asked = make_attribute(CTRL_ATTR_FAMILY_NAME, std::string(name) + '\0');
  ASSIGN_OR_RETURN(const std::string answer,
                   services.netlink({.protocol = NETLINK_GENERIC,
                                     .type = GENL_ID_CTRL,
                                     .body = generic_netlink_body(CTRL_CMD_GETFAMILY, asked),
                                     .is_dump = false}));
  ASSIGN_OR_RETURN(const std::vector<NetlinkMessage> messages, parse_netlink(answer));
  for (const NetlinkMessage& one : messages) {
    const auto attributes = netlink_attributes(one.body, sizeof(genlmsghdr));
    const std::string_view id = find_attribute(attributes, CTRL_ATTR_FAMILY_ID);
    if (!id.empty()) return copy_out<std::uint16_t>(id);
  }
  return not_found("{} is not in this kernel", name);
}

StatusOr<std::string> netlink_dump(const NetlinkRequest& request) {
  const base::FileDescriptor socket(
      ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, request.protocol));
  if (socket.get() < 0) return errno_status(errno, "netlink socket");
  // The kernel answers at once; the limit is for a sandbox that swallows the request.
  const timeval timeout{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof(header) + request.body.size());
  header.nlmsg_type = request.type;
  header.nlmsg_flags =
      static_cast<std::uint16_t>(NLM_F_REQUEST | (request.is_dump ? NLM_F_DUMP : 0));
  const std::string message = bytes_of(header) + request.body;
  if (::send(socket.get(), message.data(), message.size(), 0) < 0) {
    return errno_status(errno, "netlink send");
  }
  return receive_all(socket.get());
}

}  // namespace tocsin::exporters
