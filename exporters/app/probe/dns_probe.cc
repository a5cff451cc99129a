// SPDX-License-Identifier: Apache-2.0
//
// The DNS prober: one question over UDP, TCP or TLS.
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <sys/socket.h>

#include "base/file_descriptor.h"
#include "base/hash.h"
#include "exporters/app/probe/dns_message.h"
#include "exporters/app/probe/dns_names.h"
#include "exporters/app/probe/probes.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kMaxMessage = 65'535;
constexpr std::uint16_t kSoaType = 6;
constexpr std::uint16_t kPort = 53, kTlsPort = 853;

class UdpSocket {
 public:
  // Only what comes from `to` is received then.
  Status connect(const net::SocketAddress& to, const std::optional<net::SocketAddress>& source) {
    socket_ = base::FileDescriptor(
        ::socket(to.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket_.get() < 0) return errno_status(errno, "socket");
    if (source && ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&source->storage),
                         source->length) != 0) {
      return errno_status(errno, "bind");
    }
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to.storage), to.length) != 0) {
      return errno_status(errno, "connect");
    }
    return ok();
  }
  Status send(std::string_view bytes) const {
    if (::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0) return ok();
    return errno_status(errno, "write");
  }
  StatusOr<std::string> receive(const ProbeRun& run) const {
    for (;;) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(run.deadline() - run.now()).count();
      if (left <= 0) return deadline_exceeded("i/o timeout");
      pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
      const int ready =
          ::poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left, 1 << 20)));
      if (ready < 0 && errno != EINTR) return errno_status(errno, "poll");
      if (ready <= 0) continue;
      std::string message(kMaxMessage, '\0');
      const ssize_t size = ::recv(socket_.get(), message.data(), message.size(), 0);
      if (size >= 0) {
        message.resize(static_cast<std::size_t>(size));
        return message;
      }
      if (errno != EAGAIN && errno != EINTR) return errno_status(errno, "read");
    }
  }

 private:
  base::FileDescriptor socket_;
};

class DnsProbe {
 public:
  DnsProbe(ProbeRun& run, const DnsModule& module, const ProbeTarget& target)
      : run_(run),
        module_(module),
        target_(target),
        phases_(run, {"probe_dns_duration_seconds", "Duration of DNS request by phase"},
                {"resolve", "connect", "request"}) {}

  bool probe() {
    count("answer", 0);
    count("authority", 0);
    count("additional", 0);
    succeeded(0);
    const StatusOr<HostPort> place =
        split_host_port(target_.target, module_.is_tls ? kTlsPort : kPort);
    if (!place.ok()) return run_.fail(fmt::format("bad target: {}", message(place.status())));
    host_ = place->host;
    const ChosenAddress chosen = choose_address(run_, module_.ip, place->host, place->port);
    if (!chosen.address.ok()) return false;
    phases_.add("resolve", chosen.lookup_seconds);
    question_ = {.id = static_cast<std::uint16_t>(base::random_u64()),
                 .name = *dns_name_bytes(module_.query_name),
                 .type = module_.query_type,
                 .qclass = module_.query_class,
                 .recursion_desired = module_.recursion_desired};
    const StatusOr<DnsAnswer> answer =
        module_.is_tcp ? ask_stream(*chosen.address) : ask_udp(*chosen.address);
    if (!answer.ok()) {
      return run_.fail(fmt::format("the query failed: {}", message(answer.status())));
    }
    return judge(*answer);
  }

 private:
  void count(std::string_view section, std::size_t records) {
    run_.set(fmt::format("probe_dns_{}_rrs", section),
             fmt::format("Returns number of entries in the {} resource record list", section),
             static_cast<double>(records));
  }
  void succeeded(double value) {
    run_.set("probe_dns_query_succeeded",
             "Displays whether or not the query was executed successfully", value);
  }

  StatusOr<DnsAnswer> ask_udp(const net::SocketAddress& address) {
    const base::SteadyTime start = run_.now();
    UdpSocket socket;
    RETURN_IF_ERROR(socket.connect(address, module_.ip.source));
    const base::SteadyTime connected = run_.now();
    phases_.add("connect", seconds_between(start, connected));
    RETURN_IF_ERROR(socket.send(encode_dns_question(question_)));
    for (;;) {
      ASSIGN_OR_RETURN(const std::string bytes, socket.receive(run_));
      ASSIGN_OR_RETURN(DnsAnswer answer, decode_dns_answer(bytes));
      if (!answers(answer, question_)) {
        run_.debug("an answer to another question was left out");
        continue;
      }
      phases_.add("request", seconds_between(connected, run_.now()));
      return answer;
    }
  }

