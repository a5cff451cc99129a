// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporters/app/testing/probe_fixture.h"

namespace tocsin::exporters::app {
namespace {

using net::testing::RawListener;
using net::testing::RawSocket;
using net::testing::TestCertificate;
using net::testing::TlsSocket;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::ScriptServer;

using TcpProbeTest = testing::ProbeTest;

TEST_F(TcpProbeTest, ConnectsAndShowsTheFamiliesOfBlackboxExporter) {
  ScriptServer server([](RawSocket& peer) { peer.read_all(); });
  Seen seen = probe("{prober: tcp}", server.address());
  EXPECT_TRUE(seen.success) << seen.log;
  EXPECT_THAT(seen.page, HasSubstr("# TYPE probe_failed_due_to_bytes gauge\n"
                                   "probe_failed_due_to_bytes 0\n"
                                   "# TYPE probe_failed_due_to_regex gauge\n"
                                   "probe_failed_due_to_regex 0\n"
                                   "# TYPE probe_ip_addr_hash gauge\n"
                                   "probe_ip_addr_hash 3.668918509e+09\n"
                                   "# TYPE probe_ip_protocol gauge\n"
                                   "probe_ip_protocol 4\n"
                                   "# TYPE probe_success gauge\n"
                                   "probe_success 1\n"));
}

TEST_F(TcpProbeTest, FailsWithoutAServerOrAPort) {
  RawListener listener;
  const std::string address = listener.address();
  listener.close();
  EXPECT_FALSE(probe("{prober: tcp}", address).success);
  EXPECT_FALSE(probe("{prober: tcp}", "127.0.0.1").success);
  EXPECT_FALSE(probe("{prober: tcp}", "127.0.0.1:0").success);
  EXPECT_FALSE(probe("{prober: tcp}", "nowhere.test:80").success);
}

TEST_F(TcpProbeTest, Converses) {
  std::string said;
  {
    ScriptServer server([&said](RawSocket& peer) {
      peer.write("hello\r\n220 mail.test ESMTP v7\r\n");
      said = peer.read_until("\n");
      peer.write("\x01\x02\x03");
      said += peer.read_until("\n");
    });
    const Seen seen = probe(
        "prober: tcp\n"
        "tcp:\n"
        "  query_response:\n"
        "  - expect: '220 (?P<host>\\S+) ESMTP (\\w+)'\n"
        "    send: 'EHLO ${host}'\n"
        "    labels: [{name: server, value: '${1}'}, {name: version, value: 'is $2'}]\n"
        "  - {expect_bytes: \"\\x01\\x02\\x03\", send: QUIT}\n",
        server.address());
    EXPECT_TRUE(seen.success) << seen.log;
    EXPECT_THAT(seen.page,
                HasSubstr("probe_expect_info{server=\"mail.test\",version=\"is v7\"} 1\n"));
  }
  EXPECT_EQ(said, "EHLO mail.test\nQUIT\n");
}

TEST_F(TcpProbeTest, SaysWhetherAnExpressionOrTheServerFailed) {
  const auto check = [this](std::string_view step, std::string_view answer, std::string_view line) {
    ScriptServer server([answer](RawSocket& peer) { peer.write(answer); });
    const Seen seen = probe(fmt::format("{{prober: tcp, tcp: {{query_response: [{{{}}}]}}}}", step),
                            server.address());
    EXPECT_FALSE(seen.success) << step;
    EXPECT_THAT(seen.page, HasSubstr(std::string(line) + "\n")) << step << seen.log;
  };
  check("expect: ^OK", "NO\nNO again\n", "probe_failed_due_to_regex 1");
  check("expect: ^OK", "", "probe_failed_due_to_regex 1");
  check("expect: OK", std::string(100'000, 'x'), "probe_failed_due_to_regex 0");
  check("expect_bytes: abc", "abd", "probe_failed_due_to_bytes 1");
  check("expect_bytes: abc", "ab", "probe_failed_due_to_bytes 0");
  ScriptServer silent([](RawSocket& peer) { peer.read_all(); });
  const Seen seen =
      probe("{prober: tcp, timeout: 30ms, tcp: {query_response: [{expect: x}]}}", silent.address());
  EXPECT_FALSE(seen.success);
  EXPECT_THAT(seen.log, HasSubstr("i/o timeout"));
  EXPECT_THAT(seen.page, HasSubstr("probe_failed_due_to_regex 0\n"));
}

TEST_F(TcpProbeTest, TakesALastLineWithoutAnEnd) {
  ScriptServer server([](RawSocket& peer) { peer.write("one\ntwo OK"); });
  EXPECT_TRUE(
      probe("{prober: tcp, tcp: {query_response: [{expect: OK$}]}}", server.address()).success);
}

TEST_F(TcpProbeTest, StartsTlsAtOnceOrLater) {
  const TestCertificate certificate(::testing::TempDir(), {});
  const std::string tls = fmt::format("tls_config: {{ca_file: {}}}", certificate.cert_file());
  {
    ScriptServer server([&](RawSocket& peer) {
      TlsSocket secure(std::move(peer), certificate);
      secure.write("220 ready\n");
      secure.read_until("\n");
    });
    const Seen seen = probe(
        fmt::format("{{prober: tcp, tcp: {{tls: true, {}, query_response: [{{expect: ^220}}]}}}}",
                    tls),
        fmt::format("localhost:{}", server.port()));
    EXPECT_TRUE(seen.success) << seen.log;
    EXPECT_THAT(seen.page, HasSubstr("probe_tls_version_info{version=\"TLS 1.3\"} 1\n"));
    EXPECT_THAT(seen.page, Not(HasSubstr("probe_tls_cipher_info")));
  }
  ScriptServer server([&](RawSocket& peer) {
    peer.write("220 ready\r\n");
    peer.read_until("\n");
    peer.write("220 go\r\n");
    TlsSocket secure(std::move(peer), certificate);
    if (!secure.is_open()) return;
    secure.write("250 secret\n");
    secure.read_until("QUIT\n");
  });
  const std::string steps =
      "query_response: [{expect: ^220, send: STARTTLS}, {expect: ^220}, {starttls: true}, "
      "{expect: ^250, send: QUIT}]";
  const Seen seen = probe(fmt::format("{{prober: tcp, tcp: {{{}, {}}}}}", tls, steps),
                          fmt::format("localhost:{}", server.port()));
  EXPECT_TRUE(seen.success) << seen.log;
  EXPECT_THAT(seen.page, HasSubstr("probe_ssl_earliest_cert_expiry"));
  const Seen untrusted = probe(fmt::format("{{prober: tcp, tcp: {{{}}}}}", steps),
                               fmt::format("localhost:{}", server.port()));
  EXPECT_FALSE(untrusted.success);
  EXPECT_THAT(untrusted.log, HasSubstr("failed to verify certificate"));
}

TEST_F(TcpProbeTest, DoesNotTakeUnprotectedBytesForProtectedOnes) {
  const TestCertificate certificate(::testing::TempDir(), {});
  ScriptServer server([](RawSocket& peer) { peer.write("220 go\r\n250 injected\r\n"); });
  const Seen seen = probe(
      "{prober: tcp, tcp: {query_response: [{expect: ^220}, {starttls: true}, {expect: ^250}]}}",
      server.address());
  EXPECT_FALSE(seen.success);
}

TEST(HostPortTest, SplitsTargets) {
  const auto check = [](std::string_view target, std::uint16_t fallback, std::string_view want) {
    const StatusOr<HostPort> place = split_host_port(target, fallback);
    EXPECT_EQ(place.ok() ? fmt::format("{} {}", place->host, place->port) : "error", want)
        << target;
  };
  check("host:1", 0, "host 1");
  check("[::1]:53", 0, "::1 53");
  check("::1", 53, "::1 53");
  check("[::1]", 53, "::1 53");
  check("host", 53, "host 53");
  check("host", 0, "error");
  check("host:", 0, "error");
  check("host:x", 53, "error");
  check("host:70000", 53, "error");
  check("[::1", 53, "error");
  check("[::1]x", 53, "error");
  check(":1", 53, "error");
  check("", 53, "error");
}

}  // namespace
}  // namespace tocsin::exporters::app
