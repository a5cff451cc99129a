// SPDX-License-Identifier: Apache-2.0
//
// The Boost.Beast implementation of HttpServer.
#pragma once

#include <functional>
#include <memory>

#include "net/http_server.h"
#include "net/io_loop.h"
#include "net/tls_server.h"

namespace tocsin::net {

// Sockets run on `loop`, handlers on `handlers`. gzip responses over 1 KiB when the client takes
// gzip. Borrows: loop, handlers, clock. All must outlive the server.
struct BeastServices {
  IoLoop& loop;
  base::Executor& handlers;
  const base::Clock& clock;
  base::Registry* metrics = nullptr;  // null: none
  // Chooses another executor for a request, whose queue then is its only limit; null, or an answer
  // of null: `handlers`. Called on the io thread.
  std::function<base::Executor*(const HttpRequest&)> choose = nullptr;
  std::shared_ptr<TlsServer> tls = nullptr;  // null: plain HTTP; asked on `handlers`
};
std::unique_ptr<HttpServer> make_beast_server(HttpServerOptions options, Handler handler,
                                              BeastServices services);

}  // namespace tocsin::net
