// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/parse/line_format.h"

#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tocsin::exporters::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

LineFormat compile(std::string_view format, const std::vector<std::string>& labels = {}) {
  StatusOr<LineFormat> compiled = LineFormat::compile(format, labels);
  EXPECT_TRUE(compiled.ok()) << format << ": " << compiled.status();
  return *std::move(compiled);
}

std::vector<std::string> items_of(std::string_view list) {
  std::vector<std::string> items;
  while (const auto item = next_list_item(&list)) items.emplace_back(*item);
  return items;
}

TEST(LineFormat, TakesACombinedLineApart) {
  LogRecord record;
  const LineFormat format = compile(kCombinedLogFormat);
  ASSERT_TRUE(format.match(R"(10.0.0.9 - ann [21/Nov/2026:18:16:26 +0000] "GET /a?b=c HTTP/1.1" )"
                           R"line(404 153 "-" "curl/7.88 (\x22x\x22)")line",
                           &record));
  EXPECT_EQ(record.at(LogField::kRequest), "GET /a?b=c HTTP/1.1");
  EXPECT_EQ(record.at(LogField::kStatus), "404");
  EXPECT_EQ(record.at(LogField::kBytesSent), "153");
  EXPECT_EQ(record.at(LogField::kRequestTime), "");
  EXPECT_TRUE(format.has(LogField::kStatus));
  EXPECT_FALSE(format.has(LogField::kUpstreamTime));
}

TEST(LineFormat, AListOfServersEndsWhereItsSeparatorsEnd) {
  const LineFormat format = compile("$status $upstream_addr $upstream_response_time $request_time");
  LogRecord record;
  ASSERT_TRUE(
      format.match("200 10.0.0.1:80, 10.0.0.2:80 : [::1]:81 0.001, - : 0.2 0.203", &record));
  EXPECT_EQ(record.at(LogField::kUpstreamAddress), "10.0.0.1:80, 10.0.0.2:80 : [::1]:81");
  EXPECT_EQ(record.at(LogField::kUpstreamTime), "0.001, - : 0.2");
  EXPECT_EQ(record.at(LogField::kRequestTime), "0.203");
  EXPECT_THAT(items_of(record.at(LogField::kUpstreamAddress)),
              ElementsAre("10.0.0.1:80", "10.0.0.2:80", "[::1]:81"));
  ASSERT_TRUE(format.match("200 - - 0.000", &record));
  EXPECT_EQ(record.at(LogField::kUpstreamAddress), "-");
}

