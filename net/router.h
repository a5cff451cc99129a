// SPDX-License-Identifier: Apache-2.0
//
// Router: finds the handler of a request by method and path pattern.
//
//   Router router;
//   router.add("GET,POST", "/api/v1/query", handler);
//   router.add("GET", "/api/v1/label/{name}/values", handler);   // {name} is one decoded segment
//   router.add("GET", "/assets/{rest...}", handler);             // the rest, joined by "/"
//
// Unknown paths are 404 "404 page not found\n", a known path with another method 405 with Allow and
// "Method Not Allowed\n"; HEAD uses GET's handler. OPTIONS on a known path is 204;
// CORS headers are a middleware of web.
// Threads: built once, then shared read-only. add() of an ambiguous pattern is a programmer error.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"

namespace tocsin::net {

using Handler = std::function<HttpResponse(const HttpRequest&)>;

class Router {
 public:
  // `prefix` ("" or "/foo") is stripped from every path; paths outside it are 404.
  explicit Router(std::string prefix = "");

  void add(std::string_view methods, std::string_view pattern, Handler handler);
  // Wraps every call: (pattern, request, next) -> response. For metrics and readiness.
  using Middleware =
      std::function<HttpResponse(std::string_view pattern, const HttpRequest&, const Handler&)>;
  void wrap(Middleware middleware);

  HttpResponse route(HttpRequest request) const;

 private:
  struct Route {
    std::vector<std::string> methods;
    std::string pattern;
    std::vector<std::string> segments;
    Handler handler;
  };
  const Route* find(const HttpRequest& request, std::vector<std::string>* values,
                    std::string* allowed) const;
  std::string prefix_;
  std::vector<Route> routes_;
  std::optional<Middleware> middleware_;
};

}  // namespace tocsin::net
