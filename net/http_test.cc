// SPDX-License-Identifier: Apache-2.0
#include "net/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tocsin::net {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(HttpHeaders, NamesCompareWithoutCaseAndOrderIsKept) {
  HttpHeaders headers;
  headers.add("Accept", "a");
  headers.add("X-One", "1");
  headers.add("ACCEPT", "b");
  EXPECT_EQ(headers.get("accept"), "a");
  EXPECT_TRUE(headers.has("x-ONE"));
  EXPECT_FALSE(headers.has("X-On"));
  EXPECT_EQ(headers.get("missing"), "");
  headers.set("aCCept", "c");
  EXPECT_THAT(headers.all(), ElementsAre(Pair("X-One", "1"), Pair("aCCept", "c")));
}

TEST(HttpRequest, TargetIsSplitThenDecodedPerSegment) {
  const auto check = [](std::string_view target, std::vector<std::string> path,
                        std::vector<std::pair<std::string, std::string>> query) {
    HttpRequest request;
    EXPECT_EQ(request.set_target(target), ok()) << target;
    EXPECT_EQ(request.path, path) << target;
    EXPECT_EQ(request.query.pairs(), query) << target;
    EXPECT_EQ(request.target, target);
  };
  check("/", {}, {});
  check("/?", {}, {});
  check("/a", {"a"}, {});
  check("/a/", {"a", ""}, {});
  check("/a//b", {"a", "", "b"}, {});
  check("/a%2Fb/c%20d", {"a/b", "c d"}, {});
  check("/a+b?x=c+d&y=%2B&z", {"a+b"}, {{"x", "c d"}, {"y", "+"}, {"z", ""}});
  check("/a?x=1&bad=%zz&y=2", {"a"}, {{"x", "1"}, {"y", "2"}});
  check("/a?x=1?2", {"a"}, {{"x", "1?2"}});
  check("http://h:1/a/b?x=1", {"a", "b"}, {{"x", "1"}});
  check("HTTP://h", {}, {});
  check("http://h?x=/y", {}, {{"x", "/y"}});
}

TEST(HttpRequest, BadTargetIsRefusedAndChangesNothing) {
  HttpRequest request;
  ASSERT_EQ(request.set_target("/old?a=1"), ok());
  for (std::string_view target : {"", "*", "a/b", "/a%", "/%4", "/ok/%zz", "ftp://h/a"}) {
    EXPECT_EQ(request.set_target(target).code(), StatusCode::kInvalidArgument) << target;
    EXPECT_EQ(request.target, "/old?a=1");
    EXPECT_THAT(request.path, ElementsAre("old"));
    EXPECT_EQ(request.query.get("a"), "1");
  }
}

TEST(HttpRequest, FormPutsTheBodyFirst) {
  HttpRequest request;
  request.method = "POST";
  ASSERT_EQ(request.set_target("/q?query=url&only=url"), ok());
  request.headers.add("content-type", "Application/X-WWW-Form-URLencoded; charset=utf-8");
  request.body = "query=body&time=1";
  const auto form = request.form();
  ASSERT_TRUE(form.ok());
  EXPECT_EQ(form->get("query"), "body");
  EXPECT_THAT(form->all("query"), ElementsAre("body", "url"));
  EXPECT_EQ(form->get("time"), "1");
  EXPECT_EQ(form->get("only"), "url");
}

TEST(HttpRequest, FormIgnoresBodiesThatAreNoForm) {
  const auto body_is_read = [](std::string method, std::string type) {
    HttpRequest request;
    request.method = std::move(method);
    request.headers.add("Content-Type", type);
    request.body = "a=1";
    return request.form()->has("a");
  };
  EXPECT_TRUE(body_is_read("PUT", "application/x-www-form-urlencoded"));
  EXPECT_FALSE(body_is_read("GET", "application/x-www-form-urlencoded"));
  EXPECT_FALSE(body_is_read("POST", "application/json"));
  EXPECT_FALSE(body_is_read("POST", ""));
}

TEST(HttpRequest, FormReportsBadEscapesInUrlAndBody) {
  HttpRequest request;
  ASSERT_EQ(request.set_target("/q?a=%zz"), ok());
  EXPECT_EQ(message(request.form().status()), "invalid URL escape \"%zz\"");
  request = HttpRequest();
  request.method = "POST";
  request.headers.add("Content-Type", "application/x-www-form-urlencoded");
  request.body = "a=%4";
  EXPECT_EQ(message(request.form().status()), "invalid URL escape \"%4\"");
}

TEST(HttpResponse, TextAndJsonSetTheirType) {
  const HttpResponse text = HttpResponse::text(404, "gone\n");
  EXPECT_EQ(text.status, 404);
  EXPECT_EQ(text.body, "gone\n");
  EXPECT_EQ(text.headers.get("Content-Type"), "text/plain; charset=utf-8");
  const HttpResponse json = HttpResponse::json(200, "{}");
  EXPECT_EQ(json.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(status_reason(404), "Not Found");
  EXPECT_EQ(status_reason(431), "Request Header Fields Too Large");
  EXPECT_EQ(status_reason(799), "Unknown");
}

}  // namespace
}  // namespace tocsin::net
