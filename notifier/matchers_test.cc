// SPDX-License-Identifier: Apache-2.0
#include "notifier/matchers.h"

#include <gtest/gtest.h>

namespace tocsin::notifier {
namespace {

TEST(Matchers, ParsesBothGrammars) {
  struct Case {
    std::string_view text, printed;
  };
  for (const Case& c : {
           Case{"a=b", R"({a="b"})"},
           Case{R"({a="b", c!="d"})", R"({a="b",c!="d"})"},
           Case{R"(c=~"d|e",a="b")", R"({a="b",c=~"d|e"})"},
           Case{"a=", R"({a=""})"},
           Case{R"(a="")", R"({a=""})"},
           Case{R"( a = "b" , )", R"({a="b"})"},
           Case{"", "{}"},
           Case{"{}", "{}"},
           Case{R"(a="b,c")", R"({a="b,c"})"},
           Case{R"(a="x\"y\\z\n")", R"({a="x\"y\\z\n"})"},
           Case{R"("with space"="b")", R"({"with space"="b"})"},
           Case{"foo🙂=bar", R"({foo🙂="bar"})"},
           Case{R"({"a=b"=c})", R"({"a=b"="c"})"},
           Case{"a!~b", R"({a!~"b"})"},
       }) {
    auto matchers = parse_matchers(c.text);
    ASSERT_TRUE(matchers.ok()) << c.text << ": " << message(matchers.status());
    EXPECT_EQ(print_matchers(*matchers), c.printed) << c.text;
  }
}

TEST(Matchers, RefusesBrokenOnes) {
  for (std::string_view text :
       {"a", "=b", "a=b c=d\"", R"(a="b)", R"(a=b"c)", "a=~\"[\"", "🙂", "a=b,,c=d"}) {
    EXPECT_FALSE(parse_matchers(text).ok()) << text;
  }
}

TEST(Matchers, SingleFormRefusesBraces) {
  EXPECT_TRUE(parse_matcher(R"(alertname="x")").ok());
  EXPECT_TRUE(parse_matcher("foo🙂=bar").ok());
  auto braces = parse_matcher("{foo=bar}");
  ASSERT_FALSE(braces.ok());
  EXPECT_EQ(message(braces.status()), "unexpected open or close brace: {foo=bar}");
}

TEST(Matchers, ExpressionsAreAnchoredAndDotStopsAtNewline) {
  auto matcher = parse_matcher("a=~b.*");
  ASSERT_TRUE(matcher.ok());
  EXPECT_TRUE(matcher->matches("bcd"));
  EXPECT_FALSE(matcher->matches("abc"));
  EXPECT_FALSE(matcher->matches("b\nc"));
}

}  // namespace
}  // namespace tocsin::notifier
