// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporters/app/probe/dns_names.h"
#include "exporters/app/testing/probe_fixture.h"

namespace tocsin::exporters::app {
namespace {

using net::testing::RawSocket;
using net::testing::TestCertificate;
using net::testing::TlsSocket;
using ::testing::HasSubstr;
using testing::ScriptServer;
using namespace std::string_literals;

using DnsProbeTest = testing::ProbeTest;

// Answers each question with the datagrams that the script makes of it.
class UdpServer {
 public:
  using Script = std::function<std::vector<std::string>(const std::string& question)>;
  explicit UdpServer(Script script)
      : script_(std::move(script)), descriptor_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    socklen_t size = sizeof(address);
    ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size);
    address_ = address;
    static_cast<void>(thread_.post([this] { serve(); }));
  }
  ~UdpServer() {
    // An empty datagram ends the thread.
    ::sendto(descriptor_, "", 0, 0, reinterpret_cast<sockaddr*>(&address_), sizeof(address_));
    thread_.stop();
    ::close(descriptor_);
  }
  UdpServer(const UdpServer&) = delete;
  UdpServer& operator=(const UdpServer&) = delete;

  std::string address() const { return fmt::format("127.0.0.1:{}", ntohs(address_.sin_port)); }

 private:
  void serve() {
    for (;;) {
      std::array<char, 2048> buffer;
      sockaddr_in from{};
      socklen_t size = sizeof(from);
      const ssize_t got = ::recvfrom(descriptor_, buffer.data(), buffer.size(), 0,
                                     reinterpret_cast<sockaddr*>(&from), &size);
      if (got <= 0) return;
      for (const std::string& reply : script_({buffer.data(), static_cast<std::size_t>(got)})) {
        ::sendto(descriptor_, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from),
                 size);
      }
    }
  }

  const Script script_;
  const int descriptor_;
  sockaddr_in address_{};
  base::ThreadPool thread_{{.name = "udp", .threads = 1}};
};

// An answer to `question` with this code and one record of each type.
std::string answer_to(const std::string& question, int rcode, std::string_view type = "A") {
  const std::string data =
      type == "A" ? "\xC0\x00\x02\x01"s : "\x00\x00"s + "\0\0\0\x2A"s + std::string(16, '\0');
  const bool is_good = rcode == 0;
  std::string out = question.substr(0, 2) + "\x81"s + static_cast<char>(0x80 | rcode) + "\0\1"s +
                    "\0"s + (is_good ? "\1"s : "\0"s) + "\0\0\0\0"s + question.substr(12);
  if (is_good) {
    out += "\xC0\x0C"s + (type == "A" ? "\0\1"s : "\0\6"s) + "\0\1\0\0\0\x3C\0"s +
           static_cast<char>(data.size()) + data;
  }
  return out;
}

TEST_F(DnsProbeTest, ShowsTheFamiliesOfBlackboxExporter) {
  UdpServer server(
      [](const std::string& question) { return std::vector<std::string>{answer_to(question, 0)}; });
  const Seen seen =
      probe("{prober: dns, dns: {query_name: example.com, query_type: A}}", server.address());
  EXPECT_TRUE(seen.success) << seen.log;
  for (const std::string_view line :
       {"probe_dns_answer_rrs 1\n", "probe_dns_authority_rrs 0\n", "probe_dns_additional_rrs 0\n",
        "probe_dns_duration_seconds{phase=\"connect\"} ", "probe_dns_query_succeeded 1\n",
        "probe_dns_duration_seconds{phase=\"request\"} ", "probe_success 1\n",
        "probe_dns_duration_seconds{phase=\"resolve\"} ", "probe_ip_protocol 4\n"}) {
    EXPECT_THAT(seen.page, HasSubstr(std::string(line)));
  }
}

TEST_F(DnsProbeTest, JudgesCodesAndRecords) {
  const auto check = [this](std::string_view dns, int rcode, bool success) {
    UdpServer server([rcode](const std::string& question) {
      return std::vector<std::string>{answer_to(question, rcode)};
    });
    const Seen seen = probe(
        fmt::format("{{prober: dns, dns: {{query_name: example.com, query_type: A, {}}}}}", dns),
        server.address());
    EXPECT_EQ(seen.success, success) << dns << "\n" << seen.log;
    EXPECT_THAT(seen.page, HasSubstr("probe_dns_query_succeeded 1\n"));
  };
  check("", 3, false);
  check("valid_rcodes: [NXDOMAIN, REFUSED]", 3, true);
  check("valid_rcodes: [NXDOMAIN]", 0, false);
  check("validate_answer_rrs: {fail_if_matches_regexp: ['\\t60\\tIN\\tA\\t192']}", 0, false);
  check("validate_answer_rrs: {fail_if_not_matches_regexp: ['^example.com.\\t60']}", 0, true);
  check("validate_answer_rrs: {fail_if_not_matches_regexp: [AAAA]}", 0, false);
  check("validate_answer_rrs: {fail_if_none_matches_regexp: [AAAA, 192]}", 0, true);
  check("validate_answer_rrs: {fail_if_all_match_regexp: [IN]}", 0, true);
  check("validate_authority_rrs: {fail_if_not_matches_regexp: [x]}", 0, false);
  check("validate_additional_rrs: {fail_if_none_matches_regexp: [x]}", 0, false);
  check("recursion_desired: false", 0, true);
}

