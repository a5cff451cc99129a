// SPDX-License-Identifier: Apache-2.0
//
// The civetweb implementation of HttpServer, for exporters: plain HTTP over IPv4 only.
//
// No document root, directory listing off, decode_url off, 8 threads; reading a request, or
// writing without progress, takes 10 s at most. Its
// threads have 100 KiB stacks, so handlers run on `handlers` while the civetweb thread waits. A
// listener with IPv6, a unix path or TLS is kUnimplemented: use make_beast_server. ":9100" means
// 0.0.0.0:9100 (a documented deviation). Connections wait instead of getting 503, and oversize
// headers are 400, not 431. stop() answers what runs.
#pragma once

#include <memory>

#include "net/http_server.h"

namespace tocsin::net {

// Borrows: handlers.
std::unique_ptr<HttpServer> make_civetweb_server(HttpServerOptions options, Handler handler,
                                                 base::Executor& handlers);

}  // namespace tocsin::net
