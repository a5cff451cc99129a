// SPDX-License-Identifier: Apache-2.0
#include "exporters/common/web_config.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/testing/fake_clock.h"
#include "base/testing/mem_fs.h"
#include "exporters/common/web.h"

namespace tocsin::exporters {
namespace {

// bcrypt of "secret" with the smallest cost.
constexpr std::string_view kHash = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

TEST(WebConfigTest, ReadsUsersAndHeaders) {
  const StatusOr<WebConfig> config = WebConfig::parse(
      fmt::format("basic_auth_users:\n  alice: {}\nhttp_server_config:\n  http2: false\n  "
                  "headers:\n    X-Frame-Options: deny\n    Content-Security-Policy: "
                  "default-src 'self'\n",
                  kHash),
      "web.yml");
  ASSERT_EQ(config.status(), ok());
  EXPECT_EQ(config->users.at("alice"), kHash);
  EXPECT_EQ(config->headers.size(), 2U);
  EXPECT_TRUE(WebConfig::parse("", "web.yml")->users.empty());
}

TEST(WebConfigTest, RefusesWhatItCannotDo) {
  const auto check = [](std::string_view text, std::string_view expected) {
    const StatusOr<WebConfig> config = WebConfig::parse(text, "web.yml");
    ASSERT_FALSE(config.ok()) << text;
    EXPECT_NE(message(config.status()).find(expected), std::string::npos)
        << message(config.status());
  };
  check("tls_server_config:\n  cert_file: a\n",
        "web.yml:2:3: tls_server_config: missing one of key");
  check("tls_server_config: {min_version: TLS13}\n", "missing one of cert or cert_file");
  check("tls_server_config: {cert_file: a, cert: b, key: c}\n", "only one of cert and cert_file");
  check("tls_server_config: {cert_file: a, key_file: b, client_ca: c, client_ca_file: d}\n",
        "only one of client_ca and client_ca_file");
  check("tls_server_config:\n  cert_file: a\n  key_file: b\n  min_version: SSL3\n",
        "web.yml:4:16: tls_server_config.min_version: unknown TLS version: SSL3");
  check("tls_server_config: {cert_file: a, key_file: b, min_version: TLS13, max_version: TLS12}\n",
        "max_version: below min_version");
  check("tls_server_config: {cert_file: a, key_file: b, cipher_suites: [RC4]}\n",
        "unknown cipher: RC4");
  check("tls_server_config: {cert_file: a, key_file: b, curve_preferences: [P256]}\n",
        "unknown curve: P256");
  check("tls_server_config: {cert_file: a, key_file: b, curve_preferences: [X25519MLKEM768]}\n",
        "not supported yet: X25519MLKEM768");
  check("tls_server_config: {cert_file: a, key_file: b, client_auth_type: Maybe}\n",
        "Invalid ClientAuth: Maybe");
  check("tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}\n",
        "Client CA's have been configured without a Client Auth Policy");
  check("tls_server_config: {cert_files: a}\n", "field cert_files not found");
  check("rate_limit: {interval: 1s}\n", "expected at least 1");
  check("rate_limit: {interval: soon, burst: 1}\n", "web.yml:1:24: ");
  check("rate_limit: {rate: 1}\n", "field rate not found");
  check("basic_auth_users:\n  bob: plain\n", "web.yml:2:8: basic_auth_users.bob: not a bcrypt");
  check("basic_auth_user: {}\n", "field basic_auth_user not found");
  check("http_server_config:\n  headers:\n    Server: x\n",
        "HTTP header \"Server\" can not be configured");
  check("http_server_config:\n  headers:\n    X-Frame-Options: maybe\n",
        "invalid value for X-Frame-Options");
}

TEST(WebConfigTest, ReadsTls) {
  const StatusOr<WebConfig> config = WebConfig::parse(
      "tls_server_config:\n"
      "  cert_file: server.crt\n"
      "  key_file: /keys/server.key\n"
      "  client_ca_file: ca/clients.crt\n"
      "  client_auth_type: RequireAndVerifyClientCert\n"
      "  client_allowed_sans: [a.test, 10.0.0.1]\n"
      "  min_version: TLS11\n"
      "  max_version: TLS13\n"
      "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]\n"
      "  curve_preferences: [X25519, CurveP256]\n"
      "  prefer_server_cipher_suites: false\n",
      "/etc/tocsin/web.yml");
  ASSERT_EQ(config.status(), ok());
  EXPECT_EQ(config->tls,
            (net::TlsServerOptions{.cert_file = "/etc/tocsin/server.crt",
                                   .key_file = "/keys/server.key",
                                   .client_ca_file = "/etc/tocsin/ca/clients.crt",
                                   .client_auth = net::ClientAuth::kRequireAndVerify,
                                   .client_allowed_sans = {"a.test", "10.0.0.1"},
                                   .min_version = "TLS11",
                                   .max_version = "TLS13",
                                   .cipher_suites = {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                                                     "TLS_AES_128_GCM_SHA256"},
                                   .curves = {"X25519", "P-256"},
                                   .prefer_server_ciphers = false}));
  EXPECT_EQ(WebConfig::parse("tls_server_config: {cert: a, key: b}\n", "web.yml")->tls,
            (net::TlsServerOptions{.cert = "a", .key = "b"}));
  EXPECT_EQ(WebConfig::parse("tls_server_config: {}\n", "web.yml")->tls, std::nullopt);
  const auto auth = [](std::string_view type) {
    return WebConfig::parse(
               fmt::format("tls_server_config: {{cert: a, key: b, client_auth_type: {}}}", type),
               "web.yml")
        ->tls->client_auth;
  };
  EXPECT_EQ(auth("NoClientCert"), net::ClientAuth::kNone);
  EXPECT_EQ(auth("RequestClientCert"), net::ClientAuth::kRequest);
  EXPECT_EQ(auth("RequireAnyClientCert"), net::ClientAuth::kRequireAny);
  EXPECT_EQ(auth("RequireClientCert"), net::ClientAuth::kRequireAny);
  EXPECT_EQ(auth("VerifyClientCertIfGiven"), net::ClientAuth::kVerifyIfGiven);
}

TEST(SystemdSocketsTest, BelongToTheProcessThatIsNamed) {
  const auto sockets = [](const char* pid, const char* count) {
    return systemd_sockets(
        [=](const char* name) { return std::string_view(name) == "LISTEN_PID" ? pid : count; }, 42);
  };
  EXPECT_EQ(*sockets("42", "2"), (std::vector<int>{3, 4}));
  for (const auto& [pid, count] :
       std::vector<std::pair<const char*, const char*>>{{nullptr, nullptr},
                                                        {"42", nullptr},
                                                        {"42", "0"},
                                                        {"42", "-1"},
                                                        {"42", "2x"},
                                                        {"41", "2"},
                                                        {"", "2"},
                                                        {"42", "99999"}}) {
    EXPECT_EQ(sockets(pid, count).status(),
              invalid_argument("no socket activation file descriptors found"));
  }
}

class WebGuardTest : public ::testing::Test {
 protected:
  void write(std::string_view text) {
    auto file = files_->open_writable("/web.yml", base::FileSystem::OpenMode::kTruncate);
    ASSERT_EQ(file.status(), ok());
    ASSERT_EQ((*file)->append(text), ok());
  }
  int status(std::string_view credentials) {
    net::HttpRequest request;
    if (!credentials.empty()) {
      request.headers.set("Authorization", "Basic " + base::base64_encode(credentials));
    }
    response_ = guard_->serve(
        [](const net::HttpRequest&) { return net::HttpResponse::text(200, "page"); }, request);
    return response_.status;
  }

