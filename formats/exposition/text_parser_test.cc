// SPDX-License-Identifier: Apache-2.0
#include <bit>

#include <gtest/gtest.h>

#include "formats/exposition/recording_sink.h"

namespace tocsin::formats {
namespace {

using exposition::RecordingSink;

std::string parse(std::string_view page) {
  RecordingSink sink;
  const Status status = parse_text(page, sink);
  return status.ok() ? sink.text : sink.text + "! " + std::string(message(status));
}

TEST(TextParser, ReadsSamples) {
  const auto check = [](std::string_view page, std::string_view want) {
    EXPECT_EQ(parse(page), want) << page;
  };
  check("", "");
  check("\n \n\t\n", "");
  check("a 1\n", "a|1\n");
  check("a 1", "a|1\n");
  check(" a:b_9\t1.5e3 \n", "a:b_9|1500\n");
  check("a 1 1234567890123\n", "a|1@1234567890123\n");
  check("a 1 5 \nb 2", "a|1@5\nb|2\n");
  check("a{} 1\n", "a{}|1\n");
  check("a{b=\"c\"} 1\n", "a{b=\"c\"}|1\n");
  check("a{b=\"c\"}1\n", "a{b=\"c\"}|1\n");
  check("a {  b = \"c\" ,d=\"e\" , } 1\n", "a {  b = \"c\" ,d=\"e\" , }|1\n");
  check("a{b=\"c\"d=\"e\"} 1\n", "a{b=\"c\"d=\"e\"}|1\n");
  check("a{b=\"\\\\\\\"\\n}\"} 1\n", "a{b=\"\\\\\\\"\\n}\"}|1\n");
  check("a{b=\"two\nlines\"} 1\n", "a{b=\"two\nlines\"}|1\n");
  check("a{b=\"\xc3\xa4, long enough for words\"} 1\n",
        "a{b=\"\xc3\xa4, long enough for words\"}|1\n");
  check("{\"my.metric\"} 1\n", "{\"my.metric\"}|1\n");
  check("{ \"my.metric\" , l=\"v\", \"q.l\"=\"w\"} 1\n",
        "{ \"my.metric\" , l=\"v\", \"q.l\"=\"w\"}|1\n");
  check("{l=\"v\",\"my.metric\"} 1\n", "{l=\"v\",\"my.metric\"}|1\n");
}

TEST(TextParser, ReadsEveryFormOfValue) {
  const auto check = [](std::string_view value, std::string_view want) {
    EXPECT_EQ(parse("a " + std::string(value) + "\n"), "a|" + std::string(want) + "\n") << value;
  };
  check("+Inf", "+Inf");
  check("-inf", "-Inf");
  check("NaN", "NaN");
  check("-0", "-0");
  check("007", "7");
  check("999999999999999999", "1000000000000000000");
  check("1234567890123456789012", "1.2345678901234568e+21");
  check("9007199254740993", "9007199254740992");
  check("1e-7", "1e-07");
  check("3.", "3");
}

TEST(TextParser, EveryNanIsTheNormalOne) {
  struct Sink : RecordingSink {
    Status sample(const ExpositionSample& sample) override {
      bits = std::bit_cast<std::uint64_t>(sample.value);
      return ok();
    }
    std::uint64_t bits = 0;
  } sink;
  ASSERT_TRUE(parse_text("a nan\n", sink).ok());
  EXPECT_EQ(sink.bits, model::kNormalNanBits);
}

TEST(TextParser, ReadsMetadataAndIgnoresComments) {
  const auto check = [](std::string_view page, std::string_view want) {
    EXPECT_EQ(parse(page), want) << page;
  };
  check("# HELP a It \\n \\\\ \\\" helps. \n", "help a <It \n \\ \\\" helps. >\n");
  check("# HELP a\n", "help a <>\n");
  check("#\tHELP\t a  two\n", "help a < two>\n");
  check("# TYPE a counter\na 1\n", "type a counter\na|1\n");
  check("# TYPE a untyped", "type a unknown\n");
  check("# TYPE \"a.b\" histogram\n", "type a.b histogram\n");
  check("# HELPa b\n# HELP\n# helps\n#\n#HELP a b\n## TYPE x y\n# EOF\n# UNIT a b", "");
  check("# TYPE a summary\r\n", "! line 1: expected a metric type, got \"summary\\r\"");
}

TEST(TextParser, HandsOnTheKindOfTheLastTypeLine) {
  struct Sink : RecordingSink {
    Status sample(const ExpositionSample& sample) override {
      text += model::kind_text(sample.kind);
      text += ' ';
      return ok();
    }
  } sink;
  ASSERT_TRUE(parse_text("a 1\n# TYPE b histogram\nb 1\nc 2\n# TYPE d gauge\nd 1\n", sink).ok());
  EXPECT_EQ(sink.text, "unknown type b histogram\nhistogram histogram type d gauge\ngauge ");
}

TEST(TextParser, ErrorsNameTheLineAndWhatWasExpected) {
  const auto check = [](std::string_view page, std::string_view want) {
    const std::string got = parse(page);
    EXPECT_EQ(got.substr(got.find("! ") + 2), want) << page;
  };
  check("a", "line 1: expected a value, got the end of the page");
  check("a\n", "line 1: expected a value, got the end of the line");
  check("a 1\n\nb x\n", "line 3: expected a value, got \"x\"");
  check("a 0x1p1\n", "line 1: expected a value, got \"0x1p1\"");
  check("a 1_0\n", "line 1: expected a value, got \"1_0\"");
  check("a 1e999\n", "line 1: expected a value, got \"1e999\"");
  check("a 1 -5\n",
        "line 1: expected a timestamp in milliseconds or the end of the line, got \"-5\"");
  check("a 1 5x\n", "line 1: expected the end of the line after the timestamp, got \"x\"");
  check("a 1 5 6\n", "line 1: expected the end of the line after the timestamp, got \"6\"");
  check("a 1 9223372036854775808\n",
        "line 1: expected a timestamp of 64 bits, got \"9223372036854775808\"");
  check("9a 1\n", "line 1: expected a metric name, \"{\" or \"#\", got \"9a\"");
  check("a.b 1\n", "line 1: expected a value, got \".b\"");
  check("a{b='c'} 1\n", "line 1: expected a quoted label value, got \"'c'}\"");
  check("a{b} 1\n", "line 1: expected \"=\" after the label name, got \"}\"");
  check("a{b=\"c} 1\n", "line 1: expected a quoted label value, got \"\\\"c}\"");
  check("a{=\"c\"} 1\n", "line 1: expected a label name or \"}\", got \"=\\\"c\\\"}\"");
  check("a{b=\"c\",,} 1\n", "line 1: expected a label name or \"}\", got \",}\"");
  check("a{b=\"c\"", "line 1: expected a label name or \"}\", got the end of the page");
  check("x 1\na{b=\"\xff\"} 1\n",
        "line 2: expected a label value in UTF-8, got \"\\\"\\xff\\\"}\"");
  check("{} 1\n", "line 1: expected a metric name before or in the braces, got \"{}\"");
  check("{b=\"c\"} 1\n",
        "line 1: expected a metric name before or in the braces, got \"{b=\\\"c\\\"}\"");
  check("{\"a\",\"b\"} 1\n", "line 1: expected one metric name only, got \"\\\"b\\\"}\"");
  check("a{\"b\"} 1\n", "line 1: expected one metric name only, got \"\\\"b\\\"}\"");
  check("# HELP a \xff\n", "line 1: expected a help text in UTF-8, got \"\\xff\"");
  check("# TYPE a info\n", "line 1: expected a metric type, got \"info\"");
  check("# TYPE a\n", "line 1: expected a metric type, got the end of the line");
  check("# TYPE 9 gauge\n", "line 1: expected a metric name, got \"9\"");
}

TEST(TextParser, StopsWithTheSinksStatus) {
  RecordingSink sink;
  sink.stop_after = 2;
  EXPECT_EQ(parse_text("a 1\nb 2\nc 3\n", sink), resource_exhausted("enough"));
  EXPECT_EQ(sink.samples, 2);
}

// Quoted text is scanned eight bytes at a time: every special byte at every offset.
TEST(TextParser, FindsTheEndOfAValueAtEveryOffset) {
  for (std::size_t before = 0; before < 20; ++before) {
    const std::string padding(before, '!');  // next to the quote in ASCII
    const std::string after(9, '#');
    for (const std::string_view special :
         {"\\\"", "\\\\", "\n", "\xc3\xa4", "\x01", "\x7f", "{", "\xe4\xb8\x96"}) {
      const std::string series = "a{b=\"" + padding + std::string(special) + after + "\"}";
      EXPECT_EQ(parse(series + " 1\n"), series + "|1\n");
    }
    EXPECT_EQ(parse("a{b=\"" + padding + "\xc3" + after + "\"} 1").substr(0, 2), "! ") << before;
  }
}

}  // namespace
}  // namespace tocsin::formats
