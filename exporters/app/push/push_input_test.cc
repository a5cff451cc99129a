// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/push/push_input.h"

#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"
#include "base/testing/manual_executor.h"
#include "base/testing/mem_fs.h"
#include "exporters/common/page.h"
#include "formats/text_writer.h"
#include "net/http.h"

namespace tocsin::exporters::app {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class PushInputTest : public ::testing::Test {
 protected:
  void SetUp() override { make("{}"); }
  void make(std::string_view yaml) {
    const StatusOr<base::YamlNode> node = base::parse_yaml(yaml, "app.yml");
    const StatusOr<PushOptions> options = read_push(*node, 100);
    ASSERT_TRUE(options.ok()) << message(options.status());
    input_ = std::make_unique<PushInput>(
        *options, InputServices{clock_, clock_, *files_, lookup_, executor_});
  }
  net::HttpResponse send(std::string method, const std::string& target, std::string body = "",
                         const std::vector<std::pair<std::string, std::string>>& headers = {}) {
    net::HttpRequest request;
    request.method = std::move(method);
    EXPECT_TRUE(request.set_target(target).ok());
    for (const auto& [name, value] : headers) request.headers.set(name, value);
    request.body = std::move(body);
    return input_->serve(request);
  }
  int push(const std::string& target, std::string body) {
    return send("POST", target, std::move(body)).status;
  }
  // The page without the times of pushes.
  std::string page() {
    std::string text;
    for (std::string line : lines()) {
      if (line.find("push_") == std::string::npos) text += line + "\n";
    }
    return text;
  }
  std::string value(const std::string& series) {
    for (const std::string& line : lines()) {
      if (line.starts_with(series + " ")) return line.substr(series.size() + 1);
    }
    return "";
  }

  base::testing::FakeClock clock_{base::from_ms(1'700'000'000'000)};
  std::unique_ptr<base::FileSystem> files_ = base::testing::make_mem_fs();
  net::HostLookup lookup_;
  base::testing::InlineExecutor executor_;
  std::unique_ptr<PushInput> input_;

 private:
  std::vector<std::string> lines() {
    std::vector<base::MetricFamily> families;
    EXPECT_TRUE(input_->collect(&families).ok());
    tidy_families(&families);
    std::string text;
    formats::write_text(families, &text);
    std::vector<std::string> lines;
    std::string_view rest = text;
    while (!rest.empty()) {
      lines.emplace_back(rest.substr(0, rest.find('\n')));
      rest.remove_prefix(lines.back().size() + 1);
    }
    return lines;
  }
};

TEST_F(PushInputTest, ShowsWhatWasPushedWithItsTimes) {
  EXPECT_EQ(push("/push/job/backup/instance/db1", "# TYPE rows gauge\nrows 7\n"), 200);
  EXPECT_EQ(page(), "# TYPE rows gauge\nrows{instance=\"db1\",job=\"backup\"} 7\n");
  const std::string labels = "{instance=\"db1\",job=\"backup\"}";
  EXPECT_EQ(value("push_time_seconds" + labels), "1.7e+09");
  EXPECT_EQ(value("push_failure_time_seconds" + labels), "0");
  clock_.advance(seconds(5));
  EXPECT_EQ(push("/push/job/backup/instance/db1", "rows x\n"), 400);
  EXPECT_EQ(value("push_time_seconds" + labels), "1.7e+09");
  EXPECT_EQ(value("push_failure_time_seconds" + labels), "1.700000005e+09");
  EXPECT_EQ(page(), "# TYPE rows gauge\nrows{instance=\"db1\",job=\"backup\"} 7\n");
}

TEST_F(PushInputTest, PostReplacesFamiliesAndPutTheGroup) {
  push("/push/job/a", "x{k=\"1\"} 1\ny 1\n");
  push("/push/job/b", "x 9\n");
  EXPECT_EQ(push("/push/job/a", "x{k=\"2\"} 2\n"), 200);
  EXPECT_EQ(page(),
            "# TYPE x untyped\nx{instance=\"\",job=\"a\",k=\"2\"} 2\nx{instance=\"\",job=\"b\"} 9\n"
            "# TYPE y untyped\ny{instance=\"\",job=\"a\"} 1\n");
  EXPECT_EQ(send("PUT", "/push/job/a", "z 3\n").status, 200);
  EXPECT_EQ(page(),
            "# TYPE x untyped\nx{instance=\"\",job=\"b\"} 9\n"
            "# TYPE z untyped\nz{instance=\"\",job=\"a\"} 3\n");
  EXPECT_EQ(send("DELETE", "/push/job/a").status, 202);
  EXPECT_EQ(send("DELETE", "/push/job/never").status, 202);
  EXPECT_EQ(page(), "# TYPE x untyped\nx{instance=\"\",job=\"b\"} 9\n");
  EXPECT_EQ(value("push_time_seconds{instance=\"\",job=\"a\"}"), "");
}

TEST_F(PushInputTest, RefusesASecondTypeForANameAndSaysWhy) {
  push("/push/job/a", "# TYPE x counter\nx 1\n");
  const net::HttpResponse response = send("POST", "/push/job/b", "# TYPE x gauge\nx 1\n");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.body,
            "x clashes with the family x that was pushed before: it would have two types\n");
  EXPECT_EQ(push("/push/job/b", "# TYPE y histogram\ny_bucket{le=\"+Inf\"} 1\ny_count 1\n"), 200);
  EXPECT_EQ(push("/push/job/c", "y_count 1\n"), 400);
  // The only one that has it may change it, and nobody after it is gone.
  EXPECT_EQ(push("/push/job/a", "# TYPE x gauge\nx 1\n"), 200);
  EXPECT_EQ(push("/push/job/b", "# TYPE x counter\nx 1\n"), 400);
  EXPECT_EQ(page().find("y_count{instance=\"\",job=\"c\"}"), std::string::npos);
  send("DELETE", "/push/job/a");
  EXPECT_EQ(push("/push/job/b", "# TYPE x counter\nx 1\n"), 200);
}

