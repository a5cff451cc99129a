// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe/module.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/mem_fs.h"

namespace tocsin::exporters::app {
namespace {

using ::testing::HasSubstr;

class ProbeModuleTest : public ::testing::Test {
 protected:
  StatusOr<ProbeModule> parse(std::string_view text) {
    ASSIGN_OR_RETURN(const base::YamlNode node, base::parse_yaml(text, "m.yml"));
    return parse_probe_module(node, "/etc/x", clients_);
  }
  const std::unique_ptr<base::FileSystem> files_ = base::testing::make_mem_fs();
  TlsClients clients_{*files_};
};

TEST_F(ProbeModuleTest, TakesTheExamplesOfBlackboxExporter) {
  for (const std::string_view text :
       {"prober: http", "{prober: http, http: {method: POST}}", "prober: tcp",
        "{prober: tcp, tcp: {query_response: [{expect: '^+OK'}], tls: true, "
        "tls_config: {insecure_skip_verify: false}}}",
        "{prober: tcp, tcp: {query_response: [{expect: '^SSH-2.0-'}, {send: 'SSH-2.0-x'}]}}",
        "{prober: icmp, timeout: 5s, icmp: {preferred_ip_protocol: ip4, ttl: 5}}",
        "{prober: dns, dns: {preferred_ip_protocol: ip4, query_name: www.prometheus.io, "
        "query_type: A, valid_rcodes: [NOERROR], validate_answer_rrs: "
        "{fail_if_matches_regexp: ['.*127.0.0.1'], fail_if_all_match_regexp: ['.*127.0.0.1']}}}",
        "{prober: http, timeout: 5s, http: {valid_http_versions: [HTTP/1.1, HTTP/2.0], "
        "no_follow_redirects: false, fail_if_ssl: false, fail_if_not_ssl: false, "
        "headers: {Host: vhost.example.com, Accept-Language: en-US, Origin: example.com}, "
        "fail_if_header_matches: [{header: Set-Cookie, allow_missing: true, regexp: '.*'}], "
        "tls_config: {insecure_skip_verify: false}, preferred_ip_protocol: ip4, "
        "ip_protocol_fallback: false, enable_http2: false}}",
        "prober: websocket"}) {
    EXPECT_TRUE(parse(text).ok()) << text << parse(text).status();
  }
}

TEST_F(ProbeModuleTest, HasUpstreamsDefaults) {
  const auto module = parse("prober: http");
  ASSERT_TRUE(module.ok());
  const auto& http = std::get<HttpModule>(module->what);
  EXPECT_TRUE(http.ip.prefers_ip6 && http.ip.has_fallback && http.follow_redirects);
  EXPECT_EQ(http.method, "GET");
  ASSERT_NE(http.tls.client, nullptr);
  const auto dns = parse("{prober: dns, dns: {query_name: a}}");
  ASSERT_TRUE(dns.ok());
  EXPECT_EQ(std::get<DnsModule>(dns->what).query_type, 255);
}

TEST_F(ProbeModuleTest, EqualTlsOptionsShareTheirCertificates) {
  const auto client = [this](std::string_view tls) {
    const auto module = parse(fmt::format("{{prober: tcp, tcp: {{tls_config: {{{}}}}}}}", tls));
    EXPECT_TRUE(module.ok()) << module.status();
    return std::get<TcpModule>(module->what).tls.client;
  };
  EXPECT_EQ(client(""), client("server_name: x"));
  EXPECT_NE(client(""), client("insecure_skip_verify: true"));
  EXPECT_NE(client("min_version: TLS13"), client("max_version: TLS13"));
}

TEST_F(ProbeModuleTest, RefusesWithFileLineAndKey) {
  const auto check = [this](std::string_view text, std::string_view error) {
    EXPECT_THAT(std::string(message(parse(text).status())), HasSubstr(std::string(error))) << text;
  };
  check("prober: htpt", "prober 'htpt' is not valid");
  check("{}", "prober '' is not valid");
  check("prober: http\nhttp:\n  valid_status: [200]\n",
        "m.yml:3:3: field valid_status not found in http");
  check("{prober: http, tcp: {nonsense: 1}}", "field nonsense not found");
  check("{prober: http, http: {fail_if_body_matches_regexp: [':[']}}", "error parsing regexp");
  check("{prober: http, http: {body: a, body_file: b}}", "body and body_file");
  check("{prober: http, http: {compression: gzip, headers: {accept-encoding: br}}}",
        "invalid configuration");
  check("{prober: http, http: {fail_if_header_matches: [{regexp: x}]}}", "header name must be set");
  check("{prober: http, http: {headers: {X: \"a\\nb\"}}}", "bad value of header X");
  check("{prober: http, http: {headers: {Content-Length: 5}}}", "cannot be chosen");
  check("{prober: http, http: {http_headers: {X: y}}}", "expected a mapping");
  check("{prober: http, http: {http_headers: {X: {values: [\"a\\nb\"]}}}}",
        "bad value of header X");
  check("{prober: http, http: {http_headers: {'X Y': {values: [a]}}}}", "is no header name");
  check("{prober: http, http: {http_headers: {authorization: {values: [a]}}}}",
        "setting header \"Authorization\" is not allowed");
  check("{prober: http, http: {basic_auth: {username: u}, bearer_token: t}}", "at most one of");
  check("{prober: http, http: {tls_config: {min_version: SSL3}}}", "unknown TLS version");
  check("{prober: http, http: {preferred_ip_protocol: ip5}}", "is none of");
  check("{prober: http, timeout: 0s}", "must be more than 0");
  check("{prober: icmp, icmp: {ttl: 256}}", "\"ttl\" cannot exceed 255");
  check("{prober: icmp, icmp: {ttl: -1}}", "\"ttl\" cannot be negative");
  check("{prober: dns, dns: {query_type: A}}", "query name must be set for DNS module");
  check("prober: dns", "query name must be set for DNS module");
  check("{prober: dns, dns: {query_name: a, query_type: X}}", "query type 'X' is not valid");
  check("{prober: dns, dns: {query_name: a, query_class: X}}", "query class 'X' is not valid");
  check("{prober: dns, dns: {query_name: a..b}}", "no DNS name");
  check("{prober: dns, dns: {query_name: a, dns_over_tls: true}}", "needs transport_protocol tcp");
  check("{prober: tcp, tcp: {query_response: [{expect: a, expect_bytes: b}]}}",
        "mutually exclusive");
  check("{prober: tcp, tcp: {tls: true, query_response: [{starttls: true}]}}", "only once");
  check("{prober: tcp, tcp: {source_ip_address: here}}", "not an IP address");
  check("{prober: websocket, websocket: {query_response: [{starttls: true}]}}",
        "only expect and send");
}

TEST_F(ProbeModuleTest, NamesWhatIsNotBuilt) {
  for (const std::string_view text :
       {"{prober: grpc}", "{prober: unix}", "{prober: http, grpc: {}}",
        "{prober: http, http: {proxy_url: x}}", "{prober: http, http: {oauth2: {}}}",
        "{prober: http, http: {enable_http2: true}}", "{prober: http, http: {enable_http3: true}}",
        "{prober: http, http: {compression: br}}",
        "{prober: http, http: {fail_if_body_json_matches_cel: x}}"}) {
    const Status status = parse(text).status();
    EXPECT_EQ(status.code(), StatusCode::kUnimplemented) << text;
    EXPECT_THAT(std::string(message(status)), HasSubstr("not supported yet: ")) << text;
  }
}

}  // namespace
}  // namespace tocsin::exporters::app