  StatusOr<DnsAnswer> ask_stream(const net::SocketAddress& address) {
    const base::SteadyTime start = run_.now();
    ASSIGN_OR_RETURN(const std::unique_ptr<net::Stream> stream,
                     connect_to(run_, module_.ip, address));
    if (module_.is_tls) {
      const std::string& name = module_.tls.server_name.empty() ? host_ : module_.tls.server_name;
      RETURN_IF_ERROR(stream->start_tls(*module_.tls.client, name, run_.deadline()));
    }
    const base::SteadyTime connected = run_.now();
    phases_.add("connect", seconds_between(start, connected));
    const std::string question = encode_dns_question(question_);
    std::string bytes{static_cast<char>(question.size() >> 8),
                      static_cast<char>(question.size() & 0xFF)};
    RETURN_IF_ERROR(stream->write(bytes + question, run_.deadline()));
    ASSIGN_OR_RETURN(const std::string length, read_exactly(*stream, 2));
    const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(length[0])) << 8 |
                             static_cast<unsigned char>(length[1]);
    ASSIGN_OR_RETURN(bytes, read_exactly(*stream, size));
    phases_.add("request", seconds_between(connected, run_.now()));
    ASSIGN_OR_RETURN(DnsAnswer answer, decode_dns_answer(bytes));
    if (!answers(answer, question_)) return data_loss("dns: the answer is to another question");
    return answer;
  }

  StatusOr<std::string> read_exactly(net::Stream& stream, std::size_t size) {
    std::string out(size, '\0');
    std::size_t have = 0;
    while (have < size) {
      ASSIGN_OR_RETURN(const std::size_t got,
                       stream.read(out.data() + have, size - have, run_.deadline()));
      if (got == 0) return data_loss("unexpected EOF");
      have += got;
    }
    return out;
  }

  bool judge(const DnsAnswer& answer) {
    count("answer", answer.answer.size());
    count("authority", answer.authority.size());
    count("additional", answer.additional.size());
    succeeded(1);
    if (module_.query_type == kSoaType) {
      double serial = 0;
      for (const DnsRecord& record : answer.answer) {
        if (record.type == kSoaType) serial = record.serial;
      }
      run_.set("probe_dns_serial", "Returns the serial number of the zone", serial);
    }
    const std::vector<int>& valid = module_.valid_rcodes;
    const bool is_valid = valid.empty()
                              ? answer.rcode == 0
                              : std::find(valid.begin(), valid.end(), answer.rcode) != valid.end();
    if (!is_valid) {
      return run_.fail(
          fmt::format("{} is not one of the valid codes", dns_rcode_name(answer.rcode)));
    }
    return judge_records("answer", answer.answer, module_.answer) &&
           judge_records("authority", answer.authority, module_.authority) &&
           judge_records("additional", answer.additional, module_.additional);
  }

  bool judge_records(std::string_view section, const std::vector<DnsRecord>& records,
                     const RecordRules& rules) {
    const auto fail = [&](std::string_view why, std::string_view record = "") {
      return run_.fail(fmt::format("{} records: {} {}", section, why, record));
    };
    if (records.empty() && !rules.fail_if_not_matches.empty()) {
      return fail("fail_if_not_matches_regexp, but there is none");
    }
    if (records.empty() && !rules.fail_if_none_matches.empty()) {
      return fail("fail_if_none_matches_regexp, but there is none");
    }
    bool has_match = false, all_match = true;
    for (const DnsRecord& record : records) {
      run_.debug(record.text);
      const auto matches = [&record](const model::Regex& regex) {
        return regex.matches(record.text);
      };
      const auto any = [&](const std::vector<model::Regex>& list) {
        return std::any_of(list.begin(), list.end(), matches);
      };
      const auto all = [&](const std::vector<model::Regex>& list) {
        return std::all_of(list.begin(), list.end(), matches);
      };
      if (any(rules.fail_if_matches)) return fail("matched", record.text);
      if (!all(rules.fail_if_not_matches)) return fail("did not match", record.text);
      all_match = all_match && all(rules.fail_if_all_match);
      has_match = has_match || any(rules.fail_if_none_matches);
    }
    // As blackbox does it: without any match in fail_if_all_match_regexp the probe fails, whatever
    // the name says.
    if (!rules.fail_if_all_match.empty() && !all_match) return fail("not all matched");
    if (!rules.fail_if_none_matches.empty() && !has_match) return fail("none matched");
    return true;
  }

  ProbeRun& run_;
  const DnsModule& module_;
  const ProbeTarget& target_;
  PhaseDurations phases_;
  std::string host_;
  DnsQuestion question_;
};

}  // namespace

bool probe_dns(ProbeRun& run, const DnsModule& module, const ProbeTarget& target) {
  return DnsProbe(run, module, target).probe();
}

}  // namespace tocsin::exporters::app
