// SPDX-License-Identifier: Apache-2.0
//
// HttpClient: asynchronous HTTP requests; make_http_client() is libcurl's multi interface on an
// IoLoop, net/testing/fake_net.h a scripted one.
//
// Connections are kept alive and shared per HttpClientOptions value (proxy, TLS and credentials
// never mix).
// Threads: shared. The callback runs exactly once, on the io thread: under 1 ms, no
// blocking; post longer work to an Executor. stop() completes everything in flight with kCancelled.
// Errors: kDeadlineExceeded ("context deadline exceeded"), kResourceExhausted ("body size limit
// exceeded"), kUnavailable (connection, DNS, TLS; the text says which). A response with any HTTP
// status is OK. Error texts never contain credentials or, with hide_url, the URL.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "net/http.h"

namespace tocsin::net {

// A secret given inline or as a file that is read at each use and trimmed.
struct Secret {
  std::string value;
  std::string file;
  bool empty() const { return value.empty() && file.empty(); }
  friend bool operator==(const Secret&, const Secret&) = default;
};

struct TlsOptions {
  std::string ca, ca_file, cert, cert_file, key_file;
  Secret key;
  std::string server_name;
  std::string min_version, max_version;  // TLS10 .. TLS13; "" default (TLS12)
  bool insecure_skip_verify = false;
  friend bool operator==(const TlsOptions&, const TlsOptions&) = default;
};

struct BasicAuth {
  std::string username, username_file;
  Secret password;
  friend bool operator==(const BasicAuth&, const BasicAuth&) = default;
};

struct Authorization {
  std::string type = "Bearer";
  Secret credentials;
  friend bool operator==(const Authorization&, const Authorization&) = default;
};

// http_config of a scrape job or receiver. A value; equal options share connections.
struct HttpClientOptions {
  std::optional<BasicAuth> basic_auth;
  std::optional<Authorization> authorization;
  TlsOptions tls;
  std::string proxy_url, no_proxy;
  bool proxy_from_environment = false;
  bool follow_redirects = true;  // credentials are dropped on a redirect to another host
  bool enable_http2 = true;
  std::vector<std::pair<std::string, std::string>> headers;
  friend bool operator==(const HttpClientOptions&, const HttpClientOptions&) = default;
};

struct ClientRequest {
  std::string method = "GET";
  std::string url;
  std::string unix_socket;  // a path: connect there instead of to the URL's host
  HttpHeaders headers;
  std::string body;
  base::Duration timeout{10'000};           // of the whole exchange
  std::uint64_t max_body_bytes = 64 << 20;  // of the decoded response body; 0: no limit
  bool accept_gzip = false;                 // ask for gzip and decode it
  bool keep_gzip = false;  // but leave it to the caller to decode it (gunzip()), on another thread
  bool hide_url = false;   // the URL is a secret (Slack): keep it out of errors and logs
  std::shared_ptr<const HttpClientOptions> options;  // null: defaults
};

struct ClientResponse {
  int status = 0;
  HttpHeaders headers;
  std::string body;   // decoded
  bool gzip = false;  // keep_gzip: the body is not decoded
  std::uint64_t wire_body_bytes = 0;
};

class HttpClient {
 public:
  using Callback = std::function<void(StatusOr<ClientResponse>)>;
  virtual ~HttpClient() = default;
  virtual void send(ClientRequest request, Callback callback) = 0;
  // Takes the memory of a body that was read, for the next one.
  virtual void recycle(std::string /*body*/) {}
};

}  // namespace tocsin::net
