// SPDX-License-Identifier: Apache-2.0
//
// ProbeModule: one entry of `modules`, in the syntax of blackbox_exporter's CONFIGURATION.md.
//
// What the exporter cannot do is refused by name ("not supported yet: proxy_url"), never ignored.
//
// A value; shared, read-only. The TlsClient in it is shared and reads its files when first used.
// Errors: kInvalidArgument with file:line:column, kUnimplemented.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "base/yaml.h"
#include "exporters/app/fields.h"
#include "exporters/app/probe/http_text.h"
#include "model/matcher.h"
#include "net/stream.h"

namespace tocsin::exporters::app {

// Which address of a host is asked.
struct IpChoice {
  bool prefers_ip6 = true;
  bool has_fallback = true;  // to the other protocol
  std::optional<net::SocketAddress> source;
};

struct TlsChoice {
  std::shared_ptr<net::TlsClient> client;  // never null
  std::string server_name;                 // "": the host of the target
};

struct HeaderMatch {
  std::string header;
  model::Regex regex;
  bool allow_missing = false;
};

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct HttpModule {
  IpChoice ip;
  TlsChoice tls;
  HttpLogin login;
  std::vector<int> valid_status_codes;  // empty: 2xx
  std::vector<std::string> valid_http_versions;
  std::string method = "GET";
  HeaderList headers;
  std::vector<ClientHeader> client_headers;  // http_headers
  std::string body, body_file;
  bool follow_redirects = true;
  bool fail_if_ssl = false, fail_if_not_ssl = false;
  bool is_gzip = false;               // the body is taken for gzip, whatever its headers say
  std::uint64_t body_size_limit = 0;  // 0: none
  std::vector<model::Regex> body_must_not_match, body_must_match;
  std::vector<HeaderMatch> header_must_not_match, header_must_match;
};

// One step of a conversation.
struct QueryResponse {
  std::optional<model::Regex> expect;
  std::string expect_bytes;
  std::vector<std::pair<std::string, std::string>> labels;  // of probe_expect_info
  std::string send;
  bool start_tls = false;
};

struct TcpModule {
  IpChoice ip;
  TlsChoice tls;
  bool is_tls = false;
  std::vector<QueryResponse> steps;
};

struct IcmpModule {
  IpChoice ip;
  bool dont_fragment = false;
  std::size_t payload_size = 0;  // 0: a short text
  int ttl = 0;                   // 0: what the system does
};

struct RecordRules {
  std::vector<model::Regex> fail_if_matches, fail_if_all_match, fail_if_not_matches,
      fail_if_none_matches;
};

struct DnsModule {
  IpChoice ip;
  TlsChoice tls;
  bool is_tcp = false, is_tls = false;
  std::string query_name;
  std::uint16_t query_type = 255;  // ANY
  std::uint16_t query_class = 1;   // IN
  bool recursion_desired = true;
  std::vector<int> valid_rcodes;  // empty: NOERROR
  RecordRules answer, authority, additional;
};

struct WebSocketModule {
  IpChoice ip;
  TlsChoice tls;
  HttpLogin login;
  std::vector<ClientHeader> headers;
  std::vector<QueryResponse> steps;
};

struct ProbeModule {
  base::YamlNode node;        // as written, for /probe?debug=true
  base::Duration timeout{0};  // 0: the scraper's
  std::variant<HttpModule, TcpModule, IcmpModule, DnsModule, WebSocketModule> what;
};

// The TlsClients of one configuration: one for modules that ask for the same, because each holds all
// certificates that the system trusts. Confined; lives during one parse.
class TlsClients {
 public:
  explicit TlsClients(base::FileSystem& files) : files_(files) {}
  std::shared_ptr<net::TlsClient> get(const net::StreamTlsOptions& options);

 private:
  base::FileSystem& files_;
  std::vector<std::pair<std::string, std::shared_ptr<net::TlsClient>>> clients_;
};

// File names in it are relative to `directory`.
StatusOr<ProbeModule> parse_probe_module(const base::YamlNode& node, std::string_view directory,
                                         TlsClients& clients);

}  // namespace tocsin::exporters::app
