// SPDX-License-Identifier: Apache-2.0
#include "promql/script.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/value.h"
#include "promql/testing/mem_script_store.h"

namespace tocsin::promql {
namespace {

ScriptResult run(std::string_view text) {
  auto result = run_script(text, "test", testing::make_mem_script_store);
  EXPECT_TRUE(result.ok()) << message(result.status());
  return result.ok() ? *result : ScriptResult{};
}

std::string error_of(std::string_view text) {
  const auto result = run_script(text, "test", testing::make_mem_script_store);
  return result.ok() ? "" : std::string(message(result.status()));
}

std::string points(std::string_view line) {
  const auto series = parse_series_line(line);
  if (!series.ok()) return std::string(message(series.status()));
  std::string out = series->labels.to_series_string() + ":";
  for (const SeriesLine::Item& item : series->points) {
    switch (item.kind) {
      case SeriesLine::Item::Kind::kGap:
        out += " _";
        break;
      case SeriesLine::Item::Kind::kStale:
        out += " stale";
        break;
      case SeriesLine::Item::Kind::kFloat:
        out += " " + model::format_float(item.value);
        break;
      case SeriesLine::Item::Kind::kHistogram:
        out += fmt::format(" h{}", item.histogram->count);
        break;
    }
  }
  return out;
}

TEST(SeriesLine, Points) {
  EXPECT_EQ(points("x 5 -2.3e1 Inf -inf NaN stale"), "x: 5 -23 +Inf -Inf NaN stale");
  EXPECT_EQ(points("x{a=\"}\"} _ _x2 1x2 0x1"), "x{a=\"}\"}: _ _ _ 1 1 1 0 0");
  EXPECT_EQ(points("{a='b'} 1+2x2 1-1x1 -1-.5x1"), "{a=\"b\"}: 1 3 5 1 0 -1 -1.5");
  EXPECT_EQ(points("x {a=\"b\"}\t 1"), "x{a=\"b\"}: 1");
  EXPECT_EQ(points("x {{count:3}} {{}}x1 {{count:1}}+{{count:2}}x2"), "x: h3 h0 h0 h1 h3 h5");
  EXPECT_EQ(points("x {{schema:1 count:3 buckets:[1 2]}}-{{schema:2 count:1 buckets:[1]}}x1"),
            "x: h3 h2");
  EXPECT_EQ(points("x"), "x:");
}

TEST(SeriesLine, Mistakes) {
  EXPECT_EQ(points("x 1+{{count:1}}x2"),
            "strconv.ParseFloat: parsing \"+{{count:1}}\": invalid syntax");
  EXPECT_EQ(points("x {{count:1"), "unterminated histogram at \"{{count:1\"");
  EXPECT_EQ(points("x {{colour:1}}"), "histogram: unknown key \"colour\"");
  EXPECT_EQ(points("x {{schema:1}}+{{schema:0}}x2"),
            "error combining histograms: cannot increase schema from 0 to 1");
  EXPECT_EQ(points("x 1x99999999999"), "bad number of repetitions \"99999999999\"");
  EXPECT_EQ(points("x{a=\"b\" 1"), "1:9: parse error: unexpected character inside braces: '1'");
}

TEST(Script, CountsAndGoesOnAfterAFailure) {
  const ScriptResult result = run(R"(
load 10s
  x 1 2 3

eval instant at 10s x
  x 2

eval instant at 10s x
  x 7

eval range from 0 to 20s step 10s x
  x 1 2 3
)");
  EXPECT_EQ(result.total, 3);
  EXPECT_EQ(result.passed, 2);
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures[0].line, 8);
  EXPECT_EQ(result.failures[0].text, "x: expected 7 for x, got 2 (as x at 10000 ms)");
}

// Each of these must fail: an expectation that cannot fail tests nothing.
TEST(Script, EveryExpectationCanFail) {
  const std::string load = "load 10s\n  x{l=\"a\"} 1 2\n  x{l=\"b\"} 3 4\n\n";
  for (const char* eval : {
           "eval instant at 10s x\n  x{l=\"a\"} 2",
           "eval instant at 10s x{l=\"a\"}\n  x{l=\"a\"} 2\n  x{l=\"c\"} 2",
           "eval instant at 10s sort(x)\n  expect ordered\n  x{l=\"b\"} 4\n  x{l=\"a\"} 2",
           "eval instant at 10s x{l=\"a\"}\n  expect fail\n  x{l=\"a\"} 2",
           "eval instant at 10s count_values(\"0\\xff\", x)\n  expect fail msg: other",
           "eval instant at 10s count_values(\"0\\xff\", x)\n  expect fail regex: ^other",
           "eval instant at 10s count_values(\"0\\xff\", x)",
           "eval instant at 10s sum(x)\n  expect warn\n  {} 6",
           "eval instant at 10s sum(x)\n  expect info\n  {} 6",
           "eval instant at 10s quantile(2, x)\n  expect no_warn\n  {} +Inf",
           "eval instant at 10s quantile(2, x)\n  expect warn msg: other\n  {} +Inf",
           "eval instant at 10s rate(x{l=\"a\"}[20s])\n  expect no_info\n  {l=\"a\"} 0.1",
           "eval instant at 10s 2\n  3",
           "eval instant at 10s \"a\"\n  expect string \"b\"",
           "eval instant at 10s x{l=\"a\"}[20s]\n  expect range vector from 0 to 10s step 10s\n  "
           "x{l=\"a\"} 1 3",
           "eval range from 0 to 10s step 10s x{l=\"a\"}\n  x{l=\"a\"} 1",
           "eval range from 0 to 10s step 10s x{l=\"a\"}\n  x{l=\"a\"} 1 2 3",
           "eval range from 0 to 10s step 10s x{l=\"a\"}\n  x{l=\"a\"} _ 2",
       }) {
    const ScriptResult result = run(load + eval);
    EXPECT_EQ(result.total, 1) << eval;
    EXPECT_EQ(result.passed, 0) << eval;
  }
}

TEST(Script, FailuresNameLineQueryAndDifference) {
  const ScriptResult result = run(R"(
load 10s
  f 1 2 3

eval instant at 10s f
  f 2

eval instant at 10s f + 1
  {} 9

eval instant at 10s label_replace(f, "a", "b", "c", "[")
  f 3
)");
  EXPECT_EQ(result.total, 3);
  EXPECT_EQ(result.passed, 1);
  ASSERT_EQ(result.failures.size(), 2U);
  EXPECT_EQ(result.failures[0].line, 8);
  EXPECT_THAT(result.failures[0].text,
              ::testing::AllOf(::testing::StartsWith("f + 1: "), ::testing::HasSubstr("9")));
  EXPECT_EQ(result.failures[1].line, 11);
  EXPECT_THAT(result.failures[1].text, ::testing::HasSubstr("error: "));
}

TEST(Script, BadScriptsNameTheLine) {
  EXPECT_EQ(error_of("load 10s\n  x 1\n\nevil instant at 1s x"),
            "test:4: unknown command \"evil\"");
  EXPECT_EQ(error_of("eval instant at 1s x\n  expect sunshine"),
            "test:2: unknown expectation \"sunshine\"");
  EXPECT_EQ(error_of("eval instant at 1s x\n  x 1 2"),
            "test:2: expecting one value in instant evaluation, got 2");
  EXPECT_EQ(error_of("eval instant at 1s x\n expect fail\n expect fail"),
            "test:3: invalid expect lines, multiple expect fail lines are not allowed");
  EXPECT_EQ(error_of("eval instant at 1s x\n expect warn\n expect no_warn"),
            "test:3: contradicting expectations");
  EXPECT_EQ(error_of("eval instant at 1s sum(").substr(0, 7), "test:1:");
  EXPECT_EQ(error_of("load 1m\n  x@st -1s\n  y 1"), "test:3: @st line of another series");
}

TEST(Script, ClearEmptiesTheStoreAndLoadsAdd) {
  EXPECT_EQ(run("load 10s\n  x 1\n\nload 10s\n  y 2\n\neval instant at 0 x + ignoring(a) y\n  {} "
                "3\n\nclear\n"
                "eval instant at 0 x")
                .passed,
            2);
}

TEST(Script, ClassicHistogramsAreLoadedAsCustomBucketsToo) {
  const ScriptResult result = run(R"(
load_with_nhcb 1m
  h_bucket{le="1"} 1 2
  h_bucket{le="+Inf"} 2 4
  h_count 2 4

eval instant at 1m h_bucket{le="1"}
  h_bucket{le="1"} 2

eval instant at 1m h
  h {{schema:-53 count:4 custom_values:[1] buckets:[2 2]}}
)");
  EXPECT_EQ(result.passed, 2);
  EXPECT_TRUE(result.failures.empty());
}

TEST(Script, OwnScripts) {
  int scripts = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(TOCSIN_SOURCE_DIR "/promql/testdata")) {
    if (entry.path().extension() != ".test") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    const std::string name = entry.path().filename().string();
    const auto result = run_script(text.str(), name, testing::make_mem_script_store);
    ASSERT_TRUE(result.ok()) << message(result.status());
    EXPECT_GT(result->total, 0) << name;
    for (const ScriptFailure& failure : result->failures) {
      ADD_FAILURE() << name << ":" << failure.line << ": " << failure.text;
    }
    ++scripts;
  }
  EXPECT_GE(scripts, 4);
}

}  // namespace
}  // namespace tocsin::promql
