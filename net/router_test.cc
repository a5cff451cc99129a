// SPDX-License-Identifier: Apache-2.0
#include "net/router.h"

#include <gtest/gtest.h>

namespace tocsin::net {
namespace {

// Answers with the name of the route and the values of its pattern.
Handler named(std::string name) {
  return [name = std::move(name)](const HttpRequest& request) {
    std::string text = name;
    for (const std::string& value : request.path_values) text.append("|").append(value);
    return HttpResponse::text(200, text);
  };
}

HttpResponse call(const Router& router, std::string method, std::string_view target) {
  HttpRequest request;
  request.method = std::move(method);
  EXPECT_EQ(request.set_target(target), ok());
  return router.route(std::move(request));
}

Router example(std::string prefix) {
  Router router(std::move(prefix));
  router.add("GET", "/", named("root"));
  router.add("GET,POST", "/api/v1/query", named("query"));
  router.add("GET", "/api/v1/label/{name}/values", named("values"));
  router.add("GET", "/api/v1/label/job/values", named("job"));
  router.add("DELETE", "/silence/{id}", named("delete"));
  router.add("GET", "/silence/{id}", named("get"));
  router.add("GET", "/assets/{rest...}", named("assets"));
  router.add("OPTIONS", "/own", named("own options"));
  return router;
}

TEST(Router, FindsTheMostSpecificRoute) {
  const Router router = example("");
  const auto check = [&](std::string method, std::string_view target, std::string_view want) {
    const HttpResponse response = call(router, method, target);
    EXPECT_EQ(response.status, 200) << method << " " << target;
    EXPECT_EQ(response.body, want) << method << " " << target;
  };
  check("GET", "/", "root");
  check("GET", "/?x=1", "root");
  check("HEAD", "/", "root");
  check("POST", "/api/v1/query", "query");
  check("GET", "/api/v1/label/instance/values", "values|instance");
  check("GET", "/api/v1/label/a%2Fb/values", "values|a/b");
  check("GET", "/api/v1/label/job/values", "job");
  check("DELETE", "/silence/7", "delete|7");
  check("GET", "/silence/7", "get|7");
  check("GET", "/assets/js/a.js", "assets|js/a.js");
  check("GET", "/assets/", "assets|");
  check("OPTIONS", "/own", "own options");
}

TEST(Router, UnknownPathsAreNotFound) {
  const Router router = example("");
  for (std::string_view target :
       {"/api", "/api/v1/query/", "//", "/assets", "/silence/", "/silence/1/2", "/x"}) {
    for (const char* method : {"GET", "POST", "OPTIONS"}) {
      const HttpResponse response = call(router, method, target);
      EXPECT_EQ(response.status, 404) << target;
      EXPECT_EQ(response.body, "404 page not found\n");
      EXPECT_EQ(response.headers.get("Content-Type"), "text/plain; charset=utf-8");
    }
  }
}

TEST(Router, OtherMethodsAreNamedInAllow) {
  const Router router = example("");
  const auto check = [&](std::string method, std::string_view target, int status,
                         std::string_view allow) {
    const HttpResponse response = call(router, method, target);
    EXPECT_EQ(response.status, status) << method << " " << target;
    EXPECT_EQ(response.headers.get("Allow"), allow) << method << " " << target;
    EXPECT_EQ(response.body, status == 405 ? "Method Not Allowed\n" : "");
  };
  check("PUT", "/api/v1/query", 405, "GET, HEAD, OPTIONS, POST");
  check("POST", "/silence/7", 405, "DELETE, GET, HEAD, OPTIONS");
  check("OPTIONS", "/silence/7", 204, "DELETE, GET, HEAD, OPTIONS");
}

TEST(Router, PrefixIsStrippedAndRequired) {
  const Router router = example("/pro/m");
  EXPECT_EQ(call(router, "GET", "/pro/m").body, "root");
  EXPECT_EQ(call(router, "GET", "/pro/m/").body, "root");
  EXPECT_EQ(call(router, "GET", "/pro/m/silence/7").body, "get|7");
  EXPECT_EQ(call(router, "GET", "/").status, 404);
  EXPECT_EQ(call(router, "GET", "/silence/7").status, 404);
  EXPECT_EQ(call(router, "GET", "/pro/mx/silence/7").status, 404);
}

TEST(Router, MiddlewareSeesPatternAndMayAnswerItself) {
  Router router = example("");
  std::vector<std::string> seen;
  router.wrap([&](std::string_view pattern, const HttpRequest& request, const Handler& next) {
    seen.push_back("inner " + std::string(pattern));
    return next(request);
  });
  router.wrap([&](std::string_view pattern, const HttpRequest& request, const Handler& next) {
    seen.push_back("outer " + std::string(pattern));
    if (request.query.has("stop")) return HttpResponse::text(503, "stopped");
    HttpResponse response = next(request);
    response.headers.add("X-Seen", "yes");
    return response;
  });
  EXPECT_EQ(call(router, "GET", "/silence/7").headers.get("X-Seen"), "yes");
  EXPECT_EQ(call(router, "GET", "/silence/7?stop=1").status, 503);
  EXPECT_EQ(call(router, "GET", "/nowhere").status, 404);
  EXPECT_EQ(call(router, "OPTIONS", "/silence/7").status, 204);
  EXPECT_EQ(seen, (std::vector<std::string>{"outer /silence/{id}", "inner /silence/{id}",
                                            "outer /silence/{id}", "outer ", "inner ",
                                            "outer /silence/{id}", "inner /silence/{id}"}));
}

TEST(RouterDeathTest, AmbiguousPatternsAreProgrammerErrors) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Router router = example("");
  EXPECT_DEATH(router.add("GET", "/silence/{other}", named("x")), "");
  EXPECT_DEATH(router.add("POST,GET", "/", named("x")), "");
  EXPECT_DEATH(router.add("GET", "/{rest...}/more", named("x")), "");
  EXPECT_DEATH(router.add("GET", "relative", named("x")), "");
}

}  // namespace
}  // namespace tocsin::net
