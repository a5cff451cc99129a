// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <limits>

#include <gtest/gtest.h>

#include "base/utf8.h"

namespace tocsin::base {
namespace {

TEST(JsonWriter, WritesNestedValuesWithCommas) {
  std::string out;
  JsonWriter json(&out);
  json.begin_object().field("a", "x").field("b", true).key("list").begin_array();
  json.integer(-1).null().begin_object().end_object().string("s").begin_array().end_array();
  json.end_array().key("raw").raw("[1,2]").field("c", std::string("y")).end_object();
  EXPECT_EQ(out, R"({"a":"x","b":true,"list":[-1,null,{},"s",[]],"raw":[1,2],"c":"y"})");
}

TEST(JsonWriter, NumbersAreTheShortestThatReadBack) {
  const auto check = [](double value, std::string_view want) {
    std::string out;
    JsonWriter(&out).number(value);
    EXPECT_EQ(out, want);
  };
  check(0, "0");
  check(-0.0, "-0");
  check(1, "1");
  check(0.1, "0.1");
  check(1.0 / 3, "0.3333333333333333");
  check(123456789012345680000.0, "123456789012345680000");
  check(-9007199254740993.0, "-9007199254740992");
  check(1e21, "1e+21");
  check(1e-6, "0.000001");
  check(1.5e-7, "1.5e-7");
  check(std::numeric_limits<double>::quiet_NaN(), "null");
  check(-std::numeric_limits<double>::infinity(), "null");
}

TEST(JsonWriter, EscapesStrings) {
  const auto check = [](std::string_view text, JsonWriter::Escaping escaping,
                        std::string_view want) {
    std::string out;
    JsonWriter(&out, escaping).string(text);
    EXPECT_EQ(out, want);
  };
  check("a\"b\\c\n\r\t\x01", JsonWriter::kPlain, R"("a\"b\\c\n\r\t\u0001")");
  check("<&>\xE2\x80\xA8\xC3\xA9", JsonWriter::kPlain, "\"<&>\xE2\x80\xA8\xC3\xA9\"");
  check("<&>\xE2\x80\xA8\xE2\x80\xA9\xC3\xA9", JsonWriter::kGo,
        "\"\\u003c\\u0026\\u003e\\u2028\\u2029\xC3\xA9\"");
  check("a\xFF\xC3z\xE2\x82", JsonWriter::kPlain,
        "\"a\xEF\xBF\xBD\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST(Utf8, FindsValidSequencesOnly) {
  const auto check = [](std::string_view text, std::size_t want) {
    EXPECT_EQ(utf8_length(text), want) << ::testing::PrintToString(text);
  };
  check("a", 1);
  check("\xC3\xA9", 2);
  check("\xE2\x82\xAC", 3);
  check("\xF0\x9F\x98\x80", 4);
  check("\x80", 0);
  check("\xC0\x80", 0);          // overlong
  check("\xE0\x80\x80", 0);      // overlong
  check("\xED\xA0\x80", 0);      // surrogate
  check("\xF4\x90\x80\x80", 0);  // above U+10FFFF
  check("\xF0\x9F\x98", 0);      // cut off
}

TEST(JsonReader, ReadsEveryKind) {
  const StatusOr<JsonValue> root = parse_json(
      R"({"n":null,"t":true,"i":-42,"u":18446744073709551615,"d":1.5,"s":"\u00e9","a":[1,[]],"o":{}})");
  ASSERT_TRUE(root.ok()) << root.status();
  using Kind = JsonValue::Kind;
  EXPECT_EQ(root->entries().size(), 8U);
  EXPECT_EQ(root->entries()[0].first, "n");
  EXPECT_TRUE(root->find("n")->is(Kind::kNull));
  EXPECT_TRUE(root->find("t")->boolean());
  EXPECT_EQ(root->find("t")->integer(), 0);
  EXPECT_EQ(root->find("i")->integer(), -42);
  EXPECT_EQ(root->find("i")->number(), -42.0);
  EXPECT_FALSE(root->find("i")->boolean());
  EXPECT_TRUE(root->find("u")->is(Kind::kNumber));
  EXPECT_EQ(root->find("u")->number(), 18446744073709551616.0);
  EXPECT_EQ(root->find("d")->number(), 1.5);
  EXPECT_EQ(root->find("s")->string(), "\xC3\xA9");
  ASSERT_EQ(root->find("a")->items().size(), 2U);
  EXPECT_TRUE(root->find("a")->items()[1].is(Kind::kArray));
  EXPECT_TRUE(root->find("o")->is(Kind::kObject));
  EXPECT_EQ(root->find("absent"), nullptr);
}

TEST(JsonReader, OfEqualKeysTheLastCounts) {
  const StatusOr<JsonValue> root = parse_json(R"({"a":1,"a":2})");
  ASSERT_TRUE(root.ok());
  EXPECT_EQ(root->find("a")->integer(), 2);
}

TEST(JsonReader, ErrorsNameLineAndColumn) {
  const auto check = [](std::string_view text, std::string_view want_start) {
    const StatusOr<JsonValue> root = parse_json(text);
    ASSERT_FALSE(root.ok()) << text;
    EXPECT_EQ(root.status().code(), StatusCode::kInvalidArgument);
    EXPECT_TRUE(message(root.status()).starts_with(want_start)) << text << "\n"
                                                                << message(root.status());
    EXPECT_EQ(message(root.status()).find("json.exception"), std::string_view::npos);
  };
  check("", "line 1, column 1: ");
  check("{\n  \"a\": ?\n}", "line 2, column 8: ");
  check("[1,2", "line 1, column 5: ");
  check("[1] x", "line 1, column 5: ");
  check("{\"a\":1e999}", "line 1, column 10: number overflow");
  check("\"\xFF\"", "line 1, column 2: ");
  check("nul", "line 1, column ");
}

TEST(JsonReader, AZeroByteDoesNotEndTheText) {
  EXPECT_FALSE(parse_json(std::string_view("1\0 and more", 11)).ok());
  EXPECT_FALSE(parse_json(std::string_view("[1]\0", 4)).ok());
}

TEST(JsonReader, LimitsTheDepth) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse_json(nested(64)).ok());
  EXPECT_EQ(message(parse_json(nested(65)).status()),
            "line 1, column 65: nested deeper than 64 levels");
  EXPECT_FALSE(parse_json(std::string(1'000'000, '[')).ok());
  EXPECT_TRUE(parse_json(R"(["[[[[\"[[["])", 1).ok()) << "brackets in strings do not count";
}

}  // namespace
}  // namespace tocsin::base