  base::testing::FakeClock clock_;
  std::unique_ptr<base::FileSystem> files_ = base::testing::make_mem_fs();
  std::unique_ptr<WebGuard> guard_;
  net::HttpResponse response_;
};

TEST_F(WebGuardTest, AsksForAPassword) {
  write(fmt::format("basic_auth_users: {{alice: {}}}\n", kHash));
  guard_ = *WebGuard::open(*files_, "/web.yml", clock_);
  EXPECT_EQ(status("alice:secret"), 200);
  EXPECT_EQ(response_.body, "page");
  EXPECT_EQ(status("alice:secret"), 200) << "from the cache";
  for (const std::string_view bad : {"", "alice:", "alice:Secret", "bob:secret", "alice"}) {
    EXPECT_EQ(status(bad), 401) << bad;
    EXPECT_EQ(response_.headers.get("WWW-Authenticate"), "Basic");
    EXPECT_EQ(response_.body, "Unauthorized\n");
  }
}

TEST_F(WebGuardTest, ReadsTheFileForEveryRequest) {
  RecordProperty("expects_error_lines", 1);
  write("");
  guard_ = *WebGuard::open(*files_, "/web.yml", clock_);
  EXPECT_EQ(status(""), 200);
  write(fmt::format("basic_auth_users: {{alice: {}}}\n", kHash));
  EXPECT_EQ(status(""), 401);
  EXPECT_EQ(status("alice:secret"), 200);
  write("http_server_config: {headers: {X-Frame-Options: deny}}\n");
  EXPECT_EQ(status(""), 200);
  EXPECT_EQ(response_.headers.get("X-Frame-Options"), "deny");
  write("nonsense: true\n");
  EXPECT_EQ(status(""), 500) << "a bad file opens nothing";
  ASSERT_EQ(files_->remove("/web.yml"), ok());
  EXPECT_EQ(status(""), 500);
}

TEST_F(WebGuardTest, LimitsTheRateOfRequests) {
  write("rate_limit: {interval: 2s, burst: 3}\n");
  guard_ = *WebGuard::open(*files_, "/web.yml", clock_);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(status(""), 200) << i;
  EXPECT_EQ(status(""), 429);
  EXPECT_EQ(response_.body, "Too Many Requests\n");
  clock_.advance(base::Duration(1'999));
  EXPECT_EQ(status(""), 429);
  clock_.advance(base::Duration(1));
  EXPECT_EQ(status(""), 200);
  EXPECT_EQ(status(""), 429);
  clock_.advance(base::Duration(3'600'000));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(status(""), 200) << "no more than the burst: " << i;
  EXPECT_EQ(status(""), 429);
  write("rate_limit: {interval: 0, burst: 3}\n");
  for (int i = 0; i < 9; ++i) EXPECT_EQ(status(""), 200) << "off";
}

TEST_F(WebGuardTest, TellsWhatTlsUsesNow) {
  write("tls_server_config: {cert: a, key: b}\n");
  guard_ = *WebGuard::open(*files_, "/web.yml", clock_);
  EXPECT_EQ(guard_->tls()->cert, "a");
  write("tls_server_config: {cert: c, key: b}\n");
  EXPECT_EQ(guard_->tls()->cert, "c");
  write("");
  EXPECT_EQ(guard_->tls().status(), failed_precondition("/web.yml: tls_server_config is gone"));
  write("nonsense: true\n");
  EXPECT_FALSE(guard_->tls().ok());
}

TEST_F(WebGuardTest, DoesNotStartWithABadFile) {
  EXPECT_FALSE(WebGuard::open(*files_, "/missing.yml", clock_).ok());
  write("tls_server_config: {cert: a, key: b, curve_preferences: [X25519MLKEM768]}\n");
  EXPECT_EQ(WebGuard::open(*files_, "/web.yml", clock_).status().code(),
            StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace tocsin::exporters
