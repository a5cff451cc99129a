// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/statsd/statsd_line.h"

#include <gtest/gtest.h>

namespace tocsin::exporters::app {
namespace {

constexpr std::string_view kTypes[] = {"c", "g", "ms", "h", "d", "s"};

// Writes what a packet says as one line for each sample or error.
class Printer final : public StatsdSink {
 public:
  void sample(const StatsdSample& sample) override {
    const StatsdSeries series = read_statsd_series(sample);
    text += fmt::format("{} {} ", series.name, kTypes[static_cast<std::size_t>(sample.type)]);
    text += sample.type == StatsdType::kSet ? std::string(sample.text)
                                            : fmt::format("{:g}", sample.value);
    if (sample.is_relative) text += " relative";
    if (sample.rate != 1) text += fmt::format(" @{:g}", sample.rate);
    for (const auto& [name, value] : series.tags) text += fmt::format(" {}={}", name, value);
    if (series.bad_tags != 0) text += fmt::format(" ({} bad tags)", series.bad_tags);
    if (series.is_mixed) text += " (mixed)";
    if (!series.is_text) text += " (no text)";
    text += ";";
  }
  void error(StatsdError error) override { text += fmt::format("!{};", statsd_error_text(error)); }

  std::string text;
};

TEST(StatsdLine, ReadsWhatClientsSend) {
  const auto check = [](std::string_view packet, std::string_view expected) {
    Printer printer;
    read_statsd_packet(packet, printer);
    EXPECT_EQ(printer.text, expected) << packet;
  };
  check("a.b:1|c", "a.b c 1;");
  check("a:1|c\nb:2|g\r\n\n", "a c 1;b g 2;");
  check("a:0.5|c|@0.1", "a c 0.5 @0.1;");
  check("a:320|ms", "a ms 320;");
  check("a:+3|g", "a g 3 relative;");
  check("a:-3.5e2|g", "a g -350 relative;");
  check("a:3|g|@0.5", "a g 3 @0.5;");
  check("users:alice|s", "users s alice;");
  check("a:1|h\na:2|d", "a h 1;a d 2;");
  // Several samples of one name, as statsd_exporter has them.
  check("a:1|c:2|ms|@0.5:3|g", "a c 1;a ms 2 @0.5;a g 3;");
  check("a:1|g:2|c:3|ms", "a g 1;a c 2;a ms 3;");
  check("a:1|ms|@0.5:2|c:3|g", "a ms 1 @0.5;a c 2;a g 3;");
  check("a:1|ms|@0.5|c:id", "a ms 1 @0.5 container_id=id;");
  // Several values of one kind, as DogStatsD has them.
  check("a:1:2:3|ms|#x:y", "a ms 1 x=y;a ms 2 x=y;a ms 3 x=y;");
  check("a:1:2|c", "!illegal_type;");
  // Tags.
  check("a:1|c|#env:prod,zone:eu:1", "a c 1 env=prod zone=eu:1;");
  check("a:1|c|@0.5|#env:prod|c:abc", "a c 1 @0.5 container_id=abc env=prod;");
  check("a:1|c|#env:prod|T1700000000", "a c 1 env=prod;");
  check("a,env=prod,x.y=2:1|c", "a c 1 env=prod x_y=2;");
  check("a#env=prod:1|c", "a c 1 env=prod;");
  check("a[env=prod,b=1].rest:1|c", "a.rest c 1 b=1 env=prod;");
  check("a:1|c|#env:1,env:2", "a c 1 env=2;");
  check("a:1|c|#env,:x,y:,le:5,__name__:z,ok:1", "a c 1 ok=1 (5 bad tags);");
  check("a[env=prod:1|c", "a[env=prod c 1 (1 bad tags);");
  check("a,env=prod:1|c|#b:c", "a c 1 b=c env=prod (mixed);");
  check("a\xff:1|c", "a\xff c 1 (no text);");
  // What is refused, and that the rest of the packet counts.
  check("a\nb:1|c", "!malformed_line;b c 1;");
  check(":1|c", "!malformed_line;");
  check("a:1", "!malformed_line;");
  check("a:|c", "!malformed_value;");
  check("a:x|c", "!malformed_value;");
  check("a:1x|c", "!malformed_value;");
  check("a:nan|g", "!malformed_value;");
  check("a:inf|g", "!malformed_value;");
  check("a:1e999|g", "!malformed_value;");
  check("a:|s", "!malformed_value;");
  check("a:-1|c", "!negative_counter;");
  check("a:1|", "!malformed_component;");
  check("a:1|q", "!illegal_type;");
  check("a:1|c|", "a c 1;");
  check("a:1|c||@1", "!malformed_component;");
  check("a:1|c|@0", "!invalid_sample_rate;");
  check("a:1|c|@2", "!invalid_sample_rate;");
  check("a:1|c|@x", "!invalid_sample_rate;");
  check("a:1|c|Tx", "!malformed_component;");
  check("a:1|c|@1|@1|@1|@1|@1|@1|@1", "!malformed_component;");
  check("", "");
}

TEST(StatsdLine, EscapesNamesAsStatsdExporter) {
  EXPECT_EQ(escaped_metric_name("clean_1"), "clean_1");
  EXPECT_EQ(escaped_metric_name("0starts"), "_0starts");
  EXPECT_EQ(escaped_metric_name("a.b-c d"), "a_b_c_d");
  EXPECT_EQ(escaped_metric_name("a--b"), "a_b");
  EXPECT_EQ(escaped_metric_name("a..b"), "a__b");
  EXPECT_EQ(escaped_metric_name("a\xf0\x9f\x98\xb1z"), "a_z");
  EXPECT_EQ(escaped_metric_name(""), "");
}

}  // namespace
}  // namespace tocsin::exporters::app
