// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "formats/exposition/recording_sink.h"

namespace tocsin::formats {
namespace {

using exposition::RecordingSink;

std::string parse(std::string_view page) {
  RecordingSink sink;
  const Status status = parse_openmetrics(page, sink);
  return status.ok() ? sink.text : sink.text + "! " + std::string(message(status));
}

// `lines` followed by the end mark.
std::string parse_lines(std::string_view lines) { return parse(std::string(lines) + "# EOF\n"); }

TEST(OpenMetricsParser, ReadsSamples) {
  const auto check = [](std::string_view lines, std::string_view want) {
    EXPECT_EQ(parse_lines(lines), want) << lines;
  };
  check("", "");
  check("a 1\n", "a|1\n");
  check("a{} 1.5\n", "a{}|1.5\n");
  check("a{b=\"c\",d=\"e\",} 1\n", "a{b=\"c\",d=\"e\",}|1\n");
  check("{\"a.b\",\"c d\"=\"e\"} NaN\n", "{\"a.b\",\"c d\"=\"e\"}|NaN\n");
  check("a 1 1520872607.123\n", "a|1@1520872607123\n");
  check("a 1 -1.5\n", "a|1@-1500\n");
  check("a 1 1e3\n", "a|1@1000000\n");
  check("a_created 1.6e9\n", "a_created|1600000000\n");
}

TEST(OpenMetricsParser, ReadsExemplars) {
  const auto check = [](std::string_view lines, std::string_view want) {
    EXPECT_EQ(parse_lines(lines), want) << lines;
  };
  check("a 1 # {id=\"x\"} 0.5\n", "a|1#{id=\"x\"} 0.5\n");
  check("a 1 # {} 0.5\n", "a|1#{} 0.5\n");
  check("a 1 2 # {id=\"x\",} 0.5 1.5\n", "a|1@2000#{id=\"x\",} 0.5 1.5\n");
}

TEST(OpenMetricsParser, ReadsMetadata) {
  const auto check = [](std::string_view lines, std::string_view want) {
    EXPECT_EQ(parse_lines(lines), want) << lines;
  };
  check("# HELP a It \\n \\\\ \\\" helps.\n", "help a <It \n \\ \" helps.>\n");
  check("# HELP a \n", "help a <>\n");
  check("# TYPE a gaugehistogram\n# TYPE b stateset\n# TYPE c info\n# TYPE d unknown\n",
        "type a gaugehistogram\ntype b stateset\ntype c info\ntype d unknown\n");
  check("# UNIT a_seconds seconds\n# UNIT b \n", "unit a_seconds seconds\nunit b \n");
  check("# TYPE \"a.b\" counter\n", "type a.b counter\n");
}

TEST(OpenMetricsParser, HandsOnTheUnitOfTheMetricOfTheLastMetadataLine) {
  struct Sink : RecordingSink {
    Status sample(const ExpositionSample& sample) override {
      text += fmt::format("{}<{}>\n", sample.series, sample.unit);
      return ok();
    }
    void type(std::string_view, model::MetricKind) override {}
    void help(std::string_view, std::string_view) override {}
    void unit(std::string_view, std::string_view) override {}
  } sink;
  ASSERT_TRUE(
      parse_openmetrics("a_s 1\n"
                        "# TYPE a_s summary\n# UNIT a_s s\n# HELP a_s says\n"
                        "a_s_sum 1\nb 1\n"
                        "# HELP c says\nc 1\n"
                        "# UNIT \"d.e_f g\" f g\n# TYPE \"d.e_f g\" gauge\n{\"d.e_f g\"} 1\n"
                        "# UNIT d_x x\nd_x 1\n# UNIT d_x \nd_x{a=\"1\"} 1\n# EOF\n",
                        sink)
          .ok());
  EXPECT_EQ(sink.text,
            "a_s<>\na_s_sum<s>\nb<s>\nc<>\n{\"d.e_f g\"}<f g>\nd_x<x>\nd_x{a=\"1\"}<>\n");
}

TEST(OpenMetricsParser, TheEndMarkIsTheEnd) {
  EXPECT_EQ(parse("a 1\n# EOF"), "a|1\n");
  EXPECT_EQ(parse("a 1\n# EOF\n"), "a|1\n");
  EXPECT_EQ(parse(""), "! line 1: expected \"# EOF\" as the last line, got the end of the page");
  EXPECT_EQ(parse("a 1\n"),
            "a|1\n! line 2: expected \"# EOF\" as the last line, got the end of the page");
  EXPECT_EQ(parse("# EOF\na 1\n"), "! line 2: expected nothing after \"# EOF\", got \"a\"");
  EXPECT_EQ(parse("# EOF\n\n"),
            "! line 2: expected nothing after \"# EOF\", got the end of the line");
  EXPECT_EQ(parse("# EOFx"), "! line 1: expected nothing after \"# EOF\", got \"x\"");
}

TEST(OpenMetricsParser, IsStricterThanTheTextFormat) {
  const auto check = [](std::string_view lines, std::string_view want) {
    EXPECT_EQ(parse_lines(lines), "! line 1: expected " + std::string(want)) << lines;
  };
  check("\n", "a metric name, \"{\" or \"#\", got the end of the line");
  check(" a 1\n", "a metric name, \"{\" or \"#\", got \" a\"");
  check("a  1\n", "a value, got \" 1\"");
  check("a\t1\n", "a space and a value, got \"\\t1\"");
  check("a {b=\"c\"} 1\n", "a value, got \"{b=\\\"c\\\"}\"");
  check("a{ b=\"c\"} 1\n", "a label name or \"}\", got \" b=\\\"c\\\"}\"");
  check("a{b=\"c\" ,d=\"e\"} 1\n", "\",\" or \"}\" after the label value, got \" ,d=\\\"e\\\"}\"");
  check("a{b=\"c\"d=\"e\"} 1\n", "\",\" or \"}\" after the label value, got \"d=\\\"e\\\"}\"");
  check("a{b=\"c\nd\"} 1\n", "a quoted label value, got \"\\\"c\"");
  check("a 1 \n", "a timestamp in seconds, got the end of the line");
  check("a 1 NaN\n", "a timestamp in seconds, got \"NaN\"");
  check("a 1 +Inf\n", "a timestamp in seconds, got \"+Inf\"");
  check("a 1 2 3\n", "the end of the line, got \" 3\"");
  check("a 1 # x\n", "the end of the line, got \" #\"");
  check("a 1 # {\"x\"} 1\n", "\"=\" after the label name, got \"}\"");
  check("a 1 # {x=\"1\"}\n", "a space and the exemplar's value, got the end of the line");
  check("a 1 # {x=\"1\"} y\n", "a value, got \"y\"");
  check("a 1 # {x=\"1\"} 1 NaN\n", "a timestamp in seconds, got \"NaN\"");
  check("# comment\n", "# HELP, # TYPE, # UNIT or # EOF, got \"#\"");
  check("#  TYPE a gauge\n", "# HELP, # TYPE, # UNIT or # EOF, got \"#\"");
  check("# TYPE a untyped\n", "a metric type, got \"untyped\"");
  check("# TYPE a gauge \n", "a metric type, got \"gauge\"");
  check("# HELP a\n", "a space and a text, got the end of the line");
  check("# UNIT a_seconds meters\n", "a unit that is the metric name's suffix, got \"meters\"");
  check("# UNIT seconds seconds\n", "a unit that is the metric name's suffix, got \"seconds\"");
  check("# UNIT aseconds seconds\n", "a unit that is the metric name's suffix, got \"seconds\"");
}

}  // namespace
}  // namespace tocsin::formats
