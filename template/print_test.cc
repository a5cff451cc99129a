// SPDX-License-Identifier: Apache-2.0
//
// Printing, formatting and times.
#include <cmath>

#include <gtest/gtest.h>

#include "model/alert.h"
#include "template/value.h"

namespace tocsin::tmpl {
namespace {

const Value kInt = Value::of(42);
const Value kNegative = Value::of(-42);
const Value kFloat = Value::of(3.14159);
const Value kText = Value::of("héllo");
const Value kList = Value::of(List{Value::of("a"), Value::of(1)});

struct Row {
  std::string format;
  std::vector<Value> arguments;
  std::string expected;
};

TEST(Printf, FollowsGo) {
  const std::vector<Row> rows = {
      {"%d|%5d|%-5d|%05d|%+d|% d",
       {kInt, kInt, kInt, kInt, kInt, kInt},
       "42|   42|42   |00042|+42| 42"},
      {"%x %X %#x %o %b %c %q %U",
       {kInt, kInt, kInt, kInt, kInt, kInt, kInt, kInt},
       "2a 2A 0x2a 52 101010 * '*' U+002A"},
      {"%05d|%.4d|%x", {kNegative, kNegative, kNegative}, "-0042|-0042|-2a"},
      {"%f|%.2f|%8.3f|%-8.1f|%08.2f",
       {kFloat, kFloat, kFloat, kFloat, kFloat},
       "3.141590|3.14|   3.142|3.1     |00003.14"},
      {"%e|%g|%.3g|%G|%v",
       {kFloat, kFloat, kFloat, Value::of(1e30), Value::of(1e6)},
       "3.141590e+00|3.14159|3.14|1E+30|1e+06"},
      {"%v %v %v %.2f",
       {Value::of(1.0), Value::of(100000.0), Value::of(-0.5), Value::of(-0.001)},
       "1 100000 -0.5 -0.00"},
      {"%v %f %5.1f",
       {Value::of(HUGE_VAL), Value::of(-HUGE_VAL), Value::of(HUGE_VAL)},
       "+Inf -Inf  +Inf"},
      {"%s|%10s|%-8s|%.2s|%q|%x|% X",
       {kText, kText, kText, kText, kText, kText, kText},
       "héllo|     héllo|héllo   |hé|\"héllo\"|68c3a96c6c6f|68 C3 A9 6C 6C 6F"},
      {"%t %v %5t", {Value::of(true), Value::of(false), Value::of(true)}, "true false  true"},
      {"%T %T %T %T %T",
       {kInt, kFloat, kText, kList, Value::of(true)},
       "int float64 string []interface {} bool"},
      {"%v %d %s",
       {kList, Value::of(List{Value::of(1), Value::of(2)}), kList},
       "[a 1] [1 2] [a %!s(int=1)]"},
      {"%d %s %t", {kText, kInt, kInt}, "%!d(string=héllo) %!s(int=42) %!t(int=42)"},
      {"%d %d", {kInt}, "42 %!d(MISSING)"},
      {"%d", {kInt, kText, kFloat}, "42%!(EXTRA string=héllo, float64=3.14159)"},
      {"%", {}, "%!(NOVERB)"},
      {"%% %z", {kInt}, "% %!z(int=42)"},
      {"%v %d", {Value(), Value()}, "<nil> %!d(<nil>)"},
      {"%*d|%-*d|%.*f",
       {Value::of(5), kInt, Value::of(4), kInt, Value::of(1), kFloat},
       "   42|42  |3.1"},
      {"%9999999999d", {kInt}, "%!(BADWIDTH)42"},
      {"%s %d",
       {Value::of(model::Duration(90000)), Value::of(model::Duration(1))},
       "1m30s 1000000"},
  };
  for (const Row& row : rows) {
    const StatusOr<std::string> out = go_printf(row.format, row.arguments);
    ASSERT_TRUE(out.ok()) << row.format;
    EXPECT_EQ(*out, row.expected) << row.format;
  }
}

TEST(Print, PutsSpacesBetweenOperandsThatAreNoStrings) {
  const std::vector<Value> values = {Value::of(1),   Value::of(2), Value::of("a"),
                                     Value::of("b"), Value::of(3), Value()};
  EXPECT_EQ(go_print(values).value(), "1 2ab3 <nil>");
  EXPECT_EQ(go_println(values).value(), "1 2 a b 3 <nil>\n");
}

TEST(Print, RefusesTextWithoutEnd) {
  Value value = Value::of(std::string(1000, 'x'));
  for (int i = 0; i < 60; ++i) value = Value::of(List{value, value});
  EXPECT_EQ(go_print(std::vector<Value>{value}).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(to_json(value).status().code(), StatusCode::kResourceExhausted);
}

TEST(Json, IsWrittenAsGoWrites) {
  const Value value = Value::of(
      Map{{"t", Value::of("<a&b>")}, {"n", Value()}, {"l", kList}, {"f", Value::of(1.5)}});
  EXPECT_EQ(to_json(value).value(), R"({"f":1.5,"l":["a",1],"n":null,"t":"\u003ca\u0026b\u003e"})");
  EXPECT_EQ(to_json(Value::of(Time{model::kNoTime})).value(), "\"0001-01-01T00:00:00Z\"");
}

Time at(std::int64_t ms) { return Time{model::from_ms(ms), base::TimeZone::utc()}; }

TEST(Time, FormatsLayouts) {
  const Time time = at(1704100530123);  // 2024-01-01 09:15:30.123, a Monday
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"2006-01-02 15:04:05", "2024-01-01 09:15:30"},
      {"Mon Jan _2 15:04:05 MST 2006", "Mon Jan  1 09:15:30 UTC 2024"},
      {"Monday, 02-Jan-06 3:04PM", "Monday, 01-Jan-24 9:15AM"},
      {"2006-01-02T15:04:05.000Z07:00", "2024-01-01T09:15:30.123Z"},
      {"15:04:05.999999 .00 -0700 -07:00 -07", "09:15:30.123 .12 +0000 +00:00 +00"},
      {"1/2/06 002 January 03pm", "1/1/24 001 January 09am"},
      {"day 2 of _2006", "day 1 of _2024"},
  };
  for (const auto& [layout, expected] : rows) {
    EXPECT_EQ(format_time(time, layout), expected) << layout;
  }
  EXPECT_EQ(Value::of(time).to_text(), "2024-01-01 09:15:30.123 +0000 UTC");
  EXPECT_EQ(Value::of(Time{model::kNoTime}).to_text(), "0001-01-01 00:00:00 +0000 UTC");
  EXPECT_EQ(Value::of(at(0)).to_text(), "1970-01-01 00:00:00 +0000 UTC");
}

TEST(Time, ParsesLayouts) {
  const auto parsed = [](std::string_view layout, std::string_view text) -> std::string {
    const StatusOr<Time> time = parse_time(layout, text, base::TimeZone::utc());
    return time.ok() ? Value::of(*time).to_text() : std::string(message(time.status()));
  };
  EXPECT_EQ(parsed("2006-01-02", "2024-02-29"), "2024-02-29 00:00:00 +0000 UTC");
  EXPECT_EQ(parsed("2006-01-02", "2023-02-29"), "parsing time \"2023-02-29\": value out of range");
  EXPECT_EQ(parsed("2006-01-02T15:04:05Z07:00", "2024-01-01T10:15:30.5+01:00"),
            "2024-01-01 09:15:30.5 +0000 UTC");
  EXPECT_EQ(parsed("Jan _2 3:04PM 2006", "Mar  5 1:02PM 2024"), "2024-03-05 13:02:00 +0000 UTC");
  EXPECT_EQ(parsed("2006", "24x"),
            "parsing time \"24x\" as \"2006\": cannot parse \"24x\" as \"2006\"");
  EXPECT_EQ(parsed("2006", "2024x"), "parsing time \"2024x\": extra text: \"x\"");
}

}  // namespace
}  // namespace tocsin::tmpl
