// SPDX-License-Identifier: Apache-2.0
//
// --web.config.file with TLS, as somebody with the command openssl sets it up.
#include <csignal>

#include <gtest/gtest.h>

#include "net/stream.h"
#include "net/testing/raw_socket.h"
#include "tests/support/http.h"
#include "tests/support/process.h"

namespace tocsin::tests {
namespace {

using net::testing::RawHttp;

class WebTls : public ::testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    run_openssl({"req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
                 "/CN=authority", "-keyout", files_.file("ca.key"), "-out", files_.file("ca.crt")});
    issue("server", "IP:127.0.0.1");
  }

  static void run_openssl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "openssl");
    const Finished made = run(std::move(arguments));
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }
  // Writes NAME.crt, signed by the authority, and NAME.key, each in one step.
  void issue(const std::string& name, const std::string& names) {
    run_openssl({"req",
                 "-x509",
                 "-CA",
                 files_.file("ca.crt"),
                 "-CAkey",
                 files_.file("ca.key"),
                 "-newkey",
                 "ec",
                 "-pkeyopt",
                 "ec_paramgen_curve:P-256",
                 "-nodes",
                 "-days",
                 "1",
                 "-subj",
                 "/CN=" + name,
                 "-addext",
                 "basicConstraints=critical,CA:FALSE",
                 "-addext",
                 "subjectAltName=" + names,
                 "-keyout",
                 files_.file("new.key"),
                 "-out",
                 files_.file("new.crt")});
    base::FileSystem& files = base::real_file_system();
    ASSERT_EQ(files.rename(files_.file("new.key"), files_.file(name + ".key")), ok());
    ASSERT_EQ(files.rename(files_.file("new.crt"), files_.file(name + ".crt")), ok());
  }
  void write_config(std::string_view text) {
    ASSERT_EQ(base::write_file_atomically(base::real_file_system(), files_.file("web.yml"), text),
              ok());
  }
  void start(const std::string& program, std::vector<std::string> more = {}) {
    std::vector<std::string> command = {built_program(program), "--web.listen-address=127.0.0.1:0",
                                        "--web.config.file=" + files_.file("web.yml")};
    command.insert(command.end(), more.begin(), more.end());
    exporter_ = std::make_unique<Process>(std::move(command));
    address_ = log_field(exporter_->wait_for_line({"listening", "address="}), "address");
  }
  bool has_openssl() const {
    return read_file(fmt::format("/proc/{}/maps", exporter_->pid())).find("libssl") !=
           std::string::npos;
  }
  net::StreamTlsOptions trusting() const { return {.ca_file = files_.file("ca.crt")}; }
  net::StreamTlsOptions as(const std::string& name) const {
    return {.ca_file = files_.file("ca.crt"),
            .cert_file = files_.file(name + ".crt"),
            .key_file = files_.file(name + ".key")};
  }
  StatusOr<std::string> exchange(const net::StreamTlsOptions& options, std::string_view target,
                                 std::string_view headers = "") {
    const base::SteadyTime deadline = clock_.steady_now() + kPatience;
    const auto port =
        static_cast<std::uint16_t>(std::stoi(address_.substr(address_.rfind(':') + 1)));
    ASSIGN_OR_RETURN(const auto addresses, lookup_.find("127.0.0.1", port, deadline));
    ASSIGN_OR_RETURN(auto stream, net::Stream::connect(addresses, clock_, deadline));
    net::TlsClient tls(base::real_file_system(), options);
    RETURN_IF_ERROR(stream->start_tls(tls, "127.0.0.1", deadline));
    ASSIGN_OR_RETURN(const net::TlsPeer peer, stream->tls_peer());
    peer_ = peer;
    RETURN_IF_ERROR(stream->write(
        fmt::format("GET {} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{}\r\n", target, headers),
        deadline));
    std::string out;
    std::vector<char> piece(64 << 10);
    for (;;) {
      ASSIGN_OR_RETURN(const std::size_t got, stream->read(piece.data(), piece.size(), deadline));
      if (got == 0) return out;
      out.append(piece.data(), got);
    }
  }
  // The status of the answer; or the error.
  std::string get(const net::StreamTlsOptions& options, std::string_view headers = "") {
    const StatusOr<std::string> answer = exchange(options, "/metrics", headers);
    return answer.ok() ? answer->substr(9, 3) : std::string(message(answer.status()));
  }

  TempDir files_;
  base::SystemClock clock_;
  net::HostLookup lookup_;
  std::unique_ptr<Process> exporter_;
  std::string address_;
  net::TlsPeer peer_;
};

