// SPDX-License-Identifier: Apache-2.0
#include "model/matcher.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tocsin::model {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

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
  check("a|(?i:Ab|)", "AB", true);
  check("x(?i:ab).*", "xAbc", true);
  check("x(?i:ab).*", "XAbc", false);
  check(".+a?.+", "\xc3\xa4", false);
  check(".*foo.*bar", "a foobar", true);
  check(".*foo.*bar", "a fobar", false);
  check(".*foo.+bar", "foobar", false);
  check("foo.*|.*bar", "a bar", true);
  check("(web|api)-[0-9]+-.*", "api-17-x", true);
  check("(web|api)-[0-9]+-.*", "api--x", false);
}

TEST(Regex, DotStopsAtNewlineWhenAsked) {
  EXPECT_FALSE(compile("a.b", Regex::Dot::kStopsAtNewline).matches("a\nb"));
  EXPECT_FALSE(compile(".*", Regex::Dot::kStopsAtNewline).matches("a\nb"));
  EXPECT_TRUE(compile(".*", Regex::Dot::kStopsAtNewline).matches("ab"));
}

TEST(Regex, FindsSetsOfLiterals) {
  EXPECT_THAT(compile("a").literals(), ElementsAre("a"));
  EXPECT_THAT(compile("a|b c|").literals(), UnorderedElementsAre("a", "b c", ""));
  EXPECT_THAT(compile("(?:a|b)").literals(), ElementsAre("a", "b"));
  EXPECT_THAT(compile("(x\\.y|\\(z\\))").literals(), UnorderedElementsAre("x.y", "(z)"));
  EXPECT_THAT(compile("(a)|(b)").literals(), UnorderedElementsAre("a", "b"));
  EXPECT_THAT(compile("a(b|c(d|e)?)[x-z]").literals(),
              UnorderedElementsAre("abx", "aby", "abz", "acx", "acy", "acz", "acdx", "acdy", "acdz",
                                   "acex", "acey", "acez"));
  EXPECT_THAT(compile("(?i)ab").literals(), UnorderedElementsAre("ab", "aB", "Ab", "AB"));
  EXPECT_THAT(compile("a(?i:k)").literals(), UnorderedElementsAre("ak", "aK", "a\u212a"));
  EXPECT_THAT(compile("^a$|^b").literals(), UnorderedElementsAre("a", "b"));
  for (const std::string_view none : {"a.", "\\d", "\\Qa\\E", "a+", "[^a]", "[[:alpha:]]", "(^a)",
                                      "(?i)averylongwordindeed", "a{2}", "(?i)\u00e4"}) {
    EXPECT_THAT(compile(none).literals(), IsEmpty()) << none;
  }
  std::string many = "l0";
  for (int i = 1; i < 1000; ++i) many += "|l" + std::to_string(i);
  EXPECT_EQ(compile(many).literals().size(), 1000U);
  EXPECT_THAT(compile(many + "|x").literals(), IsEmpty());
  EXPECT_TRUE(compile(many + "|x").matches("l512"));

  // Strings are put together as long as they take no more than a megabyte.
  const std::string tail(8'000, 'x');
  EXPECT_THAT(compile(tail).literals(), ElementsAre(tail));
  const std::string three = "[ab]?[ab]?[ab]?";  // 15 strings
  EXPECT_EQ(compile(three + tail).literals().size(), 15U);
  const Regex seven = compile(three + three + "[ab]" + tail);
  EXPECT_THAT(seven.literals(), IsEmpty());
  EXPECT_TRUE(seven.matches("abbabba" + tail));
  EXPECT_FALSE(seven.matches("abbabbab" + tail));
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
  check("fo(?:x)", "fox");
  check("fo(?s).*", "f");
  check("foo{2}", "fo");
  check("foo|fab.*", "f");
  check("foo|bar", "");
  check("(?i)foo", "");
  check(".*foo", "");
  check("[(]|x", "");
}

// Expressions of all that the analysis knows, and of some that it does not. Without (?i:...): RE2
// takes "a" and "(?i:A)" for one when they begin two alternatives, and then does not match "A".
std::string random_pattern(std::mt19937_64& random, int depth) {
  const auto pick = [&](std::initializer_list<std::string_view> from) {
    return std::string(from.begin()[random() % from.size()]);
  };
  std::string out;
  for (std::uint64_t parts = random() % 4; parts > 0; --parts) {
    switch (random() % (depth > 2 ? 8 : 10)) {
      case 0:
      case 1:
      case 2:
        out += pick({"a", "b", "ab", "k", "\\.", "s", "\u00e4", "A"});
        break;
      case 3:
      case 4:
        out += pick({".*", ".+", ".", ".?", ".*?"});
        break;
      case 5:
        out += pick({"[ab]", "[a-c]", "[^a]", "[\u00e4a]", "[a-]", "\\w", "[[:alpha:]]", "[]a]"});
        break;
      case 6:
        out += pick({"a?", "b*", "[ab]+", "a{2}", "(a|b)*", "(.*)", "(.)?"});
        break;
      case 7:
        out += pick({"", "|", "^", "$"});
        break;
      default:
        out += pick({"(", "(?:"}) + random_pattern(random, depth + 1) + "|" +
               random_pattern(random, depth + 1) + ")" + pick({"", "", "?", "*", "+"});
    }
  }
  if (depth == 0 && random() % 6 == 0) out.insert(0, "(?i)");
  if (random() % 3 == 0) out += "|" + random_pattern(random, depth + 1);
  return out;
}

TEST(Regex, WhatIsKnownFromTheTextIsWhatRe2Says) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  int compiled = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::string pattern = random_pattern(random, 0);
    const auto known = Regex::anchored(pattern);
    if (!known.ok()) continue;
    ++compiled;
    // Without anchors nothing is found out before RE2 runs.
    const auto plain = Regex::unanchored("(?s)\\A(?:" + pattern + ")\\z");
    ASSERT_TRUE(plain.ok()) << pattern;
    for (int k = 0; k < 60; ++k) {
      std::string text;
      for (std::uint64_t size = random() % 6; size > 0; --size) {
        const std::vector<std::string> from = {"a", "b",  "c",      "k",      "s",      "K", "A",
                                               ".", "\n", "\u00e4", "\u212a", "\u017f", "-", "]"};
        text += from[random() % from.size()];
      }
      ASSERT_EQ(known->matches(text), plain->matches(text)) << pattern << " on " << text;
      ASSERT_TRUE(!known->matches(text) || text.starts_with(known->prefix())) << pattern;
    }
    for (const std::string& literal : known->literals()) {
      ASSERT_TRUE(plain->matches(literal)) << pattern << " on " << literal;
    }
  }
  EXPECT_GT(compiled, 1000);
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
  out.clear();
  ASSERT_TRUE(Regex::unanchored("b-(c)")->expand("ab-cd", "$0 $1", &out));
  EXPECT_EQ(out, "b-c c") << "the first match, and nothing around it";
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

TEST(Regex, FindTakesGroupsOutOfTheFirstMatch) {
  const Regex regex = *Regex::unanchored(R"(user=(?P<user>\w+)( in (?P<seconds>[\d.]+)s)?)");
  EXPECT_EQ(regex.group_names(), (std::vector<std::string>{"user", "", "seconds"}));
  std::array<std::string_view, 4> groups;
  ASSERT_TRUE(regex.find("12:00 user=ann in 0.5s, user=bob", groups));
  EXPECT_EQ(groups[0], "user=ann in 0.5s");
  EXPECT_EQ(groups[1], "ann");
  EXPECT_EQ(groups[3], "0.5");
  ASSERT_TRUE(regex.find("user=bob", groups));
  EXPECT_EQ(groups[1], "bob");
  EXPECT_EQ(groups[3], "");
  EXPECT_FALSE(regex.find("nobody", groups));
  std::array<std::string_view, 2> first;
  ASSERT_TRUE(regex.find("user=eve in 1s", first));
  EXPECT_EQ(first[1], "eve");
  EXPECT_FALSE(Regex::anchored("a(b)")->find("abc", {}));
}

}  // namespace
}  // namespace tocsin::model
