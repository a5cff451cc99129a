// SPDX-License-Identifier: Apache-2.0
#include "exporters/redis/resp.h"

#include <gtest/gtest.h>

namespace tocsin::exporters {
namespace {

using Kind = RespValue::Kind;

std::string to_text(const RespValue& value) {
  switch (value.kind) {
    case Kind::kNull:
      return "null";
    case Kind::kText:
      return fmt::format("{:?}", value.text);
    case Kind::kError:
      return fmt::format("error {:?}", value.text);
    case Kind::kInteger:
      return fmt::format("{}", value.integer);
    case Kind::kDouble:
      return fmt::format("double {}", value.number);
    case Kind::kBoolean:
      return value.integer != 0 ? "true" : "false";
    case Kind::kArray:
      break;
  }
  std::string text = "[";
  for (const RespValue& item : value.items) {
    text += (text.size() == 1 ? "" : " ") + to_text(item);
  }
  return text + "]";
}

// The values in `bytes` with blanks between, fed in pieces; then "error: ..." or "..." for more.
std::string parse(std::string_view bytes, std::size_t piece, RespParser::Limits limits = {}) {
  RespParser parser(limits);
  std::string out;
  bool is_whole = true;
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, piece);
    const StatusOr<std::size_t> used = parser.feed(part);
    if (!used.ok()) return out + "error: " + std::string(message(used.status()));
    bytes.remove_prefix(*used);
    is_whole = parser.has_value();
    if (is_whole) out += to_text(parser.take()) + " ";
  }
  return is_whole ? out : out + "...";
}

void check(std::string_view bytes, std::string_view expected, RespParser::Limits limits = {}) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{1000}}) {
    EXPECT_EQ(parse(bytes, piece, limits), expected) << bytes << " in pieces of " << piece;
  }
}

TEST(RespTest, ReadsEveryType) {
  check("+OK\r\n", "\"OK\" ");
  check("-ERR no\r\n", "error \"ERR no\" ");
  check(":-12\r\n", "-12 ");
  check("$5\r\nhello\r\n", "\"hello\" ");
  check("$0\r\n\r\n", "\"\" ");
  check("$4\r\n\r\n\r\n\r\n", "\"\\r\\n\\r\\n\" ");
  check("$-1\r\n", "null ");
  check("*-1\r\n", "null ");
  check("*0\r\n", "[] ");
  check("*2\r\n:1\r\n*1\r\n+x\r\n", "[1 [\"x\"]] ");
  check("*2\r\n*0\r\n*0\r\n", "[[] []] ");
  // RESP3
  check("_\r\n", "null ");
  check("#t\r\n#f\r\n", "true false ");
  check(",1.5\r\n,inf\r\n", "double 1.5 double inf ");
  check("(123456789012345678901\r\n", "\"123456789012345678901\" ");
  check("!5\r\nERR x\r\n", "error \"ERR x\" ");
  check("=6\r\ntxt:hi\r\n", "\"txt:hi\" ");
  check("%1\r\n+a\r\n:1\r\n", "[\"a\" 1] ");
  check("~2\r\n:1\r\n:2\r\n", "[1 2] ");
}

TEST(RespTest, LeavesOutAttributesAndPushes) {
  check("|1\r\n+ttl\r\n:3\r\n+value\r\n", "\"value\" ");
  check("*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n:2\r\n", "[1 2] ");
  check(">2\r\n+message\r\n+x\r\n:7\r\n", "7 ");
  check(">0\r\n:7\r\n", "7 ");
}

TEST(RespTest, WaitsForTheRest) {
  check("$5\r\nhel", "...");
  check("*2\r\n:1\r\n", "...");
  check("+OK\r", "...");
}

TEST(RespTest, RefusesWhatIsNoRESP) {
  const auto refused = [](std::string_view bytes, std::string_view why) {
    check(bytes, fmt::format("error: the server does not speak RESP: {}", why));
  };
  refused("HTTP/1.1 200 OK\r\n", "an unknown type");
  refused("\r\n", "an empty line");
  refused("+OK\n", "a line does not end with CRLF");
  refused(":x\r\n", "a bad integer");
  refused(":99999999999999999999\r\n", "a bad integer");
  refused(",x\r\n", "a bad double");
  refused("#x\r\n", "a bad boolean");
  refused("$-2\r\n", "a bad length");
  refused("*-2\r\n", "a bad count");
  refused("$1\r\nab\r\n", "a text is longer than announced");
  refused("*1\r\n>1\r\n:1\r\n", "a push inside a value");
}

TEST(RespTest, HasLimits) {
  const RespParser::Limits limits{.depth = 2, .line_bytes = 10, .value_bytes = 1000};
  check("*1\r\n*1\r\n:1\r\n", "[[1]] ", limits);
  check("*1\r\n*1\r\n*1\r\n:1\r\n", "error: a reply is nested more than 2 deep", limits);
  check("+12345678901\r\n", "error: the server does not speak RESP: a line is too long", limits);
  const std::string_view too_big = "error: a reply takes more than 1000 bytes";
  check("$1001\r\n", too_big, limits);
  check("*1001\r\n", too_big, limits);
  // Many small items take more memory than bytes.
  std::string many = "*500\r\n";
  for (int i = 0; i < 500; ++i) many += ":1\r\n";
  check(many, too_big, limits);
  // The limit is for one value.
  std::string row;
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    row += ":1\r\n";
    expected += "1 ";
  }
  check(row, expected, limits);
}

TEST(RespTest, FindsNumbersAndMembers) {
  RespParser parser;
  ASSERT_TRUE(parser.feed("*6\r\n+a\r\n:5\r\n+b\r\n$3\r\n2.5\r\n+c\r\n+x\r\n").ok());
  const RespValue map = parser.take();
  EXPECT_EQ(map.at("a")->as_integer(), 5);
  EXPECT_EQ(map.at("a")->as_number(), 5.0);
  EXPECT_EQ(map.at("b")->as_number(), 2.5);
  EXPECT_EQ(map.at("b")->as_integer(), std::nullopt);
  EXPECT_EQ(map.at("c")->as_number(), std::nullopt);
  EXPECT_EQ(map.at("c")->as_text(), "x");
  EXPECT_EQ(map.at("x"), nullptr) << "a value is no key";
  EXPECT_EQ(map.as_number(), std::nullopt);
}

TEST(RespTest, WritesCommands) {
  std::string out = "!";
  const std::vector<std::string_view> words = {"GET", "", "a b\r\n"};
  append_command(words, &out);
  EXPECT_EQ(out, "!*3\r\n$3\r\nGET\r\n$0\r\n\r\n$5\r\na b\r\n\r\n");
}

}  // namespace
}  // namespace tocsin::exporters
