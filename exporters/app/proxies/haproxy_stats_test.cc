// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/proxies/haproxy_stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporters/app/testing/page_text.h"

namespace tocsin::exporters::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::page_text;
using testing::value_in;

struct Shown {
  StatusOr<HaproxyRows> rows;
  std::string page;
};

Shown show(std::string_view csv, const LabelPairs& labels = {}, std::size_t max_rows = 100) {
  std::vector<base::MetricFamily> families;
  StatusOr<HaproxyRows> rows = append_haproxy_stats(csv, labels, max_rows, &families);
  return {std::move(rows), page_text(std::move(families))};
}

TEST(HaproxyStats, RowsBecomeTheFamiliesOfTheirKind) {
  const Shown shown = show(
      "# pxname,svname,qcur,scur,slim,stot,status,weight,type,hrsp_5xx,ttime,check_duration,new,\n"
      "fe,FRONTEND,,1,200,17,OPEN,,0,3,,,x,\n"
      "fe,sock-1,,1,200,17,OPEN,,3,3,,,x,\n"
      "be,s1,2,0,,9,UP 1/3,7,2,1,1500,12,x,\n"
      "be,s2,0,0,,0,DOWN,7,2,0,,,x,\n"
      "be,BACKEND,2,0,20,9,UP,14,1,1,20,,x,\n\n",
      {{"lb", "a"}});
  ASSERT_TRUE(shown.rows.ok()) << shown.rows.status();
  EXPECT_EQ(shown.rows->failures, 0U);
  EXPECT_EQ(shown.page, R"(# TYPE haproxy_backend_current_queue gauge
haproxy_backend_current_queue{backend="be",lb="a"} 2
# TYPE haproxy_backend_current_sessions gauge
haproxy_backend_current_sessions{backend="be",lb="a"} 0
# TYPE haproxy_backend_http_responses_total counter
haproxy_backend_http_responses_total{backend="be",code="5xx",lb="a"} 1
# TYPE haproxy_backend_http_total_time_average_seconds gauge
haproxy_backend_http_total_time_average_seconds{backend="be",lb="a"} 0.02
# TYPE haproxy_backend_limit_sessions gauge
haproxy_backend_limit_sessions{backend="be",lb="a"} 20
# TYPE haproxy_backend_sessions_total counter
haproxy_backend_sessions_total{backend="be",lb="a"} 9
# TYPE haproxy_backend_up gauge
haproxy_backend_up{backend="be",lb="a"} 1
# TYPE haproxy_backend_weight gauge
haproxy_backend_weight{backend="be",lb="a"} 14
# TYPE haproxy_frontend_current_sessions gauge
haproxy_frontend_current_sessions{frontend="fe",lb="a"} 1
# TYPE haproxy_frontend_http_responses_total counter
haproxy_frontend_http_responses_total{code="5xx",frontend="fe",lb="a"} 3
# TYPE haproxy_frontend_limit_sessions gauge
haproxy_frontend_limit_sessions{frontend="fe",lb="a"} 200
# TYPE haproxy_frontend_sessions_total counter
haproxy_frontend_sessions_total{frontend="fe",lb="a"} 17
# TYPE haproxy_server_check_duration_seconds gauge
haproxy_server_check_duration_seconds{backend="be",lb="a",server="s1"} 0.012
# TYPE haproxy_server_current_queue gauge
haproxy_server_current_queue{backend="be",lb="a",server="s1"} 2
haproxy_server_current_queue{backend="be",lb="a",server="s2"} 0
# TYPE haproxy_server_current_sessions gauge
haproxy_server_current_sessions{backend="be",lb="a",server="s1"} 0
haproxy_server_current_sessions{backend="be",lb="a",server="s2"} 0
# TYPE haproxy_server_http_responses_total counter
haproxy_server_http_responses_total{backend="be",code="5xx",lb="a",server="s1"} 1
haproxy_server_http_responses_total{backend="be",code="5xx",lb="a",server="s2"} 0
# TYPE haproxy_server_http_total_time_average_seconds gauge
haproxy_server_http_total_time_average_seconds{backend="be",lb="a",server="s1"} 1.5
# TYPE haproxy_server_sessions_total counter
haproxy_server_sessions_total{backend="be",lb="a",server="s1"} 9
haproxy_server_sessions_total{backend="be",lb="a",server="s2"} 0
# TYPE haproxy_server_up gauge
haproxy_server_up{backend="be",lb="a",server="s1"} 1
haproxy_server_up{backend="be",lb="a",server="s2"} 0
# TYPE haproxy_server_weight gauge
haproxy_server_weight{backend="be",lb="a",server="s1"} 7
haproxy_server_weight{backend="be",lb="a",server="s2"} 7
)");
}

TEST(HaproxyStats, EveryStatusIsUpOrDown) {
  const auto up = [](std::string_view status) {
    const Shown shown = show(fmt::format("# pxname,svname,status,type,\nb,s,\"{}\",2,\n", status));
    return value_in(shown.page, R"(haproxy_server_up{backend="b",server="s"})");
  };
  for (const std::string_view status : {"UP", "UP 2/3", "OPEN", "no check", "DRAIN"}) {
    EXPECT_EQ(up(status), "1") << status;
  }
  for (const std::string_view status :
       {"DOWN", "DOWN 1/2", "NOLB", "MAINT", "MAINT (via b/s)", "STOP", ""}) {
    EXPECT_EQ(up(status), "0") << status;
  }
}

TEST(HaproxyStats, WhatDoesNotParseIsCountedAndTheRestIsShown) {
  const Shown shown = show(
      "# pxname,svname,scur,stot,status,type,\n"
      "b,s1,x,5,UP,2,\n"
      "b,s2\n"
      "b,\"s3,1,2,UP,2,\n");
  ASSERT_TRUE(shown.rows.ok());
  EXPECT_EQ(shown.rows->failures, 3U);
  EXPECT_EQ(value_in(shown.page, R"(haproxy_server_sessions_total{backend="b",server="s1"})"), "5");
  EXPECT_THAT(shown.page, ::testing::Not(HasSubstr("s2")));
}

TEST(HaproxyStats, RowsAboveTheLimitAreLeftOut) {
  std::string csv = "# pxname,svname,status,type,\n";
  for (int i = 0; i < 10; ++i) csv += fmt::format("b,s{},UP,2,\n", i);
  const Shown shown = show(csv, {}, 3);
  ASSERT_TRUE(shown.rows.ok());
  EXPECT_EQ(shown.rows->left_out, 7U);
  EXPECT_THAT(shown.page, HasSubstr("s2"));
  EXPECT_THAT(shown.page, ::testing::Not(HasSubstr("s3")));
}

TEST(HaproxyStats, AnotherTextIsAnError) {
  for (const std::string_view text : {"", "<html>", "a,b,c\n1,2,3\n", "Unknown command.\n"}) {
    EXPECT_FALSE(show(text).rows.ok()) << text;
  }
}

TEST(Csv, TakesQuotesApart) {
  std::string_view rest = "a,\"b,\"\"c\"\"\",\r\nd\n\"open";
  std::vector<std::string> fields;
  ASSERT_TRUE(take_csv_line(&rest, &fields));
  EXPECT_THAT(fields, ElementsAre("a", "b,\"c\"", ""));
  ASSERT_TRUE(take_csv_line(&rest, &fields));
  EXPECT_THAT(fields, ElementsAre("d"));
  EXPECT_FALSE(take_csv_line(&rest, &fields));
}

}  // namespace
}  // namespace tocsin::exporters::app
