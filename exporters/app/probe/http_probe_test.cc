// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "exporters/app/testing/probe_fixture.h"
#include "model/value.h"

namespace tocsin::exporters::app {
namespace {

using net::testing::RawSocket;
using net::testing::TestCertificate;
using net::testing::TlsSocket;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::ScriptServer;

using HttpProbeTest = testing::ProbeTest;

// Answers every request with `response` and closes.
ScriptServer::Script answering(std::string response) {
  return [response = std::move(response)](RawSocket& peer) {
    peer.read_until("\r\n\r\n");
    peer.write(response);
  };
}

constexpr std::string_view kPlain =
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
    "hello";

TEST_F(HttpProbeTest, ShowsTheFamiliesOfBlackboxExporter) {
  ScriptServer server(answering(std::string(kPlain)));
  const StatusOr<ProbeModule> module = parse("{prober: http}");
  ASSERT_TRUE(module.ok()) << module.status();
  ProbeOutcome outcome =
      run_probe(*module, {server.address(), ""}, {clock_, base::real_file_system(), lookup_},
                base::Duration(20'000), {});
  std::string shown;
  tidy_families(&outcome.families);
  for (const base::MetricFamily& family : outcome.families) {
    EXPECT_EQ(family.type, base::MetricType::kGauge);
    shown.append(fmt::format("{} {} {}\n", family.name, family.samples.size(), family.help));
  }
  EXPECT_EQ(
      shown,
      "probe_dns_lookup_time_seconds 1 Returns the time taken for probe dns lookup in seconds\n"
      "probe_duration_seconds 1 Returns how long the probe took to complete in seconds\n"
      "probe_failed_due_to_regex 1 Indicates if probe failed due to regex\n"
      "probe_http_content_length 1 Length of http content response\n"
      "probe_http_duration_seconds 5 Duration of http request by phase, summed over all redirects\n"
      "probe_http_last_modified_timestamp_seconds 1 Returns the Last-Modified HTTP response header "
      "in unixtime\n"
      "probe_http_redirects 1 The number of redirects\n"
      "probe_http_ssl 1 Indicates if SSL was used for the final redirect\n"
      "probe_http_status_code 1 Response HTTP status code\n"
      "probe_http_uncompressed_body_length 1 Length of uncompressed response body\n"
      "probe_http_version 1 Returns the version of HTTP of the probe response\n"
      "probe_ip_addr_hash 1 Specifies the hash of IP address. It's useful to detect if the IP "
      "address changes.\n"
      "probe_ip_protocol 1 Specifies whether probe ip protocol is IP4 or IP6\n"
      "probe_success 1 Displays whether or not the probe was a success\n"
      "probe_timeout_seconds 1 Returns how long the probe timeout is in seconds\n");
}

TEST_F(HttpProbeTest, SaysWhatItSaw) {
  ScriptServer server(answering(std::string(kPlain)));
  const Seen seen = probe("{prober: http}", server.address());
  EXPECT_TRUE(seen.success) << seen.log;
  for (const std::string_view line :
       {"probe_http_content_length 5\n", "probe_http_uncompressed_body_length 5\n",
        "probe_http_status_code 200\n", "probe_http_version 1.1\n", "probe_http_ssl 0\n",
        "probe_http_redirects 0\n", "probe_ip_protocol 4\n", "probe_ip_addr_hash 3.668918509e+09\n",
        "probe_http_last_modified_timestamp_seconds 7.84111777e+08\n", "probe_success 1\n",
        "probe_timeout_seconds 20\n"}) {
    EXPECT_THAT(seen.page, HasSubstr(std::string(line)));
  }
}

TEST_F(HttpProbeTest, JudgesWhatTheModuleAsksFor) {
  const auto check = [this](std::string_view http, std::string response, bool success,
                            std::string_view line) {
    ScriptServer server(answering(std::move(response)));
    const Seen seen = probe(fmt::format("{{prober: http, http: {{{}}}}}", http), server.address());
    EXPECT_EQ(seen.success, success) << http << "\n" << seen.log;
    EXPECT_THAT(seen.page, HasSubstr(std::string(line) + "\n")) << http << "\n" << seen.log;
  };
  const std::string plain(kPlain);
  const std::string empty_404 = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
  constexpr std::string_view kRegex = "probe_failed_due_to_regex 1";
  constexpr std::string_view kNoRegex = "probe_failed_due_to_regex 0";
  check("", empty_404, false, "probe_http_status_code 404");
  check("valid_status_codes: [404, 410]", empty_404, true, kNoRegex);
  check("valid_status_codes: [204]", plain, false, kNoRegex);
  check("valid_http_versions: [HTTP/1.1, HTTP/2.0]", plain, true, "probe_http_version 1.1");
  check("valid_http_versions: [HTTP/1.1]", "HTTP/1.0 200 OK\r\n\r\nold", false,
        "probe_http_version 1");
  check("fail_if_not_ssl: true", plain, false, kNoRegex);
  check("fail_if_ssl: true", plain, true, kNoRegex);
  check("fail_if_body_matches_regexp: ['^hell']", plain, false, kRegex);
  check("fail_if_body_not_matches_regexp: [ell, 'o$']", plain, true, kNoRegex);
  check("fail_if_body_not_matches_regexp: [ell, bye]", plain, false, kRegex);
  // The status decides first: no expression was looked at.
  check("fail_if_body_matches_regexp: ['^$']", empty_404, false, kNoRegex);
  check("fail_if_header_matches: [{header: last-modified, regexp: Sun}]", plain, false, kRegex);
  check("fail_if_header_matches: [{header: X, regexp: y}]", plain, false, kRegex);
  check("fail_if_header_matches: [{header: X, regexp: y, allow_missing: true}]", plain, true,
        kNoRegex);
  check("fail_if_header_not_matches: [{header: Last-Modified, regexp: Mon}]", plain, false, kRegex);
  check("fail_if_header_not_matches: [{header: Last-Modified, regexp: ^Sun}]", plain, true,
        kNoRegex);
  check("body_size_limit: 4B", plain, false, "probe_http_content_length 5");
  check("body_size_limit: 5B", plain, true, "probe_http_uncompressed_body_length 5");
  check("",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
        true, "probe_http_uncompressed_body_length 5");
  check("", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: x\r\n\r\n", true,
        "probe_http_content_length -1");
  check("", "HTTP/1.1 200 OK\r\n\r\nuntil the end", true, "probe_http_uncompressed_body_length 13");
  check("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + plain, true,
        "probe_http_status_code 200");
  check("method: HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n", true,
        "probe_http_content_length 70000");
  // "hello, hello, hello"
  const std::string packed = *base::base64_decode("H4sIAAAAAAACA8tIzcnJ11HIQKIAn6HKCRMAAAA=");
  const std::string gzip_answer =
      fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", packed.size(), packed);
  check("compression: gzip, fail_if_body_not_matches_regexp: ['^hello, h']", gzip_answer, true,
        "probe_http_uncompressed_body_length 19");
  check("compression: gzip", plain, false, "probe_http_status_code 200");
}

TEST_F(HttpProbeTest, FailsOnWhatIsNoHttp) {
  for (const std::string_view answer :
       {"", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 20x OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbroken\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n"}) {
    ScriptServer server(answering(std::string(answer)));
    const Seen seen = probe("{prober: http}", server.address());
    EXPECT_FALSE(seen.success) << answer;
    EXPECT_THAT(seen.page, HasSubstr("probe_http_status_code 0\n")) << answer;
    EXPECT_THAT(seen.page, HasSubstr("probe_http_duration_seconds{phase=\"transfer\"} 0\n"));
  }
  // The head was right: what it said is shown.
  for (const std::string_view body : {"hel", "5\r\nhel"}) {
    ScriptServer server(answering(
        fmt::format("HTTP/1.1 200 OK\r\n{}\r\n\r\n{}",
                    body == "hel" ? "Content-Length: 5" : "Transfer-Encoding: chunked", body)));
    const Seen seen = probe("{prober: http}", server.address());
    EXPECT_FALSE(seen.success) << body;
    EXPECT_THAT(seen.page, HasSubstr("probe_http_status_code 200\n")) << body;
  }
}

TEST_F(HttpProbeTest, GivesUpAtTheDeadline) {
  // Half-open, a head that does not end, a body that does not end: until the probe closes.
  for (const std::string_view part :
       {"", "HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nslow"}) {
    ScriptServer server([part](RawSocket& peer) {
      peer.read_until("\r\n\r\n");
      peer.write(part);
      peer.read_all();
    });
    const Seen seen = probe("{prober: http, timeout: 50ms}", server.address());
    EXPECT_FALSE(seen.success);
    EXPECT_THAT(seen.log, HasSubstr("i/o timeout"));
    EXPECT_THAT(seen.page, HasSubstr("probe_timeout_seconds 0.05\n"));
  }
}

TEST_F(HttpProbeTest, SendsWhatTheModuleSays) {
  const std::string file = ::testing::TempDir() + "probe_password";
  ASSERT_TRUE(base::write_file_atomically(base::real_file_system(), file, "s3cret\n").ok());
  const auto sent = [this](std::string_view http, const std::string& path,
                           std::string hostname = "") {
    std::string request;
    {
      ScriptServer server([&request](RawSocket& peer) {
        request = peer.read_until("\r\n\r\n");
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      });
      const Seen seen = probe(fmt::format("{{prober: http, http: {{{}}}}}", http),
                              ProbeTarget{server.address() + path, hostname});
      EXPECT_TRUE(seen.success) << seen.log;
      const std::size_t host = request.find(server.address());
      if (host != std::string::npos) request.replace(host, server.address().size(), "SERVER");
    }
    return request;
  };
  EXPECT_THAT(sent("", ""), HasSubstr("GET / HTTP/1.1\r\nHost: SERVER\r\nUser-Agent: Tocsin-App-"));
  EXPECT_THAT(sent("", "/a b?c=\xC3\xA9#f"), HasSubstr("GET /a%20b?c=%C3%A9 HTTP/1.1\r\n"));
  EXPECT_THAT(sent("headers: {Host: shop.test, X-A: b}", "/"),
              HasSubstr("Host: shop.test\r\nX-A: b\r\n"));
  EXPECT_THAT(
      sent("http_headers: {X-B: {values: [a, b], secrets: [c], files: [probe_password]}}", "/"),
      HasSubstr("X-B: a\r\nX-B: b\r\nX-B: c\r\nX-B: s3cret\r\n"));
  EXPECT_THAT(sent("", "/", "shop.test"), HasSubstr("Host: shop.test\r\n"));
  EXPECT_THAT(sent("method: POST, body: 'a=1'", "/"), HasSubstr("POST / HTTP/1.1"));
  EXPECT_THAT(sent("method: POST, body: 'a=1'", "/"),
              HasSubstr("Content-Length: 3\r\nConnection: close\r\n\r\na=1"));
  EXPECT_THAT(sent("basic_auth: {username: u, password_file: probe_password}", "/"),
              HasSubstr("Authorization: Basic " + base::base64_encode("u:s3cret") + "\r\n"));
  EXPECT_THAT(sent("bearer_token_file: probe_password", "/"),
              HasSubstr("Authorization: Bearer s3cret\r\n"));
  EXPECT_THAT(sent("authorization: {type: Token, credentials: abc}", "/"),
              HasSubstr("Authorization: Token abc\r\n"));
  EXPECT_THAT(sent("compression: identity", "/"), HasSubstr("Accept-Encoding: identity\r\n"));
}

TEST_F(HttpProbeTest, FollowsRedirectsAndKeepsCookiesAndSecretsWhereTheyBelong) {
  std::vector<std::string> requests;
  std::string port;
  ScriptServer server([&](RawSocket& peer) {
    requests.push_back(peer.read_until("\r\n\r\n"));
    const std::string& request = requests.back();
    if (request.starts_with("POST /start")) {
      peer.write(
          "HTTP/1.1 302 Found\r\nSet-Cookie: sid=1; Path=/\r\nLocation: ../next?x=1\r\n\r\n");
    } else if (request.starts_with("GET /next?x=1")) {
      peer.write(
          fmt::format("HTTP/1.1 301 Moved\r\nLocation: http://other.test:{}/end\r\n\r\n", port));
    } else {
      peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  });
  port = std::to_string(server.port());
  const Seen seen = probe(
      "{prober: http, http: {method: POST, body: x, bearer_token: t, headers: {Cookie: own=1}, "
      "http_headers: {X-Open: {values: [o]}, X-Key: {secrets: [k]}}}}",
      fmt::format("http://first.test:{}/start", port));
  EXPECT_TRUE(seen.success) << seen.log;
  EXPECT_THAT(seen.page, HasSubstr("probe_http_redirects 2\n"));
  EXPECT_THAT(seen.page, HasSubstr("probe_http_status_code 200\n"));
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_THAT(requests[1], HasSubstr("Cookie: sid=1\r\n"));
  EXPECT_THAT(requests[1], HasSubstr("Authorization: Bearer t\r\n"));
  EXPECT_THAT(requests[1], Not(HasSubstr("Content-Length")));
  EXPECT_THAT(requests[2], HasSubstr("GET /end HTTP/1.1\r\nHost: other.test:" + port));
  EXPECT_THAT(requests[2], Not(HasSubstr("Authorization")));
  EXPECT_THAT(requests[2], Not(HasSubstr("Cookie")));
  EXPECT_THAT(requests[1], HasSubstr("X-Open: o\r\nX-Key: k\r\n"));
  EXPECT_THAT(requests[2], HasSubstr("X-Open: o\r\n"));
  EXPECT_THAT(requests[2], Not(HasSubstr("X-Key")));
}

TEST_F(HttpProbeTest, FailsWithoutTheFileOfAHeaderOrWithBytesThatSplitIt) {
  ScriptServer server(answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  const auto log_of = [&](std::string_view file) {
    const Seen seen = probe(
        fmt::format("{{prober: http, http: {{http_headers: {{X-Key: {{files: [{}]}}}}}}}}", file),
        server.address());
    EXPECT_FALSE(seen.success) << file;
    return seen.log;
  };
  EXPECT_THAT(log_of("probe_absent"), HasSubstr("probe_absent"));
  const std::string split = ::testing::TempDir() + "probe_split";
  ASSERT_TRUE(base::write_file_atomically(base::real_file_system(), split, "a\nX: b\n").ok());
  EXPECT_THAT(log_of("probe_split"), HasSubstr("bad bytes in the value of header X-Key"));
}

TEST_F(HttpProbeTest, EndsALoopOfRedirects) {
  ScriptServer server(answering("HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"));
  const Seen seen = probe("{prober: http}", server.address());
  EXPECT_FALSE(seen.success);
  EXPECT_THAT(seen.page, HasSubstr("probe_http_redirects 11\n"));
  EXPECT_THAT(seen.page, HasSubstr("probe_http_status_code 302\n"));
  const Seen once =
      probe("{prober: http, http: {follow_redirects: false, valid_status_codes: [302]}}",
            server.address());
  EXPECT_TRUE(once.success);
  EXPECT_THAT(once.page, HasSubstr("probe_http_redirects 1\n"));
  EXPECT_EQ(server.connections(), 12);
}

TEST_F(HttpProbeTest, ARedirectCannotLeaveTheAllowedTargets) {
  ScriptServer server(answering("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n"));
  const Seen seen = probe(
      "{prober: http}", ProbeTarget{server.address(), ""},
      {.may_visit = [](const std::string& host, std::uint16_t) { return host == "127.0.0.1"; }});
  EXPECT_FALSE(seen.success);
  EXPECT_THAT(seen.log, HasSubstr("not in probe_targets_allow"));
  EXPECT_THAT(seen.page, HasSubstr("probe_http_status_code 302\n"));
}

TEST_F(HttpProbeTest, RefusesOtherSchemesAndBytesThatSplitARequest) {
  ScriptServer server(answering("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n"));
  EXPECT_FALSE(probe("{prober: http}", server.address()).success);
  EXPECT_FALSE(probe("{prober: http}", "http://a%0d%0aX:y@b%0d%0ac/").success);
  EXPECT_FALSE(probe("{prober: http}", "http://nowhere.test/").success);
  EXPECT_THAT(probe("{prober: http}", "http://nowhere.test/").page,
              HasSubstr("probe_ip_protocol 0\n"));
}

TEST_F(HttpProbeTest, ChecksCertificatesAndShowsThem) {
  const TestCertificate good(::testing::TempDir(), {});
  const TestCertificate wrong(::testing::TempDir(),
                              {.common_name = "elsewhere", .alternative_names = "DNS:elsewhere"});
  const TestCertificate ended(::testing::TempDir(), {.days = -1});
  const auto check = [this](const TestCertificate& shown, std::string_view tls,
                            std::string_view host, bool success) {
    ScriptServer server([&shown](RawSocket& peer) {
      TlsSocket tls_peer(std::move(peer), shown);
      if (!tls_peer.is_open()) return;
      tls_peer.read_until("\r\n\r\n");
      tls_peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    const Seen seen = probe(
        fmt::format("{{prober: http, http: {{fail_if_not_ssl: true, tls_config: {{{}}}}}}}", tls),
        fmt::format("https://{}:{}/", host, server.port()));
    EXPECT_EQ(seen.success, success) << tls << "\n" << seen.log;
    return seen.page;
  };
  const auto trusting = [](const TestCertificate& certificate, std::string_view more = "") {
    return fmt::format("ca_file: {}{}", certificate.cert_file(), more);
  };
  const std::string page = check(good, trusting(good), "localhost", true);
  const std::string end = model::format_float_g(static_cast<double>(good.not_after()));
  EXPECT_THAT(page, HasSubstr("probe_ssl_earliest_cert_expiry " + end + "\n"));
  EXPECT_THAT(page, HasSubstr("probe_ssl_last_chain_expiry_timestamp_seconds " + end + "\n"));
  EXPECT_THAT(page, HasSubstr("issuer=\"CN=localhost,O=Tocsin\""));
  EXPECT_THAT(page, HasSubstr("subjectalternative=\"localhost\""));
  EXPECT_THAT(page, HasSubstr("probe_tls_version_info{version=\"TLS 1.3\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("probe_tls_cipher_info{cipher=\"TLS_"));
  EXPECT_THAT(page, HasSubstr("probe_http_ssl 1\n"));
  check(good, trusting(good), "127.0.0.1", true);
  check(good, "", "localhost", false);
  check(wrong, trusting(wrong), "localhost", false);
  check(wrong, trusting(wrong, ", server_name: elsewhere"), "localhost", true);
  EXPECT_THAT(check(ended, trusting(ended), "localhost", false),
              HasSubstr("probe_http_status_code 0\n"));
  const std::string unchecked = check(ended, "insecure_skip_verify: true", "localhost", true);
  EXPECT_THAT(unchecked,
              HasSubstr("probe_ssl_last_chain_expiry_timestamp_seconds -6.21355968e+10"));
  EXPECT_THAT(check(good, trusting(good, ", max_version: TLS12"), "localhost", true),
              HasSubstr("probe_tls_version_info{version=\"TLS 1.2\"} 1\n"));
}

TEST(HttpText, ResolvesReferences) {
  const auto check = [](std::string_view base, std::string_view location, std::string_view want) {
    const StatusOr<net::Url> url = resolve_reference(*net::Url::parse(base), location);
    ASSERT_TRUE(url.ok()) << location << url.status();
    EXPECT_EQ(url->to_string(), want) << base << " " << location;
  };
  check("http://h:81/a/b?q", "c", "http://h:81/a/c");
  check("http://h/a/b?q", "/c?d", "http://h/c?d");
  check("http://h/a/b?q", "?d", "http://h/a/b?d");
  check("http://h/a/b/", "../../../c/./d/..", "http://h/c/");
  check("https://h/a", "//other:8/b", "https://other:8/b");
  check("http://h/a", "HTTPS://Other/b", "https://Other/b");
  check("http://h", "x:y", "http://h/x:y");
}

}  // namespace
}  // namespace tocsin::exporters::app
