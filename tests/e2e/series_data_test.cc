// SPDX-License-Identifier: Apache-2.0
//
// What a target says beside its samples, from the page to the API of the running program:
// exemplars, metadata, start times, explicit timestamps, and the limits of the configuration.
#include <csignal>

#include <gtest/gtest.h>

#include "tests/support/tocsin.h"

namespace tocsin::tests {
namespace {

class SeriesData : public ::testing::Test {
 protected:
  void set_page(const std::string& text) { *text_.lock() = text; }
  void write_config(std::string_view storage) {
    files_.write("prometheus.yml", fmt::format(R"(
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: page
    static_configs: [{{targets: ['{}'], labels: {{instance: one}}}}]
storage: {}
)",
                                               page_.address(), storage));
  }
  void start(const std::vector<std::string>& more) {
    tocsin_ = std::make_unique<Tocsin>(Tocsin::Options{
        .config = files_.file("prometheus.yml"), .data = files_.file("data"), .more = more});
    ASSERT_TRUE(tocsin_->wait_ready());
  }
  // "value@timestamp trace ..." of all exemplars of a metric.
  std::string exemplars(const std::string& query) {
    const base::JsonValue reply = tocsin_->get("/api/v1/query_exemplars?query=" + query);
    std::string text;
    for (const base::JsonValue& series : at(reply, "data").items()) {
      text += text_at(series, "seriesLabels.instance") + ":";
      for (const base::JsonValue& e : at(series, "exemplars").items()) {
        text += fmt::format(" {}@{} {}", text_at(e, "value"), at(e, "timestamp").number(),
                            text_at(e, "labels.trace_id"));
      }
    }
    return text;
  }
  std::string error_of(const std::string& target) {
    return text_at(parsed(http_get(tocsin_->address(), target).body), "error");
  }

