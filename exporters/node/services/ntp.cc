// SPDX-License-Identifier: Apache-2.0
//
// ntp: what an NTP server on this machine thinks of its time (RFC 5905). A packet has 48 bytes: leap,
// version and mode; stratum; poll; precision; root delay and dispersion in 16.16 seconds; a
// reference; and four times in 32.32 seconds since 1900: reference, origin, receive, transmit.
//
// The origin of the answer repeats the transmit time of the question. That is a random number here:
// who cannot read it, cannot answer in the server's place.
#include <netdb.h>

#include <cmath>
#include <memory>

#include <sys/random.h>
#include <sys/socket.h>

#include "exporters/node/services/exchange.h"
#include "exporters/node/services/services.h"

namespace tocsin::exporters {
namespace {

constexpr std::size_t kPacketSize = 48;
constexpr double kSecondsTo1970 = 2'208'988'800;
constexpr double kSecondsOfEra = 4'294'967'296;
constexpr double kDay = 24 * 3600;
constexpr int kServerMode = 4;
constexpr int kLeapAdd = 1, kLeapDelete = 2, kNotInSync = 3;
constexpr int kMaxStratum = 16;
constexpr double kMaxDispersion = 16;      // seconds
constexpr double kMaxFreshness = 1 << 17;  // seconds: the longest a server polls

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

// Seconds since 1970, split because a double of today's seconds has too few digits for nanoseconds.
struct NtpTime {
  double seconds = 0, fraction = 0;

