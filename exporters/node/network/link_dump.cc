// SPDX-License-Identifier: Apache-2.0
//
// Netlink: a stream of nlmsghdr + ifinfomsg + attributes (rtattr), all aligned to 4 bytes. Headers
// are copied out, because the stream is bytes.
#include "exporters/node/network/link_dump.h"

#include <unistd.h>

#include <cstring>
#include <optional>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "exporters/node/text.h"

namespace tocsin::exporters {
namespace {

constexpr std::size_t kMaxDump = 64 << 20;  // about 40,000 devices

// The first bytes of `data` as a T, the rest zero when there are fewer.
template <typename T>
T copy_out(std::string_view data) {
  T value{};
  std::memcpy(&value, data.data(), std::min(sizeof(T), data.size()));
  return value;
}

constexpr std::size_t aligned(std::size_t length) { return (length + 3) & ~std::size_t{3}; }

// Old kernels know the counters in 32 bits only; the fields have the same names.
template <typename Stats>
void set_counters(const Stats& stats, LinkCounters* link) {
  const auto sum = [](auto... parts) { return (static_cast<double>(parts) + ...); };
  link->receive = {.bytes = sum(stats.rx_bytes),
                   .packets = sum(stats.rx_packets),
                   .errs = sum(stats.rx_errors),
                   .drop = sum(stats.rx_dropped, stats.rx_missed_errors),
                   .fifo = sum(stats.rx_fifo_errors),
                   .compressed = sum(stats.rx_compressed)};
  link->receive_frame =
      sum(stats.rx_length_errors, stats.rx_over_errors, stats.rx_crc_errors, stats.rx_frame_errors);
  link->receive_multicast = sum(stats.multicast);
  link->receive_nohandler = sum(stats.rx_nohandler);
  link->transmit = {.bytes = sum(stats.tx_bytes),
                    .packets = sum(stats.tx_packets),
                    .errs = sum(stats.tx_errors),
                    .drop = sum(stats.tx_dropped),
                    .fifo = sum(stats.tx_fifo_errors),
                    .compressed = sum(stats.tx_compressed)};
  link->transmit_colls = sum(stats.collisions);
  link->transmit_carrier = sum(stats.tx_carrier_errors, stats.tx_aborted_errors,
                               stats.tx_window_errors, stats.tx_heartbeat_errors);
}

// The link of a message's attributes; nullopt for one without name or counters.
std::optional<LinkCounters> parse_link(std::string_view attributes) {
  LinkCounters link;
  bool has_counters = false;
  while (attributes.size() >= sizeof(rtattr)) {
    const auto header = copy_out<rtattr>(attributes);
    if (header.rta_len < sizeof(rtattr) || header.rta_len > attributes.size()) break;
    const std::string_view payload =
        attributes.substr(sizeof(rtattr), header.rta_len - sizeof(rtattr));
    if (header.rta_type == IFLA_IFNAME) {
      link.device = payload.substr(0, payload.find('\0'));
    } else if (header.rta_type == IFLA_STATS64) {
      set_counters(copy_out<rtnl_link_stats64>(payload), &link);
      has_counters = true;
    } else if (header.rta_type == IFLA_STATS && !has_counters) {
      set_counters(copy_out<rtnl_link_stats>(payload), &link);
      has_counters = true;
    }
    attributes.remove_prefix(std::min(aligned(header.rta_len), attributes.size()));
  }
  if (link.device.empty() || !has_counters) return std::nullopt;
  return link;
}

class Socket {
 public:
  Socket() : descriptor_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {}
  ~Socket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

Status send_request(int descriptor) {
  struct {
    nlmsghdr header;
    ifinfomsg body;
  } request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.ifi_family = AF_UNSPEC;
  if (::send(descriptor, &request, sizeof(request), 0) < 0)
    return errno_status(errno, "netlink send");
  return ok();
}

// Whether the messages of one read end the dump; an error message is an error.
StatusOr<bool> ends_dump(std::string_view messages) {
  while (messages.size() >= sizeof(nlmsghdr)) {
    const auto header = copy_out<nlmsghdr>(messages);
    if (header.nlmsg_len < sizeof(nlmsghdr) || header.nlmsg_len > messages.size()) break;
    if (header.nlmsg_type == NLMSG_DONE) return true;
    if (header.nlmsg_type == NLMSG_ERROR) {
      const auto error = copy_out<nlmsgerr>(messages.substr(sizeof(nlmsghdr)));
      return errno_status(-error.error, "netlink dump of links");
    }
    messages.remove_prefix(std::min(aligned(header.nlmsg_len), messages.size()));
  }
  return false;
}

}  // namespace

StatusOr<std::vector<LinkCounters>> parse_link_dump(std::string_view messages) {
  std::vector<LinkCounters> links;
  while (!messages.empty()) {
    const auto header = copy_out<nlmsghdr>(messages);
    if (messages.size() < sizeof(nlmsghdr) || header.nlmsg_len < sizeof(nlmsghdr) ||
        header.nlmsg_len > messages.size()) {
      return data_loss("netlink: a message of {} bytes in {}", header.nlmsg_len, messages.size());
    }
    if (header.nlmsg_type == NLMSG_DONE) break;
    constexpr std::size_t kAttributes = sizeof(nlmsghdr) + aligned(sizeof(ifinfomsg));
    if (header.nlmsg_type == RTM_NEWLINK && header.nlmsg_len > kAttributes) {
      auto link = parse_link(messages.substr(kAttributes, header.nlmsg_len - kAttributes));
      if (link) links.push_back(*std::move(link));
    }
    messages.remove_prefix(std::min(aligned(header.nlmsg_len), messages.size()));
  }
  return links;
}

StatusOr<std::vector<LinkCounters>> parse_net_dev(std::string_view text) {
  std::vector<LinkCounters> links;
  for (const std::string_view line : lines_of(text)) {
    // Two lines of titles have no colon that ends a name.
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::vector<double> values;
    for (const std::string_view field : fields_of(line.substr(colon + 1))) {
      const std::optional<double> value = to_number(field);
      if (value) values.push_back(*value);
    }
    constexpr std::size_t kColumns = 16;
    if (values.size() != kColumns) return invalid_argument("net/dev: unexpected line {:?}", line);
    LinkCounters link;
    link.device = trimmed(line.substr(0, colon));
    link.receive = {values[0], values[1], values[2], values[3], values[4], values[6]};
    link.receive_frame = values[5];
    link.receive_multicast = values[7];
    link.transmit = {values[8], values[9], values[10], values[11], values[12], values[15]};
    link.transmit_colls = values[13];
    link.transmit_carrier = values[14];
    links.push_back(std::move(link));
  }
  return links;
}

StatusOr<std::string> dump_links() {
  const Socket socket;
  if (socket.get() < 0) return errno_status(errno, "netlink socket");
  // The kernel answers at once; the limit is for a sandbox that swallows the request.
  const timeval timeout{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  RETURN_IF_ERROR(send_request(socket.get()));
  std::string all;
  std::vector<char> buffer(64 << 10);
  while (all.size() < kMaxDump) {
    const ssize_t n = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_TRUNC);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_status(errno, "netlink receive");
    if (static_cast<std::size_t>(n) > buffer.size()) return data_loss("netlink: truncated message");
    const std::string_view part(buffer.data(), static_cast<std::size_t>(n));
    ASSIGN_OR_RETURN(const bool is_end, ends_dump(part));
    all.append(part);
    if (is_end) return all;
  }
  return resource_exhausted("netlink: dump of links larger than {} bytes", kMaxDump);
}

}  // namespace tocsin::exporters