TEST_F(PushInputTest, AFailureLeavesTheGroupAsItWas) {
  make("{max_series: 3}");
  push("/push/job/a", "x 1\ny 1\n");
  const net::HttpResponse response = send("PUT", "/push/job/a", "a 1\nb 1\nc 1\nd 1\n");
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.body, "there would be more than 3 series\n");
  EXPECT_EQ(input_->dropped_series(), 4U);
  EXPECT_EQ(push("/push/job/a", "x 2\n"), 200);
  EXPECT_EQ(push("/push/job/b", "z 1\n"), 200);
  EXPECT_EQ(push("/push/job/c", "z 1\n"), 413);
  EXPECT_EQ(value("x{instance=\"\",job=\"a\"}"), "2");
  EXPECT_EQ(value("y{instance=\"\",job=\"a\"}"), "1");
}

TEST_F(PushInputTest, GroupsEndAfterTheirTime) {
  make("{ttl: 5m}");
  push("/push/job/a", "x 1\n");
  push("/push/job/bad", "x y\n");
  clock_.advance(minutes(4));
  push("/push/job/b", "x 2\n");
  clock_.advance(minutes(1));
  EXPECT_EQ(value("x{instance=\"\",job=\"a\"}"), "1");
  clock_.advance(seconds(1));
  EXPECT_EQ(page(), "# TYPE x untyped\nx{instance=\"\",job=\"b\"} 2\n");
  EXPECT_EQ(value("push_failure_time_seconds{instance=\"\",job=\"bad\"}"), "");
}

TEST_F(PushInputTest, HasALimitOfGroups) {
  make("{max_groups: 2}");
  EXPECT_EQ(push("/push/job/a", "x 1\n"), 200);
  EXPECT_EQ(push("/push/job/b", "x y\n"), 400);
  EXPECT_EQ(push("/push/job/c", "x 1\n"), 413);
  EXPECT_EQ(push("/push/job/d", "x y\n"), 400);
  EXPECT_EQ(push("/push/job/a", "x 2\n"), 200);
}

TEST_F(PushInputTest, TakesGzipAndRefusesWhatIsTooLongOrNoText) {
  make("{max_body: 16B}");
  // "x 1\n"
  const std::string gzip(
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x50\x30\xe4\x02\x00"
      "\x23\xff\x0a\x91\x04\x00\x00\x00",
      24);
  EXPECT_EQ(send("POST", "/push/job/a", gzip, {{"Content-Encoding", "gzip"}}).status, 200)
      << send("POST", "/push/job/a", gzip, {{"Content-Encoding", "gzip"}}).body;
  EXPECT_EQ(send("POST", "/push/job/a", "x", {{"Content-Encoding", "gzip"}}).status, 400);
  EXPECT_EQ(send("POST", "/push/job/a", "x 1\n", {{"Content-Encoding", "snappy"}}).status, 415);
  EXPECT_EQ(send("POST", "/push/job/a", "",
                 {{"Content-Type", "application/vnd.google.protobuf; encoding=delimited"}})
                .status,
            415);
  EXPECT_EQ(push("/push/job/a", "x 1.0000000000000\n"), 413);
  EXPECT_EQ(push("/push/a/b", "x 1\n"), 400);
  const net::HttpResponse get = send("GET", "/push/job/a");
  EXPECT_EQ(get.status, 405);
  EXPECT_EQ(get.headers.get("Allow"), "DELETE, POST, PUT");
}

TEST_F(PushInputTest, MayBeOff) {
  make("{enabled: false}");
  EXPECT_EQ(push("/push/job/a", "x 1\n"), 404);
}

TEST(PushOptions, AreReadStrictly) {
  const auto check = [](std::string_view yaml, std::string_view reason) {
    const StatusOr<base::YamlNode> node = base::parse_yaml(yaml, "app.yml");
    const Status status = read_push(*node, 100).status();
    EXPECT_NE(message(status).find(reason), std::string_view::npos)
        << yaml << ": " << message(status);
  };
  check("{max_body: 5MB}", "must be from 1 to");
  check("{max_body: 0}", "must be from 1 to");
  check("{max_groups: 0}", "must be from 1");
  check("{ttl: x}", "app.yml:1:7");
  check("{tll: 5m}", "field tll not found");
}

}  // namespace
}  // namespace tocsin::exporters::app
