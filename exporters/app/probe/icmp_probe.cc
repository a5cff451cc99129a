// SPDX-License-Identifier: Apache-2.0
//
// The ICMP prober: one echo request. A datagram socket where the system allows one
// (net.ipv4.ping_group_range), else a raw socket (CAP_NET_RAW).
//
// Layout of an echo message: type, code, checksum (2), identifier (2), sequence (2), data.
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

#include "base/file_descriptor.h"
#include "base/hash.h"
#include "exporters/app/probe/probes.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kHeader = 8;
constexpr std::size_t kDefaultPayload = 28;
constexpr std::size_t kMaxPacket = 65'536;

std::uint16_t checksum(std::string_view bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]));
    sum += i % 2 == 0 ? byte << 8 : byte;
  }
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

void put_u16(std::string* bytes, std::size_t at, std::uint16_t value) {
  (*bytes)[at] = static_cast<char>(value >> 8);
  (*bytes)[at + 1] = static_cast<char>(value & 0xFF);
}

class IcmpProbe {
 public:
  IcmpProbe(ProbeRun& run, const IcmpModule& module, const ProbeTarget& target)
      : run_(run),
        module_(module),
        target_(target),
        phases_(run, {"probe_icmp_duration_seconds", "Duration of icmp request by phase"},
                {"resolve", "setup", "rtt"}) {}

  bool probe() {
    const ChosenAddress chosen = choose_address(run_, module_.ip, target_.target, 0);
    if (!chosen.address.ok()) return false;
    address_ = *chosen.address;
    phases_.add("resolve", chosen.lookup_seconds);
    const base::SteadyTime start = run_.now();
    if (!open() || !configure()) return false;
    const std::string packet = make_packet();
    phases_.add("setup", seconds_between(start, run_.now()));
    const base::SteadyTime sent = run_.now();
    const ssize_t size =
        ::sendto(socket_.get(), packet.data(), packet.size(), 0,
                 reinterpret_cast<const sockaddr*>(&address_.storage), address_.length);
    if (size < 0) return fail_errno("cannot send");
    if (!wait_for_reply(packet)) return false;
    phases_.add("rtt", seconds_between(sent, run_.now()));
    return true;
  }

 private:
  bool fail_errno(std::string_view what) { return run_.fail(message(errno_status(errno, what))); }
  bool is_v6() const { return is_ip6(address_); }

