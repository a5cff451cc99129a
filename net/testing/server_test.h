// SPDX-License-Identifier: Apache-2.0
//
// ServerTest: the fixture of suites that run over both servers.
//
//   class HttpServerTest : public testing::ServerTest {};
//   INSTANTIATE_TEST_SUITE_P(Servers, HttpServerTest, testing::both_servers(), testing::name_of_server);
//
// Threads: confined to the test; handlers run on threads of `pool_`. Errors: none.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "net/beast.h"
#include "net/civetweb.h"

namespace tocsin::net::testing {

enum class ServerKind { kBeast, kCivetweb };

inline auto both_servers() { return ::testing::Values(ServerKind::kBeast, ServerKind::kCivetweb); }
inline std::string name_of_server(const ::testing::TestParamInfo<ServerKind>& kind) {
  return kind.param == ServerKind::kBeast ? "Beast" : "Civetweb";
}

// Answers with method, target and body.
inline HttpResponse echo(const HttpRequest& request) {
  return HttpResponse::text(200, request.method + " " + request.target + " " + request.body);
}

class ServerTest : public ::testing::TestWithParam<ServerKind> {
 protected:
  ~ServerTest() override {
    if (server_) server_->stop();
  }

  static HttpServerOptions local() {
    HttpServerOptions options;
    options.listen_addresses = {"127.0.0.1:0"};
    return options;
  }
  std::unique_ptr<HttpServer> make(HttpServerOptions options, Handler handler) {
    if (GetParam() == ServerKind::kCivetweb) {
      return make_civetweb_server(std::move(options), std::move(handler), pool_);
    }
    return make_beast_server(std::move(options), std::move(handler),
                             {loop_, pool_, clock_, &metrics_});
  }
  // Starts the server and returns its address.
  std::string start(Handler handler) { return start(local(), std::move(handler)); }
  std::string start(HttpServerOptions options, Handler handler) {
    server_ = make(std::move(options), std::move(handler));
    EXPECT_EQ(server_->start(), ok());
    return server_->addresses().at(0);
  }

  base::SystemClock clock_;
  base::Registry metrics_;
  IoLoop loop_{clock_};
  base::ThreadPool pool_{{.name = "handlers", .threads = 4}};
  std::unique_ptr<HttpServer> server_;
};

}  // namespace tocsin::net::testing