  const TempDir files_;
  base::Guarded<std::string> text_;
  HttpSink page_{[this](const net::HttpRequest&) {
    net::HttpResponse response;
    response.headers.set("Content-Type", "application/openmetrics-text; version=1.0.0");
    response.body = *text_.lock();
    return response;
  }};
  std::unique_ptr<Tocsin> tocsin_;
};

TEST_F(SeriesData, ExemplarsComeBackAndSurviveARestart) {
  const std::vector<std::string> flags{"--enable-feature=exemplar-storage"};
  set_page("# TYPE c counter\nc_total 1 # {trace_id=\"a\"} 0.5 1700000000.5\n# EOF\n");
  write_config("{exemplars: {max_exemplars: 2}}");
  start(flags);
  ASSERT_TRUE(eventually([&] { return exemplars("c_total") == "one: 0.5@1700000000.5 a"; }))
      << exemplars("c_total");
  EXPECT_EQ(exemplars("rate(c_total[5m])"), "one: 0.5@1700000000.5 a");
  EXPECT_EQ(exemplars("c_total&start=1700000001"), "");
  EXPECT_EQ(error_of("/api/v1/query_exemplars?query=c_total&start=2&end=1"),
            "end timestamp must not be before start timestamp");

  const auto page = [](std::string_view trace, std::string_view time) {
    return fmt::format("# TYPE c counter\nc_total 2 # {{trace_id=\"{}\"}} 0.5 {}\n# EOF\n", trace,
                       time);
  };
  set_page(page("b", "1700000001"));
  const std::string two = "one: 0.5@1700000000.5 a 0.5@1700000001 b";
  ASSERT_TRUE(eventually([&] { return exemplars("c_total") == two; }));
  set_page(page("c", "1700000002"));
  const std::string newest = "one: 0.5@1700000001 b 0.5@1700000002 c";
  ASSERT_TRUE(eventually([&] { return exemplars("c_total") == newest; }));
  set_page(page("late", "1600000000"));
  ASSERT_TRUE(eventually([&] {
    return tocsin_->metric("prometheus_target_scrapes_exemplar_out_of_order_total") > 0;
  }));
  EXPECT_EQ(exemplars("c_total"), newest);

  tocsin_->process().kill();
  start(flags);
  EXPECT_EQ(exemplars("c_total"), newest);
  write_config("{exemplars: {max_exemplars: 1}}");
  tocsin_->process().signal(SIGHUP);
  ASSERT_TRUE(eventually([&] { return exemplars("c_total") == "one: 0.5@1700000002 c"; }));
  tocsin_->stop();
}

TEST_F(SeriesData, WithoutTheFeatureThereAreNoExemplars) {
  set_page("# TYPE c counter\nc_total 1 # {trace_id=\"a\"} 0.5\n# EOF\n");
  write_config("{exemplars: {max_exemplars: 100}}");
  start({});
  ASSERT_TRUE(eventually([&] { return tocsin_->value("c_total") == "1"; }));
  EXPECT_EQ(exemplars("c_total"), "");
}

TEST_F(SeriesData, MetadataOfThePage) {
  set_page(
      "# HELP c_seconds Says \\\"so\\\".\n# TYPE c_seconds counter\n# UNIT c_seconds seconds\n"
      "c_seconds_total 1\n# TYPE g gauge\ng 1\n# EOF\n");
  write_config("{}");
  start({});
  ASSERT_TRUE(eventually([&] { return tocsin_->value("g") == "1"; }));
  const base::JsonValue all = tocsin_->get("/api/v1/metadata");
  EXPECT_EQ(text_at(all, "data.c_seconds.0.type"), "counter");
  EXPECT_EQ(text_at(all, "data.c_seconds.0.help"), "Says \"so\".");
  EXPECT_EQ(text_at(all, "data.c_seconds.0.unit"), "seconds");
  EXPECT_EQ(text_at(all, "data.g.0.type"), "gauge");
  EXPECT_EQ(at(tocsin_->get("/api/v1/metadata?metric=g"), "data").entries().size(), 1U);
  const base::JsonValue by_target =
      tocsin_->get("/api/v1/targets/metadata?metric=g&match_target=%7Bjob=%22page%22%7D");
  EXPECT_EQ(text_at(by_target, "data.0.target.instance"), "one");
  EXPECT_EQ(text_at(by_target, "data.0.type"), "gauge");
  EXPECT_EQ(error_of("/api/v1/metadata?limit=x"), "limit must be a number");
}

TEST_F(SeriesData, ACounterBeginsWithAZeroAtItsStart) {
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(base::SystemClock().now().time_since_epoch())
          .count();
  set_page(fmt::format("# TYPE c counter\nc_total 7\nc_created {}.5\n# EOF\n", now - 600));
  write_config("{}");
  start({"--enable-feature=created-timestamp-zero-ingestion"});
  ASSERT_TRUE(eventually([&] { return tocsin_->value("c_total") == "7"; }));
  EXPECT_EQ(tocsin_->value("c_created"), "") << "it is no series then";
  EXPECT_EQ(text_at(tocsin_->query("c_total", std::to_string(now - 590)), "data.result.0.value.1"),
            "0");
  EXPECT_EQ(tocsin_->metric("prometheus_tsdb_out_of_order_samples_total").value_or(0), 0);
}

TEST_F(SeriesData, OwnTimestampsAndTheOutOfOrderWindow) {
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(base::SystemClock().now().time_since_epoch())
          .count();
  const auto page = [&](int value, std::int64_t ago) {
    return fmt::format("# TYPE g gauge\ng {} {}\n# TYPE far gauge\nfar 1 {}\n# EOF\n", value,
                       now - ago, now + 24 * 3600);
  };
  const auto value_at = [&](std::int64_t ago) {
    return text_at(tocsin_->query("g", std::to_string(now - ago)), "data.result.0.value.1");
  };
  set_page(page(1, 100));
  write_config("{}");
  start({});
  ASSERT_TRUE(eventually([&] { return value_at(100) == "1"; }));
  EXPECT_GT(tocsin_->metric("prometheus_target_scrapes_sample_out_of_bounds_total"), 0);
  EXPECT_EQ(tocsin_->value("up"), "1") << "what is out of bounds costs only itself";
  set_page(page(2, 200));
  ASSERT_TRUE(eventually(
      [&] { return tocsin_->metric("prometheus_target_scrapes_sample_out_of_order_total") > 0; }));
  EXPECT_EQ(value_at(200), "");
  write_config("{tsdb: {out_of_order_time_window: 10m, retention: {time: 3d}}}");
  tocsin_->process().signal(SIGHUP);
  ASSERT_TRUE(eventually([&] { return value_at(200) == "2"; }));
  EXPECT_EQ(value_at(100), "1");
  EXPECT_EQ(tocsin_->metric("prometheus_tsdb_retention_limit_seconds"), 3 * 24 * 3600);
  tocsin_->stop();
}

}  // namespace
}  // namespace tocsin::tests
