// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace tocsin::base::log {
namespace {

class LogTest : public ::testing::Test {
 protected:
  ~LogTest() override { configure({}); }

  // What `act` logs, without the time and the source, which each line must have in front.
  template <typename Act>
  static std::string logged(Act act) {
    ::testing::internal::CaptureStderr();
    act();
    std::string text = ::testing::internal::GetCapturedStderr();
    EXPECT_TRUE(text.empty() || text.starts_with("time=20")) << text;
    const std::size_t level = text.find(" level=");
    const std::size_t source = text.find(" source=log_test.cc:");
    if (level == std::string::npos || source == std::string::npos) return text;
    const std::size_t msg = text.find(' ', source + 1);
    return text.substr(level + 1, source - level) + text.substr(msg + 1);
  }
};

TEST_F(LogTest, WritesLogfmt) {
  EXPECT_EQ(logged([] { info("ready", {{"port", 9090}, {"tls", false}, {"ratio", 0.5}}); }),
            "level=info msg=ready port=9090 tls=false ratio=0.5\n");
}

TEST_F(LogTest, TimeIsRfc3339InMilliseconds) {
  ::testing::internal::CaptureStderr();
  warn("x");
  const std::string text = ::testing::internal::GetCapturedStderr();
  // time=2006-01-02T15:04:05.000Z level=...
  ASSERT_GT(text.size(), 30U);
  EXPECT_EQ(text[15], 'T') << text;
  EXPECT_EQ(text[24], '.') << text;
  EXPECT_EQ(text.substr(28, 8), "Z level=") << text;
}

TEST_F(LogTest, QuotesWhatWouldBreakTheLine) {
  const auto check = [](std::string_view value, std::string_view want) {
    EXPECT_EQ(logged([&] { info("m", {{"k", value}}); }),
              fmt::format("level=info msg=m k={}\n", want));
  };
  check("plain", "plain");
  check("", "\"\"");
  check("two words", "\"two words\"");
  check("say \"hi\"", R"("say \"hi\"")");
  check("a=b", "\"a=b\"");
  check("line\nbreak", R"("line\nbreak")");
  check("C:\\x", R"("C:\\x")");
}

TEST_F(LogTest, KeysCannotForgeFields) {
  EXPECT_EQ(logged([] { info("m", {{"a b=c", "v"}}); }), "level=info msg=m a_b_c=v\n");
}

TEST_F(LogTest, WritesJson) {
  configure({.format = Format::kJson});
  ::testing::internal::CaptureStderr();
  warn("two\nlines", {{"k", "v\""}});
  const std::string text = ::testing::internal::GetCapturedStderr();
  const StatusOr<JsonValue> line = parse_json(text);
  ASSERT_TRUE(line.ok()) << text;
  EXPECT_EQ(line->find("level")->string(), "warn");
  EXPECT_EQ(line->find("msg")->string(), "two\nlines");
  EXPECT_EQ(line->find("k")->string(), "v\"");
  EXPECT_TRUE(line->find("source")->string().starts_with("log_test.cc:"));
}

TEST_F(LogTest, DropsWhatIsBelowTheLevel) {
  EXPECT_EQ(logged([] { debug("m"); }), "");
  configure({.level = Level::kWarn});
  EXPECT_EQ(logged([] { info("m"); }), "");
  EXPECT_EQ(logged([] { warn("m"); }), "level=warn msg=m\n");
  configure({.level = Level::kDebug});
  EXPECT_EQ(logged([] { debug("m"); }), "level=debug msg=m\n");
}

TEST_F(LogTest, CountsErrorLines) {
  RecordProperty("expects_error_lines", 1);
  const std::uint64_t before = error_lines();
  EXPECT_EQ(logged([] { error("disk full"); }), "level=error msg=\"disk full\"\n");
  EXPECT_EQ(logged([] { warn("m"); }), "level=warn msg=m\n");
  EXPECT_EQ(error_lines(), before + 1);
}

TEST_F(LogTest, ParsesLevelsAndFormats) {
  EXPECT_EQ(*parse_level("debug"), Level::kDebug);
  EXPECT_EQ(*parse_level("error"), Level::kError);
  EXPECT_EQ(*parse_format("json"), Format::kJson);
  EXPECT_EQ(message(parse_level("loud").status()), "unrecognized log level loud");
  EXPECT_FALSE(parse_format("xml").ok());
}

}  // namespace
}  // namespace tocsin::base::log
