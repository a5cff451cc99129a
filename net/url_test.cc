// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http.h"

namespace tocsin::net {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(QueryParams, DecodesPairsInOrder) {
  const auto params = QueryParams::parse("match[]=up&match%5B%5D=a+b&&empty=&flag&x=1=2&u=%C3%A9");
  ASSERT_TRUE(params.ok());
  EXPECT_THAT(params->pairs(),
              ElementsAre(Pair("match[]", "up"), Pair("match[]", "a b"), Pair("empty", ""),
                          Pair("flag", ""), Pair("x", "1=2"), Pair("u", "\xC3\xA9")));
  EXPECT_THAT(params->all("match[]"), ElementsAre("up", "a b"));
  EXPECT_TRUE(params->has("flag"));
  EXPECT_FALSE(params->has("FLAG"));
  EXPECT_EQ(params->get("absent"), "");
}

TEST(QueryParams, AppendTakesItself) {
  QueryParams params = *QueryParams::parse("a=1&b=2");
  params.append(params);
  EXPECT_THAT(params.all("b"), ElementsAre("2", "2"));
}

TEST(QueryParams, RefusesBadEscapes) {
  const auto check = [](std::string_view text, std::string_view error) {
    EXPECT_EQ(message(QueryParams::parse(text).status()), error) << text;
  };
  check("a=%zz", "invalid URL escape \"%zz\"");
  check("a=%zzz", "invalid URL escape \"%zz\"");
  check("a%=1", "invalid URL escape \"%\"");
  check("a=%4", "invalid URL escape \"%4\"");
  check("a=1;b=2", "invalid semicolon separator in query");
}

TEST(UrlEncode, EscapesAsAQuery) {
  EXPECT_EQ(url_encode("up{job=\"a b\"}/~-_.+\xC3\xA9"), "up%7Bjob%3D%22a+b%22%7D%2F~-_.%2B%C3%A9");
  EXPECT_EQ(*url_decode("a+b%2fc%00"), std::string("a+b/c\0", 6));
  EXPECT_FALSE(url_decode("%").ok());
}

TEST(Url, TakesApartAndPutsTogether) {
  // Written as scheme, user, host, port, path, query, fragment.
  const auto check = [](std::string_view text, std::string_view want) {
    const auto url = Url::parse(text);
    ASSERT_TRUE(url.ok()) << url.status();
    EXPECT_EQ(fmt::format("{} {} {} {} {} {} {}", url->scheme, url->user, url->host, url->port,
                          url->path, url->query, url->fragment),
              want)
        << text;
    EXPECT_EQ(url->to_string(), text);
  };
  check("http://host", "http  host 0   ");
  check("http://host:9090/a%2Fb/?x=1&y=2#top", "http  host 9090 /a%2Fb/ x=1&y=2 top");
  check("https://u:p%40@[::1]:443/", "https u:p@ ::1 443 /  ");
  check("http://h?x=/y", "http  h 0  x=/y ");
  check("/only/path?q", "   0 /only/path q ");
  check("", "   0   ");
}

TEST(Url, LowersTheScheme) { EXPECT_EQ(Url::parse("HTTP://Host/")->to_string(), "http://Host/"); }

TEST(Url, DecodesAHostOfOtherScripts) {
  EXPECT_EQ(Url::parse("http://h%C3%BC.de/")->host, "hü.de");
  EXPECT_EQ(Url::parse("http://hü.de/")->host, "hü.de");
}

TEST(Url, AuthorityBracketsIpv6) {
  EXPECT_EQ(Url::parse("http://[fe80::1]/")->authority(), "[fe80::1]");
  EXPECT_EQ(Url::parse("http://h:1/")->authority(), "h:1");
}

TEST(Url, RefusesWhatIsNoUrl) {
  const auto check = [](std::string_view text, std::string_view error) {
    const auto url = Url::parse(text);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_EQ(url.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(message(url.status())), HasSubstr(error)) << text;
    EXPECT_THAT(std::string(message(url.status())), ::testing::StartsWith("parse \"")) << text;
  };
  check("://h", "missing protocol scheme");
  check("http://h:port/", "invalid port \":port\" after host");
  check("http://h:99999/", "invalid port \":99999\" after host");
  check("http://[::1/", "missing ']' in host");
  check("http://[::1]x/", "invalid port \"x\" after host");
  check("http://a b/", "invalid character in host name");
  check("http://a%41/", "invalid URL escape \"%41\"");
  check("//b&c=%19+&d", "invalid URL escape \"%19\"");
  check("http://h/\n", "invalid control character in URL");
  check("http://h/%zz", "invalid URL escape \"%zz\"");
  check("127.0.0.1:9090", "first path segment in URL cannot contain colon");
  check("mailto:x@y", "missing \"//\" after the scheme");
}

}  // namespace
}  // namespace tocsin::net
