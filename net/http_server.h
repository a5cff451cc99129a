// SPDX-License-Identifier: Apache-2.0
//
// HttpServer: listens and answers with handlers, plain functions from HttpRequest to HttpResponse.
//
// make_beast_server() (net/beast.h) serves tocsin and everything with TLS or IPv6;
// make_civetweb_server() (net/civetweb.h) serves exporters over plain IPv4. One test suite runs
// over both. Handlers run on an Executor, at most max_concurrent at once; above it and above
// max_connections clients get 503 with a text that says so.
// Threads: shared; start() and stop()
// once each. A handler must be callable from several threads.
// Errors: start() returns kUnavailable
// with the address and reason ("listen on 127.0.0.1:9090: address already in use"). A handler's
// exception or failed stream closes the connection and is logged.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/metrics.h"
#include "base/status.h"
#include "base/time.h"
#include "net/http.h"
#include "net/router.h"

namespace tocsin::net {

struct HttpServerOptions {
  std::vector<std::string>
      listen_addresses;  // host:port, :port (all interfaces); port 0 = any free
  // Sockets that listen already, over IPv4 or IPv6: the server takes them over. Beast only.
  std::vector<int> listen_descriptors = {};
  std::size_t max_connections = 512;
  std::size_t max_concurrent = 64;  // handlers running or queued
  std::uint64_t max_body_bytes = 32ULL << 20;
  std::uint64_t max_header_bytes = 128ULL << 10;  // request line and headers
  base::Duration read_timeout{300'000};           // idle keep-alive and slow requests
  base::Duration write_timeout{300'000};  // a client that takes nothing for so long is dropped
};

class HttpServer {
 public:
  virtual ~HttpServer() = default;
  // Binds every address; on error none stays bound.
  virtual Status start() = 0;
  // Stops accepting, finishes running handlers and their responses (at most 5 s), closes.
  // Idempotent.
  virtual void stop() = 0;
  // Bound addresses as host:port with real port numbers, in the order of the options, addresses
  // before descriptors.
  virtual std::vector<std::string> addresses() const = 0;
};

}  // namespace tocsin::net
