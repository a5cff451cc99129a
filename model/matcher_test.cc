// SPDX-License-Identifier: Apache-2.0
#include "model/matcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tocsin::model {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Regex compile(std::string_view pattern, Regex::Dot dot = Regex::Dot::kMatchesNewline) {
  auto regex = Regex::anchored(pattern, dot);
  EXPECT_TRUE(regex.ok()) << pattern << ": " << regex.status();
  return *regex;
}

TEST(Regex, IsAnchoredAtBothEnds) {
  const auto check = [](std::string_view pattern, std::string_view text, bool want) {
    EXPECT_EQ(compile(pattern).matches(text), want) << pattern << " on " << text;
  };
  check("foo", "foo", true);
  check("foo", "foobar", false);
  check("foo", "a foo", false);
  check("foo|bar", "bar", true);
  check("foo|bar", "foobar", false);
  check("foo.*", "foobar", true);
  check("foo.+", "foo", false);
  check("(?i)foo", "FOO", true);
  check("a(b|c)d", "acd", true);
  check("a.b", "a\nb", true);
  check(".*", "any\nthing", true);
  check(".+", "", false);
  check("", "", true);
  check("", "x", false);
  check("a||b", "", true);
  check("\\.\\*", ".*", true);
  check("ab?", "a", true);
  check("ab{0,2}c", "ac", true);
  check("abc*", "ab", true);
  check("a|bc*", "b", true);
  check("x\xc3\xa4?", "x", true);
  check("a(?s)*", "", true);
}

TEST(Regex, DotStopsAtNewlineWhenAsked) {
  EXPECT_FALSE(compile("a.b", Regex::Dot::kStopsAtNewline).matches("a\nb"));
  EXPECT_FALSE(compile(".*", Regex::Dot::kStopsAtNewline).matches("a\nb"));
  EXPECT_TRUE(compile(".*", Regex::Dot::kStopsAtNewline).matches("ab"));
}

TEST(Regex, FindsSetsOfLiterals) {
  EXPECT_THAT(compile("a").literals(), ElementsAre("a"));
  EXPECT_THAT(compile("a|b c|").literals(), ElementsAre("a", "b c", ""));
  EXPECT_THAT(compile("(?:a|b)").literals(), ElementsAre("a", "b"));
  EXPECT_THAT(compile("(x\\.y|\\(z\\))").literals(), ElementsAre("x.y", "(z)"));
  for (const std::string_view none : {"a.", "(a)|(b)", "(a|b)c", "(?i)a", "(?i:a)", "\\d",
                                      "\\Qa\\E", "[ab]", "a+", "^a", "a$", "(a)(b)"}) {
    EXPECT_THAT(compile(none).literals(), IsEmpty()) << none;
  }
  std::string many = "l0";
  for (int i = 1; i < 1000; ++i) many += "|l" + std::to_string(i);
  EXPECT_EQ(compile(many).literals().size(), 1000U);
  EXPECT_THAT(compile(many + "|x").literals(), IsEmpty());
  EXPECT_TRUE(compile(many + "|x").matches("l512"));
}

TEST(Regex, FindsLiteralPrefixes) {
  const auto check = [](std::string_view pattern, std::string_view want) {
    EXPECT_EQ(compile(pattern).prefix(), want) << pattern;
  };
  check("foo", "foo");
  check("foo.*", "foo");
  check("foo-(a|b)", "foo-");
  check("foo?", "fo");
  check("fo\xc3\xa4*", "fo");
  check("fo+", "fo");
  check("fo(?:x)", "fo");
  check("fo(?s).*", "f");
  check("foo{2}", "fo");
  check("foo|fab.*", "f");
  check("foo|bar", "");
  check("(?i)foo", "");
  check(".*foo", "");
  check("[(]|x", "");
}

