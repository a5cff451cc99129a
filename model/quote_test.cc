// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "model/labels.h"
#include "model/unicode/unicode.h"

namespace tocsin::model {
namespace {

using namespace std::string_view_literals;

TEST(GoQuote, EscapesWhatGoEscapes) {
  const auto check = [](std::string_view text, std::string_view want) {
    EXPECT_EQ(go_quote(text), want);
    const auto back = go_unquote(want);
    ASSERT_TRUE(back.ok()) << want;
    EXPECT_EQ(*back, text);
  };
  check("", R"("")");
  check("plain text", R"("plain text")");
  check("\"\\\n\t\r\a\b\f\v", R"("\"\\\n\t\r\a\b\f\v")");
  check("\0\x1f\x7f"sv, R"("\x00\x1f\x7f")");
  check("\xff", R"("\xff")");
  check("gr\xc3\xbc\xc3\x9f \xe4\xb8\x96 \xf0\x9f\x98\x80",
        "\"gr\xc3\xbc\xc3\x9f \xe4\xb8\x96 \xf0\x9f\x98\x80\"");
  check("\xc2\xa0", R"("\u00a0")");      // no-break space
  check("\xe2\x80\x8b", R"("\u200b")");  // zero width space
  check("\xef\xbb\xbf", R"("\ufeff")");  // byte order mark
  check("\xf3\xa0\x80\x81", R"("\U000e0001")");
  check("\xed\xa0\x80", R"("\xed\xa0\x80")");  // a surrogate is not a character
  check("\xc0\x80", R"("\xc0\x80")");          // nor is an overlong form
  check("it's", R"("it's")");
}

TEST(GoUnquote, AcceptsGosLiterals) {
  const auto check = [](std::string_view quoted, std::string_view want) {
    const auto got = go_unquote(quoted);
    ASSERT_TRUE(got.ok()) << quoted;
    EXPECT_EQ(*got, want) << quoted;
  };
  check(R"("\x41\u00e4\U0001F600\101")",
        "A\xc3\xa4\xf0\x9f\x98\x80"
        "A");
  check(R"('a"b')", "a\"b");
  check(R"('a\'b')", "a'b");
  check("`a\\n\"\r\nb`", "a\\n\"\nb");
  check("\"\xff\"", "\xef\xbf\xbd");
}

TEST(GoUnquote, RefusesTheRest) {
  for (const std::string_view bad :
       {""sv, "\""sv, "abc"sv, "\"a"sv, "\"a'"sv, "\"a\nb\""sv, R"("\'")"sv, R"('\"')"sv,
        R"("\q")"sv, R"("\x4")"sv, R"("\400")"sv, R"("\08")"sv, R"("\ud800")"sv,
        R"("\U00110000")"sv, R"("a"b")"sv, R"("\")"sv, "`a`b`"sv}) {
    const auto got = go_unquote(bad);
    ASSERT_FALSE(got.ok()) << bad;
    EXPECT_EQ(message(got.status()), "invalid syntax");
  }
}

TEST(Names, LegacyAndUtf8) {
  EXPECT_TRUE(is_legacy_metric_name("a:b_9"));
  EXPECT_FALSE(is_legacy_metric_name("9a"));
  EXPECT_FALSE(is_legacy_metric_name(""));
  EXPECT_FALSE(is_legacy_metric_name("a.b"));
  EXPECT_TRUE(is_legacy_label_name("_a9"));
  EXPECT_FALSE(is_legacy_label_name("a:b"));
  EXPECT_TRUE(is_metric_name("a.b \xc3\xa4"));
  EXPECT_FALSE(is_metric_name("a\xff"));
  EXPECT_FALSE(is_label_name(""));
}

TEST(Names, Utf8IsCheckedAtEveryOffset) {
  for (std::size_t before = 0; before < 20; ++before) {
    const std::string good = std::string(before, 'x') + "\xe4\xb8\x96 tail";
    EXPECT_TRUE(is_utf8(good)) << before;
    EXPECT_FALSE(is_utf8(good.substr(0, before + 2))) << before;
    EXPECT_FALSE(is_utf8(std::string(before, 'x') + "\x80")) << before;
  }
}

TEST(Unicode, CaseMappingIsSimpleAndWithoutLocale) {
  EXPECT_EQ(unicode::to_lower("AbZ[@`{09"), "abz[@`{09");
  EXPECT_EQ(unicode::to_upper("aBz[@`{09"), "ABZ[@`{09");
  EXPECT_EQ(unicode::to_lower("\xc3\x84\xce\xa9\xd0\x96\xc4\xb0"), "\xc3\xa4\xcf\x89\xd0\xb6i");
  EXPECT_EQ(unicode::to_upper("\xc3\xa4\xcf\x89\xd0\xb6\xc3\x9f\xc3\xbf"),
            "\xc3\x84\xce\xa9\xd0\x96\xc3\x9f\xc5\xb8");
  EXPECT_EQ(unicode::to_lower("\xe1\xba\x80"), "\xe1\xba\x81");
  EXPECT_EQ(unicode::to_upper("a\xff"), "A\xef\xbf\xbd");
}

}  // namespace
}  // namespace tocsin::model