  static NtpTime parse(std::uint64_t raw) {
    double seconds = static_cast<double>(raw >> 32);
    // A time before 1970 is one of the era that begins in 2036.
    if (seconds < kSecondsTo1970) seconds += kSecondsOfEra;
    return {seconds - kSecondsTo1970, static_cast<double>(raw & 0xffff'ffff) / kSecondsOfEra};
  }
  static NtpTime of_ns(std::int64_t ns) {
    return {static_cast<double>(ns / 1'000'000'000),
            static_cast<double>(ns % 1'000'000'000) * 1e-9};
  }
  double since(const NtpTime& other) const {
    return (seconds - other.seconds) + (fraction - other.fraction);
  }
  double value() const { return seconds + fraction; }
};

struct NtpReport {
  int leap = 0, stratum = 0;
  double rtt = 0, offset = 0, root_delay = 0, root_dispersion = 0;
  double min_error = 0;  // by how much an effect came before its cause
  double reference = 0;  // Unix time, 0 for none
  NtpTime time;
  bool is_fresh = false;
};

StatusOr<NtpReport> parse_answer(const DatagramAnswer& answer, std::string_view cookie) {
  const std::string_view bytes = answer.bytes;
  if (bytes.size() < kPacketSize) return data_loss("ntp: an answer of {} bytes", bytes.size());
  const auto first = static_cast<unsigned char>(bytes[0]);
  if ((first & 7) != kServerMode) return data_loss("ntp: invalid mode in response");
  if (bytes.substr(24, 8) != cookie) return data_loss("ntp: server response mismatch");
  const std::uint64_t receive = big_endian(bytes.substr(32, 8));
  const std::uint64_t transmit = big_endian(bytes.substr(40, 8));
  if (transmit == 0) return data_loss("ntp: invalid transmit time in response");
  if (receive > transmit) return data_loss("ntp: server clock ticked backwards");
  NtpReport report;
  report.leap = first >> 6;
  report.stratum = static_cast<unsigned char>(bytes[1]);
  report.root_delay = static_cast<double>(big_endian(bytes.substr(4, 4))) / 65536;
  report.root_dispersion = static_cast<double>(big_endian(bytes.substr(8, 4))) / 65536;
  const NtpTime sent = NtpTime::of_ns(answer.sent_ns);
  const NtpTime received = NtpTime::of_ns(answer.received_ns);
  const NtpTime there = NtpTime::parse(receive), back = NtpTime::parse(transmit);
  report.time = back;
  report.rtt = std::max(0.0, received.since(sent) - back.since(there));
  report.offset = (there.since(sent) + back.since(received)) / 2;
  report.min_error = std::max({0.0, sent.since(there), back.since(received)});
  const NtpTime reference = NtpTime::parse(big_endian(bytes.substr(16, 8)));
  const bool has_reference = big_endian(bytes.substr(16, 8)) != 0;
  if (has_reference) report.reference = reference.value();
  const double age = back.since(has_reference ? reference : NtpTime{-kSecondsTo1970, 0});
  report.is_fresh = age >= 0 && age <= kMaxFreshness;
  return report;
}

struct NtpTarget {
  std::string host;
  std::uint16_t port = 0;
  int version = 0, ttl = 0;
  double max_distance = 0, tolerance = 0;  // seconds
};

bool is_sane(const NtpReport& report, const NtpTarget& target, double tolerance) {
  const double distance = (report.rtt + report.root_delay) / 2 + report.root_dispersion;
  return report.stratum > 0 && report.stratum < kMaxStratum && report.leap != kNotInSync &&
         report.is_fresh && report.root_delay / 2 + report.root_dispersion <= kMaxDispersion &&
         distance <= target.max_distance && report.min_error <= tolerance;
}

// Remembers the midnight of a leap second: the server stops telling of it right after.
class NtpProbe {
 public:
  NtpProbe(NtpTarget target, const base::Clock& clock)
      : target_(std::move(target)), clock_(clock) {}

  Status collect(Families* out) {
    std::string packet(kPacketSize, '\0');
    packet[0] = static_cast<char>(target_.version << 3 | 3);  // 3: a client
    if (::getrandom(&packet[40], 8, 0) != 8) return unavailable("ntp: no random number");
    constexpr base::Duration kPatience(1000);
    ASSIGN_OR_RETURN(const DatagramAnswer answer,
                     ask_datagram(target_.host, target_.port, packet,
                                  {.patience = kPatience, .ttl = target_.ttl}, clock_));
    ASSIGN_OR_RETURN(const NtpReport report,
                     parse_answer(answer, std::string_view(packet).substr(40, 8)));
    show(report, out);
    return ok();
  }

 private:
  void show(const NtpReport& report, Families* out) {
    if (report.leap == kLeapAdd || report.leap == kLeapDelete) {
      leap_midnight_ = std::floor(report.time.seconds / kDay) * kDay + kDay;
    }
    const bool may_smear = std::abs(report.time.seconds - leap_midnight_) < kDay;
    const double tolerance = target_.tolerance + (may_smear ? 1 : 0);
    out->gauge("node_ntp_stratum", "NTPD stratum.", {}, report.stratum);
    out->gauge("node_ntp_leap", "NTPD leap second indicator, 2 bits.", {}, report.leap);
    out->gauge("node_ntp_rtt_seconds", "RTT to NTPD.", {}, report.rtt);
    out->gauge("node_ntp_offset_seconds", "ClockOffset between NTP and local clock.", {},
               report.offset);
    out->gauge("node_ntp_reference_timestamp_seconds", "NTPD ReferenceTime, UNIX timestamp.", {},
               report.reference);
    out->gauge("node_ntp_root_delay_seconds", "NTPD RootDelay.", {}, report.root_delay);
    out->gauge("node_ntp_root_dispersion_seconds", "NTPD RootDispersion.", {},
               report.root_dispersion);
    out->gauge("node_ntp_sanity",
               "NTPD sanity according to RFC5905 heuristics and configured limits.", {},
               is_sane(report, target_, tolerance) ? 1 : 0);
  }

  const NtpTarget target_;
  const base::Clock& clock_;
  double leap_midnight_ = -2 * kDay;
};

// Whether it is the address of this machine, in numbers: a name may lead anywhere.
bool is_loopback(const std::string& host) {
  addrinfo wish{};
  wish.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &wish, &found) != 0) return false;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, &::freeaddrinfo);
  return found->ai_family == AF_INET6 ? host == "::1" : host.starts_with("127.");
}

}  // namespace

StatusOr<Collect> make_ntp(const Node& node) {
  const NodeOptions& options = node.options;
  if (!options.ntp_server_is_local && !is_loopback(options.ntp_server)) {
    return invalid_argument(
        "only IP address of local NTP server is valid for --collector.ntp.server");
  }
  if (options.ntp_version < 2 || options.ntp_version > 4) {
    return invalid_argument("invalid NTP protocol version {}; must be 2, 3, or 4",
                            options.ntp_version);
  }
  if (options.ntp_port < 1 || options.ntp_port > 65535) {
    return invalid_argument("invalid NTP port number {}; must be between 1 and 65535 inclusive",
                            options.ntp_port);
  }
  if (options.ntp_ttl > 255) return invalid_argument("invalid TTL {}", options.ntp_ttl);
  auto probe =
      std::make_shared<NtpProbe>(NtpTarget{.host = options.ntp_server,
                                           .port = static_cast<std::uint16_t>(options.ntp_port),
                                           .version = static_cast<int>(options.ntp_version),
                                           .ttl = static_cast<int>(options.ntp_ttl),
                                           .max_distance = options.ntp_max_distance_seconds,
                                           .tolerance = options.ntp_offset_tolerance_seconds},
                                 node.services.clock);
  return Collect([probe = std::move(probe)](Families* out) { return probe->collect(out); });
}

}  // namespace tocsin::exporters