TEST(Regex, ErrorsAreWordedAsGos) {
  const auto check = [](std::string_view pattern, std::string_view want) {
    const auto regex = Regex::anchored(pattern);
    ASSERT_FALSE(regex.ok()) << pattern;
    EXPECT_EQ(regex.status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(message(regex.status()), want);
  };
  check("(foo", "error parsing regexp: missing closing ): `(foo`");
  check("a)|(b", "error parsing regexp: unexpected ): `a)|(b`");
  check("*", "error parsing regexp: missing argument to repetition operator: `*`");
  check("[a", "error parsing regexp: missing closing ]: `[a`");
  check("a**", "error parsing regexp: invalid nested repetition operator: `**`");
  check("a{1001}", "error parsing regexp: invalid repeat count: `{1001}`");
  EXPECT_FALSE(Regex::unanchored("(").ok());
}

TEST(Regex, ExpandFollowsGosTemplates) {
  const auto check = [](std::string_view pattern, std::string_view replacement,
                        std::string_view want) {
    std::string out = "<";
    ASSERT_TRUE(compile(pattern).expand("ab-cd", replacement, &out)) << pattern;
    EXPECT_EQ(out, "<" + std::string(want)) << pattern << " " << replacement;
  };
  check("(.*)", "$1", "ab-cd");
  check("(.*)-(.*)", "${2}x$1", "cdxab");
  check("(.*)-(.*)", "$1x", "");  // the group named "1x"
  check("(.*)-(.*)", "$0", "ab-cd");
  check("(.*)-(.*)", "$3|$$|$|${|${1|$-", "|$|$|${|${1|$-");
  check("(?P<left>.*)-.*", "${left}_$left", "ab_ab");
  check("(?P<left>.*)-.*", "$left_", "");
  check("(.*)-.*", "$01", "");
  check("(.*)-.*", "$1\xe2\x80\x93", "ab\xe2\x80\x93");  // a dash ends the name, a letter does not
  check("(.*)-.*", "$1\xc3\xa4", "");
  check("(a)|.*", "[$1]", "[]");
  check("(.)(.)(.)(.)(.)()()()()()()(.{0})(.{0})()", "$5$14$1", "da");
  std::string out = "kept";
  EXPECT_FALSE(compile("x").expand("y", "$0", &out));
  EXPECT_EQ(out, "kept");
}

TEST(Regex, ReplaceAllFollowsGo) {
  const auto check = [](std::string_view pattern, std::string_view text,
                        std::string_view replacement, std::string_view want) {
    const auto regex = Regex::unanchored(pattern);
    ASSERT_TRUE(regex.ok());
    EXPECT_EQ(regex->replace_all(text, replacement), want) << pattern << " on " << text;
  };
  check("a", "banana", "<$0>", "b<a>n<a>n<a>");
  check("a*", "baac", "x", "xbxcx");
  check("", "a\xc3\xa4", "-", "-a-\xc3\xa4-");
  check("(\\w+)@(\\w+)", "me@here you@there", "$2", "here there");
  check("^a", "aaa", "x", "xaa");
  check("x", "", "y", "");
  check("x*", "", "y", "y");
  EXPECT_EQ(compile("a").replace_all("aa", "x"), "aa");
  EXPECT_EQ(compile("(.*)").replace_all("aa", "<$1>"), "<aa>");
}

TEST(Matcher, ComparesAbsentLabelsAsEmpty) {
  const Labels labels = Labels::of({{"job", "node"}});
  const auto check = [&labels](Matcher::Type type, std::string_view name, std::string_view value,
                               bool want) {
    const auto matcher = Matcher::make(type, name, value);
    ASSERT_TRUE(matcher.ok());
    EXPECT_EQ(matcher->matches(labels), want) << matcher->to_string();
  };
  check(Matcher::Type::kEqual, "job", "node", true);
  check(Matcher::Type::kEqual, "x", "", true);
  check(Matcher::Type::kNotEqual, "job", "node", false);
  check(Matcher::Type::kNotEqual, "x", "y", true);
  check(Matcher::Type::kRegex, "job", "n.*", true);
  check(Matcher::Type::kRegex, "x", ".*", true);
  check(Matcher::Type::kRegex, "x", ".+", false);
  check(Matcher::Type::kNotRegex, "x", ".+", true);
  check(Matcher::Type::kNotRegex, "job", "node|x", false);
}

TEST(Matcher, PrintsAndCompares) {
  EXPECT_EQ(Matcher::equal("job", "a\"b").to_string(), R"(job="a\"b")");
  EXPECT_EQ(Matcher::make(Matcher::Type::kNotRegex, "a.b", "x.*")->to_string(), R"("a.b"!~"x.*")");
  EXPECT_EQ(Matcher::equal("a", "b"), *Matcher::make(Matcher::Type::kEqual, "a", "b"));
  EXPECT_FALSE(Matcher::equal("a", "b") == *Matcher::make(Matcher::Type::kRegex, "a", "b"));
  EXPECT_FALSE(Matcher::make(Matcher::Type::kRegex, "a", "(").ok());
  EXPECT_TRUE(Matcher::equal("a", "").matches_empty());
  EXPECT_TRUE(
      matches_all({Matcher::equal("a", ""), Matcher::equal("b", "1")}, Labels::of({{"b", "1"}})));
  EXPECT_FALSE(matches_all({Matcher::equal("a", "x")}, Labels()));
  EXPECT_TRUE(matches_all({}, Labels()));
}

}  // namespace
}  // namespace tocsin::model
