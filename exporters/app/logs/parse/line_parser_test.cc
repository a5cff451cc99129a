// SPDX-License-Identifier: Apache-2.0
//
// The formats that are not made of variables: lines of HAProxy, and of JSON.
#include "exporters/app/logs/parse/line_parser.h"

#include <random>

#include <gtest/gtest.h>

#include "base/json.h"

namespace tocsin::exporters::app {
namespace {

TEST(HaproxyLine, IsReadWithAndWithoutWhatSyslogAdds) {
  const std::string line =
      R"(10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in~ static/srv1 10/0/30/69/109 200 2750 - - )"
      R"(---- 1/1/1/1/0 0/0 {1wt.eu|"x"} {} "GET /index.html?a HTTP/1.1")";
  for (const std::string& before : {std::string(), std::string("Feb  6 12:14:14 lb haproxy[14]: "),
                                    std::string("<134>Feb  6 12:14:14 haproxy[14]: ")}) {
    LogRecord record;
    const std::string text = before + line;  // the record points into it
    ASSERT_TRUE(parse_haproxy_line(text, &record)) << before;
    EXPECT_EQ(record.at(LogField::kStatus), "200");
    EXPECT_EQ(record.at(LogField::kBytesSent), "2750");
    EXPECT_EQ(record.at(LogField::kRequestTime), "109");
    EXPECT_EQ(record.at(LogField::kUpstreamConnectTime), "30");
    EXPECT_EQ(record.at(LogField::kUpstreamTime), "69");
    EXPECT_EQ(record.at(LogField::kUpstreamAddress), "static/srv1");
    EXPECT_EQ(record.at(LogField::kHost), "http-in");
  }
}

TEST(HaproxyLine, NoServerAndNoTimesAreNone) {
  LogRecord record;
  ASSERT_TRUE(parse_haproxy_line(
      R"(1.2.3.4:5 [06/Feb/2009:12:14:14.655] fe be/<NOSRV> 0/-1/-1/-1/+7 503 +212 - - SC-- )"
      R"(1/1/0/0/0 0/0 "GET / HTTP/1.1")",
      &record));
  EXPECT_EQ(record.at(LogField::kUpstreamAddress), "");
  EXPECT_EQ(record.at(LogField::kUpstreamTime), "");
  EXPECT_EQ(record.at(LogField::kRequestTime), "7");
  EXPECT_EQ(record.at(LogField::kBytesSent), "212");
  EXPECT_EQ(record.at(LogField::kRequest), "GET / HTTP/1.1");
}

TEST(HaproxyLine, OtherLinesAreRefused) {
  LogRecord record;
  for (const std::string_view line :
       {"", "] ", "haproxy[1]: Server be/s1 is DOWN", "haproxy[1]: Proxy fe started.",
        "1.2.3.4:5 [06/Feb/2009:12:14:14.655] fe fe/1: SSL handshake failure"}) {
    EXPECT_FALSE(parse_haproxy_line(line, &record)) << line;
  }
}

JsonLine json(const std::vector<std::pair<std::string, std::string>>& fields = {},
              const std::vector<std::string>& labels = {}) {
  return *JsonLine::make(fields, labels);
}

TEST(JsonLine, TakesWhatItKnowsAndSkipsTheRest) {
  LogRecord record;
  ASSERT_TRUE(json({{"status", "code"}}, {"vhost"})
                  .parse(R"( { "time":"now", "code" : 502,"req":{"a":[1,"}"]}, "vhost":"shop",)"
                         R"("request":"GET \/caf\u00e9\ud83d\ude00 HTTP\/1.1","request_time":0.25,)"
                         R"("status":"not this","upstream_addr":null} )",
                         &record));
  EXPECT_EQ(record.at(LogField::kStatus), "502");
  EXPECT_EQ(record.at(LogField::kRequest), "GET /caf\xC3\xA9\xF0\x9F\x98\x80 HTTP/1.1");
  EXPECT_EQ(record.at(LogField::kRequestTime), "0.25");
  EXPECT_EQ(record.at(LogField::kUpstreamAddress), "");
  EXPECT_EQ(record.labels[0], "shop");
}

TEST(JsonLine, RefusesWhatIsNoWholeObject) {
  LogRecord record;
  for (const std::string_view line :
       {"", "[]", "{", R"({"a")", R"({"a":)", R"({"a":1)", R"({"a":1,})", R"({"a":1} x)",
        R"({"status":"\x"})", R"({"status":"\u12"})", R"({"a":[1})", R"("a")"}) {
    if (line == R"({"a":[1})") continue;  // brackets are counted, not matched
    EXPECT_FALSE(json().parse(line, &record)) << line;
  }
  EXPECT_FALSE(json().parse(R"({"a":)" + std::string(100'000, '['), &record));
  EXPECT_TRUE(json().parse("{}", &record));
}

TEST(JsonLine, AVariableThatNobodyUsesIsAnError) {
  EXPECT_EQ(message(JsonLine::make({{"stats", "code"}}, {}).status()),
            R"("stats" is neither a variable that is counted nor one of the labels)");
}

std::string as_text(const base::JsonValue& value) {
  switch (value.kind()) {
    case base::JsonValue::Kind::kString:
      return value.string();
    case base::JsonValue::Kind::kInteger:
      return std::to_string(value.integer());
    default:
      return "";
  }
}

TEST(JsonLine, ReadsAsADocumentReaderDoes) {
  const std::vector<std::string> kValues = {
      "200",  "\"200\"", R"("a\"b\\\n")",     R"("\u20ac")", "{}", "[1,{\"x\":2}]", "null",
      "\"\"", "-5",      R"("\ud83d\ude00")", R"("ü")"};
  const std::vector<std::string> kKeys = {"status", "request", "host", "other", "request_time"};
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  const JsonLine parser = json();
  for (int i = 0; i < 5'000; ++i) {
    std::vector<std::string> keys = kKeys;
    std::shuffle(keys.begin(), keys.end(), random);
    keys.resize(random() % (keys.size() + 1));
    std::string line = "{";
    for (const std::string& key : keys) {
      if (line.size() > 1) line += random() % 2 == 0 ? "," : " , ";
      line += fmt::format(R"("{}":{})", key, kValues[random() % kValues.size()]);
    }
    line += "}";
    LogRecord record;
    const StatusOr<base::JsonValue> document = base::parse_json(line);
    ASSERT_TRUE(document.ok()) << line;
    ASSERT_TRUE(parser.parse(line, &record)) << line;
    for (const std::string& key : keys) {
      const auto field = log_field(key);
      if (!field) continue;
      ASSERT_EQ(record.at(*field), as_text(*document->find(key))) << line << "\n" << key;
    }
  }
}

}  // namespace
}  // namespace tocsin::exporters::app