TEST_F(DnsProbeTest, ShowsTheSerialOfAZone) {
  UdpServer server([](const std::string& question) {
    return std::vector<std::string>{answer_to(question, 0, "SOA")};
  });
  const Seen seen = probe("{prober: dns, dns: {query_name: z, query_type: SOA}}", server.address());
  EXPECT_TRUE(seen.success) << seen.log;
  EXPECT_THAT(seen.page, HasSubstr("probe_dns_serial 42\n"));
}

TEST_F(DnsProbeTest, LeavesOutForgedAnswersAndFailsOnMalformedOnes) {
  UdpServer server([](const std::string& question) {
    std::string forged = answer_to(question, 3);
    forged[0] = static_cast<char>(forged[0] ^ 1);
    return std::vector<std::string>{forged, answer_to(question, 0)};
  });
  EXPECT_TRUE(
      probe("{prober: dns, dns: {query_name: a.b, query_type: A}}", server.address()).success);
  for (const std::string& bad : {""s, "x"s, std::string(12, '\xFF')}) {
    UdpServer broken([&bad](const std::string& question) {
      return std::vector<std::string>{question.substr(0, 2) + bad};
    });
    const Seen seen =
        probe("{prober: dns, dns: {query_name: a.b, query_type: A}}", broken.address());
    EXPECT_FALSE(seen.success);
    EXPECT_THAT(seen.page, HasSubstr("probe_dns_query_succeeded 0\n"));
  }
  UdpServer silent([](const std::string&) { return std::vector<std::string>(); });
  const Seen seen = probe("{prober: dns, timeout: 30ms, dns: {query_name: a.b}}", silent.address());
  EXPECT_FALSE(seen.success);
  EXPECT_THAT(seen.log, HasSubstr("i/o timeout"));
}

TEST_F(DnsProbeTest, AsksOverTcpAndTls) {
  const auto read_question = [](const auto& read) {
    std::string bytes;
    while (bytes.size() < 2 || bytes.size() < 2U + static_cast<unsigned char>(bytes[1])) {
      const std::string more = read();
      if (more.empty()) return std::string();
      bytes += more;
    }
    return bytes.substr(2);
  };
  const auto framed = [](const std::string& answer) {
    return std::string{'\0', static_cast<char>(answer.size())} + answer;
  };
  constexpr std::string_view kModule =
      "{{prober: dns, dns: {{transport_protocol: tcp, query_name: a.test, query_type: A{}}}}}";
  {
    ScriptServer server([&](RawSocket& peer) {
      const std::string question = read_question([&peer] { return peer.read_some(); });
      const std::string answer = framed(answer_to(question, 0));
      // In two pieces.
      peer.write(answer.substr(0, 1));
      peer.write(answer.substr(1));
    });
    const Seen seen = probe(fmt::format(fmt::runtime(kModule), ""), server.address());
    EXPECT_TRUE(seen.success) << seen.log;
  }
  {
    ScriptServer server([](RawSocket& peer) {
      peer.read_some();
      peer.write("\x01\x00half");
    });
    EXPECT_FALSE(probe(fmt::format(fmt::runtime(kModule), ""), server.address()).success);
  }
  const TestCertificate certificate(::testing::TempDir(), {});
  ScriptServer server([&](RawSocket& peer) {
    TlsSocket secure(std::move(peer), certificate);
    if (!secure.is_open()) return;
    // Ends with the class: IN.
    const std::string question = secure.read_until("\1a\4test\0\0\1\0\1"s);
    secure.write(framed(answer_to(question.substr(2), 0)));
  });
  const std::string tls =
      fmt::format(", dns_over_tls: true, tls_config: {{ca_file: {}}}", certificate.cert_file());
  const Seen seen =
      probe(fmt::format(fmt::runtime(kModule), tls), fmt::format("localhost:{}", server.port()));
  EXPECT_TRUE(seen.success) << seen.log;
}

}  // namespace
}  // namespace tocsin::exporters::app