  bool open() {
    const int family = is_v6() ? AF_INET6 : AF_INET;
    const int protocol =
        is_v6() ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP);
    constexpr int kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
    socket_ = base::FileDescriptor(::socket(family, SOCK_DGRAM | kFlags, protocol));
    if (socket_.get() >= 0) return true;
    run_.debug("a datagram socket is not allowed, trying a raw one");
    is_raw_ = true;
    socket_ = base::FileDescriptor(::socket(family, SOCK_RAW | kFlags, protocol));
    return socket_.get() >= 0 || fail_errno("cannot open a socket");
  }

  bool set_option(int level, int option, int value) {
    return ::setsockopt(socket_.get(), level, option, &value, sizeof(value)) == 0;
  }

  bool configure() {
    const std::optional<net::SocketAddress>& source = module_.ip.source;
    if (source && ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&source->storage),
                         source->length) != 0) {
      return fail_errno("cannot bind to source_ip_address");
    }
    if (is_v6()) {
      set_option(IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
      if (module_.ttl > 0 && !set_option(IPPROTO_IPV6, IPV6_UNICAST_HOPS, module_.ttl)) {
        return fail_errno("cannot set the hop limit");
      }
      return true;
    }
    set_option(IPPROTO_IP, IP_RECVTTL, 1);
    if (module_.ttl > 0 && !set_option(IPPROTO_IP, IP_TTL, module_.ttl)) {
      return fail_errno("cannot set the TTL");
    }
    if (module_.dont_fragment && !set_option(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)) {
      return fail_errno("cannot set the DF bit");
    }
    return true;
  }

  // An echo request whose data nobody else can guess, so that no other reply is taken for ours.
  std::string make_packet() const {
    const std::uint64_t token = base::random_u64();
    const std::size_t payload = module_.payload_size != 0 ? module_.payload_size : kDefaultPayload;
    std::string packet(kHeader + payload, '\0');
    packet[0] = static_cast<char>(is_v6() ? ICMP6_ECHO_REQUEST : ICMP_ECHO);
    put_u16(&packet, 4, static_cast<std::uint16_t>(token));
    put_u16(&packet, 6, static_cast<std::uint16_t>(token >> 16));
    constexpr std::string_view kText = "tocsin probe ";
    packet.replace(kHeader, std::min(payload, kText.size()), kText.substr(0, payload));
    if (payload >= kText.size() + sizeof(token)) {
      std::memcpy(packet.data() + kHeader + kText.size(), &token, sizeof(token));
    }
    // The kernel makes that of version 6, which also covers addresses.
    if (!is_v6()) put_u16(&packet, 2, checksum(packet));
    return packet;
  }

  bool wait_for_reply(const std::string& request) {
    for (;;) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(run_.deadline() - run_.now()).count();
      if (left <= 0) return run_.fail("i/o timeout");
      pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
      const int ready =
          ::poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left, 1 << 20)));
      if (ready < 0 && errno != EINTR) return fail_errno("poll");
      if (ready <= 0) continue;
      const Reading reading = read_reply(request);
      if (reading == Reading::kReply) return true;
      if (reading == Reading::kError) return fail_errno("cannot receive");
    }
  }

  enum class Reading { kReply, kOther, kError };

  Reading read_reply(const std::string& request) {
    std::string buffer(std::min(kMaxPacket, request.size() + 512), '\0');
    alignas(cmsghdr) std::array<char, 256> control{};
    sockaddr_storage from{};
    iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
    msghdr header{};
    header.msg_name = &from;
    header.msg_namelen = sizeof(from);
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(socket_.get(), &header, 0);
    if (size < 0) {
      return errno == EAGAIN || errno == EINTR ? Reading::kOther : Reading::kError;
    }
    std::string_view packet(buffer.data(), static_cast<std::size_t>(size));
    if (is_raw_ && !is_v6()) {
      // A raw socket of version 4 gives the header of IP too.
      const std::size_t length =
          packet.empty() ? 0 : (static_cast<unsigned char>(packet[0]) & 0xFU) * 4;
      if (packet.size() < length) return Reading::kOther;
      packet.remove_prefix(length);
    }
    if (!is_our_reply(packet, request) || !is_our_peer(from)) return Reading::kOther;
    for (cmsghdr* one = CMSG_FIRSTHDR(&header); one != nullptr; one = CMSG_NXTHDR(&header, one)) {
      const bool is_limit = (one->cmsg_level == IPPROTO_IP && one->cmsg_type == IP_TTL) ||
                            (one->cmsg_level == IPPROTO_IPV6 && one->cmsg_type == IPV6_HOPLIMIT);
      int limit = 0;
      if (!is_limit || one->cmsg_len < CMSG_LEN(sizeof(limit))) continue;
      std::memcpy(&limit, CMSG_DATA(one), sizeof(limit));
      run_.set("probe_icmp_reply_hop_limit", "Replied packet hop limit (TTL for ipv4)", limit);
    }
    return Reading::kReply;
  }

  bool is_our_reply(std::string_view packet, std::string_view request) const {
    const char type = static_cast<char>(is_v6() ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY);
    if (packet.size() != request.size() || packet[0] != type || packet[1] != 0) return false;
    // A datagram socket has an identifier of its own, and the kernel has checked it.
    if (is_raw_ && packet.substr(4, 2) != request.substr(4, 2)) return false;
    return packet.substr(6) == request.substr(6);
  }

  bool is_our_peer(const sockaddr_storage& from) const {
    if (from.ss_family != address_.storage.ss_family) return false;
    if (is_v6()) {
      return std::memcmp(&reinterpret_cast<const sockaddr_in6&>(from).sin6_addr,
                         &reinterpret_cast<const sockaddr_in6&>(address_.storage).sin6_addr,
                         sizeof(in6_addr)) == 0;
    }
    return reinterpret_cast<const sockaddr_in&>(from).sin_addr.s_addr ==
           reinterpret_cast<const sockaddr_in&>(address_.storage).sin_addr.s_addr;
  }

  ProbeRun& run_;
  const IcmpModule& module_;
  const ProbeTarget& target_;
  PhaseDurations phases_;
  net::SocketAddress address_;
  base::FileDescriptor socket_;
  bool is_raw_ = false;
};

}  // namespace

bool probe_icmp(ProbeRun& run, const IcmpModule& module, const ProbeTarget& target) {
  return IcmpProbe(run, module, target).probe();
}

}  // namespace tocsin::exporters::app