constexpr std::string_view kServer =
    "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

TEST_F(WebTls, ThePageIsServedOverTlsOnly) {
  write_config(kServer);
  start("tocsin-node-exporter");
  const StatusOr<std::string> page = exchange(trusting(), "/metrics");
  ASSERT_EQ(page.status(), ok());
  EXPECT_NE(page->find("\nnode_cpu_seconds_total{"), std::string::npos);
  EXPECT_TRUE(has_openssl());
  RawHttp plain(address_);
  const auto reply = plain.get("/metrics");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.body, "Client sent an HTTP request to an HTTPS server.\n");
  EXPECT_EQ(exporter_->terminate(), 0);
}

TEST_F(WebTls, ServersWithoutItDoNotLoadOpenSsl) {
  write_config("http_server_config: {headers: {X-Frame-Options: deny}}\n");
  start("tocsin-node-exporter");
  EXPECT_EQ(RawHttp(address_).get("/metrics").status, 200);
  EXPECT_FALSE(has_openssl());
}

TEST_F(WebTls, EveryExporterServesIt) {
  write_config(kServer);
  start("tocsin-redis-exporter");
  EXPECT_EQ(get(trusting()), "200");
  ASSERT_EQ(base::write_file_atomically(base::real_file_system(), files_.file("app.yml"), ""),
            ok());
  start("tocsin-app-exporter", {"--config.file=" + files_.file("app.yml")});
  EXPECT_EQ(get(trusting()), "200");
}

TEST_F(WebTls, ClientsShowCertificatesAndPasswords) {
  issue("friend", "DNS:friend.test");
  issue("stranger", "DNS:stranger.test");
  // bcrypt of "secret" with the smallest cost.
  write_config(fmt::format(
      "{}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"
      "  client_allowed_sans: [friend.test]\n"
      "basic_auth_users: {{alice: $2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW}}\n",
      kServer));
  start("tocsin-node-exporter");
  constexpr std::string_view kAlice = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";
  EXPECT_EQ(get(as("friend"), kAlice), "200");
  EXPECT_EQ(get(as("friend")), "401");
  EXPECT_EQ(get(trusting(), kAlice), "read: tlsv13 alert certificate required");
  EXPECT_NE(get(as("stranger"), kAlice), "200");
  write_config(fmt::format(
      "{}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.crt\n", kServer));
  EXPECT_EQ(get(as("stranger")), "200") << "without a restart";
  EXPECT_EQ(get(trusting()), "200");
}

TEST_F(WebTls, AWrongVersionIsRefused) {
  write_config(fmt::format("{}  min_version: TLS13\n", kServer));
  start("tocsin-node-exporter");
  net::StreamTlsOptions old = trusting();
  old.max_version = "TLS12";
  EXPECT_EQ(get(old), "tls: tlsv1 alert protocol version");
  EXPECT_EQ(get(trusting()), "200");
  EXPECT_EQ(peer_.version, "TLS 1.3");
}

TEST_F(WebTls, AReplacedCertificateIsShownToTheNextClient) {
  write_config(kServer);
  start("tocsin-node-exporter");
  ASSERT_EQ(get(trusting()), "200");
  const std::string before = peer_.fingerprint_sha256;
  issue("server", "IP:127.0.0.1,DNS:new.test");
  ASSERT_EQ(get(trusting()), "200");
  EXPECT_NE(peer_.fingerprint_sha256, before);
  EXPECT_EQ(peer_.dns_names, "new.test");
}

TEST_F(WebTls, WhatCannotBeUsedEndsTheStart) {
  const auto refused = [&](std::string_view text) {
    write_config(text);
    Process exporter({built_program("tocsin-node-exporter"), "--web.listen-address=127.0.0.1:0",
                      "--web.config.file=" + files_.file("web.yml")});
    EXPECT_EQ(exporter.wait(), 1);
    return exporter.standard_error();
  };
  EXPECT_NE(refused("tls_server_config:\n  cert_file: server.crt\n").find("web.yml:2:3: "),
            std::string::npos);
  EXPECT_NE(
      refused("tls_server_config: {cert_file: none.crt, key_file: server.key}\n").find("none.crt"),
      std::string::npos);
}

}  // namespace
}  // namespace tocsin::tests