TEST(LineFormat, TheLastVariableTakesTheRestAndTheLastTextMustEndTheLine) {
  LogRecord record;
  EXPECT_TRUE(compile("$status $request_time").match("200 0.1", &record));
  EXPECT_EQ(record.at(LogField::kRequestTime), "0.1");
  const LineFormat quoted = compile(R"(${status} "$request")");
  EXPECT_TRUE(quoted.match(R"(200 "GET /"x" HTTP/1.1")", &record));
  EXPECT_EQ(record.at(LogField::kRequest), R"(GET /"x" HTTP/1.1)");
  EXPECT_FALSE(quoted.match(R"(200 "GET / HTTP/1.1" more)", &record));
  EXPECT_FALSE(quoted.match(R"(200 ")", &record));
  EXPECT_FALSE(quoted.match("", &record));
}

TEST(LineFormat, AFormatOfJsonTextIsAFormatLikeAnyOther) {
  LogRecord record;
  const LineFormat format = compile(R"({"status": "$status", "rt": "$request_time"})");
  ASSERT_TRUE(format.match(R"({"status": "503", "rt": "0.25"})", &record));
  EXPECT_EQ(record.at(LogField::kStatus), "503");
  EXPECT_EQ(record.at(LogField::kRequestTime), "0.25");
}

TEST(LineFormat, TheBestVariableForAFieldWinsAndLabelsTakeAny) {
  LogRecord record;
  const LineFormat format =
      compile("$host|$server_name|$bytes_sent|$body_bytes_sent|$pipe|$status", {"pipe", "host"});
  ASSERT_TRUE(format.match("a|b|9|7|p|200", &record));
  EXPECT_EQ(record.at(LogField::kHost), "b");
  EXPECT_EQ(record.at(LogField::kBytesSent), "7");
  EXPECT_EQ(record.labels[0], "p");
  EXPECT_EQ(record.labels[1], "a");
}

TEST(LineFormat, RefusesWhatLeavesOpenWhereAValueEnds) {
  const auto check = [](std::string_view format, std::string_view reason) {
    const StatusOr<LineFormat> compiled = LineFormat::compile(format, {});
    ASSERT_FALSE(compiled.ok()) << format;
    EXPECT_THAT(std::string(message(compiled.status())), HasSubstr(std::string(reason))) << format;
  };
  check("$status$request_time", "nothing stands between $status and $request_time");
  check("no variables", "needs variables");
  check("$", "a name must follow $");
  check("${status", "no closing brace");
  check("$request $status", "$request has spaces");
  check("$upstream_addr, $status", "also stands inside of it");
  const StatusOr<LineFormat> compiled = LineFormat::compile("$status", {"nope"});
  EXPECT_EQ(message(compiled.status()), "the format has no $nope");
}

TEST(PlainNumber, ReadsWhatServersWrite) {
  EXPECT_EQ(parse_plain_number("0.123"), 0.123);
  EXPECT_EQ(parse_plain_number("17"), 17);
  EXPECT_EQ(parse_plain_number("5."), 5);
  EXPECT_EQ(parse_plain_number(".5"), .5);
  EXPECT_EQ(parse_plain_number("999999999999999999"), 999999999999999999.0);
  for (const std::string_view bad :
       {"", "-", ".", "-1", "+1", "1e3", "0x1", "1.2.3", " 1", "9999999999999999999"}) {
    EXPECT_EQ(parse_plain_number(bad), std::nullopt) << bad;
  }
}

// The same rules, one after another over copies.
std::optional<std::map<std::string, std::string>> naive_match(const LineFormat::Parts& format,
                                                              std::string line) {
  if (line.substr(0, format.prefix.size()) != format.prefix) return std::nullopt;
  line = line.substr(format.prefix.size());
  std::map<std::string, std::string> values;
  for (std::size_t i = 0; i < format.parts.size(); ++i) {
    const auto& [variable, text] = format.parts[i];
    std::string value;
    if (i + 1 == format.parts.size()) {
      if (line.size() < text.size() || line.substr(line.size() - text.size()) != text) {
        return std::nullopt;
      }
      values.emplace(variable, line.substr(0, line.size() - text.size()));
      return values;
    }
    while (!line.empty()) {
      std::size_t step = 1;
      if (LineFormat::is_list(variable) && line.substr(0, 2) == ", ") {
        step = 2;
      } else if (LineFormat::is_list(variable) && line.substr(0, 3) == " : ") {
        step = 3;
      } else if (line.substr(0, text.size()) == text) {
        break;
      }
      value += line.substr(0, step);
      line = line.substr(step);
    }
    if (line.empty()) return std::nullopt;
    line = line.substr(text.size());
    values.emplace(variable, value);
  }
  return values;
}

TEST(LineFormat, TakesLinesApartAsANaiveReaderDoes) {
  const std::vector<std::string> kVariables = {
      "status", "upstream_addr", "request_time", "upstream_time", "a", "b"};
  const std::vector<std::string> kTexts = {" ", "\"", "\" \"", " - ", "] [", ",", "|", "", "x"};
  const std::vector<std::string> kValues = {"",    "200", "-",        "0.1, 0.2", "a : b, c",
                                            " : ", ", ",  "\" \"",    "x",        "10.0.0.1:80",
                                            "]",   "|",   "with two", ",",        " "};
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  const auto pick = [&](const std::vector<std::string>& from) {
    return from[random() % from.size()];
  };
  int matches = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::string> variables = kVariables;
    std::shuffle(variables.begin(), variables.end(), random);
    variables.resize(1 + random() % variables.size());
    std::string format = pick(kTexts), line = format;
    for (const std::string& variable : variables) {
      const std::string text = pick(kTexts);
      format += "${" + variable + "}" + text;
      line += pick(kValues) + text;
    }
    if (random() % 4 == 0 && !line.empty()) line.erase(random() % line.size(), 1);
    const StatusOr<LineFormat> compiled = LineFormat::compile(format, {});
    if (!compiled.ok()) continue;
    const auto expected = naive_match(*LineFormat::split(format), line);
    LogRecord record;
    ASSERT_EQ(compiled->match(line, &record), expected.has_value()) << format << "\n" << line;
    if (!expected) continue;
    ++matches;
    for (const auto& [variable, value] : *expected) {
      if (const auto field = log_field(variable)) {
        ASSERT_EQ(record.at(*field), value) << format << "\n" << line << "\n" << variable;
      }
    }
  }
  EXPECT_GT(matches, 1000);
}

}  // namespace
}  // namespace tocsin::exporters::app
