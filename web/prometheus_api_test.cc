// SPDX-License-Identifier: Apache-2.0
//
// Tables of requests and the replies that clients of Prometheus expect, over an in-memory store.
#include "web/prometheus_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/testing/fake_clock.h"
#include "base/testing/manual_executor.h"
#include "base/testing/mem_fs.h"
#include "net/testing/fake_net.h"
#include "storage/testing/mem_store.h"
#include "web/instrument.h"
#include "web/query_api.h"

namespace tocsin::web {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kNow = 1'700'000'000'000;

class PrometheusApiTest : public ::testing::Test {
 protected:
  PrometheusApiTest() {
    http_.set_responder([](const net::ClientRequest& request) -> StatusOr<net::ClientResponse> {
      if (request.url.find("localhost") == std::string::npos)
        return unavailable("connection refused");
      net::ClientResponse response;
      response.status = 200;
      response.headers.set("Content-Type", "text/plain; version=0.0.4");
      response.body = "scraped 1\n";
      return response;
    });
    router_.wrap(instrument(Server::kPrometheus, metrics_, clock_));
    add_query_api(router_, {clock_, engine_, store_});
    add_prometheus_api(router_, {clock_,
                                 store_,
                                 collector_,
                                 rules_,
                                 "http://prom.example:9090",
                                 BuildInfo{},
                                 {{"config.file", "p.yml"}, {"web.enable-lifecycle", "false"}},
                                 [] { return std::string("global: {}\n"); }});
  }

  void put(const model::Labels& labels, std::int64_t time_ms, double value) {
    auto appender = store_.appender();
    ASSERT_TRUE(appender->append({}, labels, base::from_ms(time_ms), value).ok());
    ASSERT_TRUE(storage::commit_and_wait(*appender).ok());
  }
  static model::Labels series(std::string_view name, std::string_view label,
                              std::string_view value) {
    return model::Labels::of({{"__name__", name}, {label, value}});
  }
  // up of two instances, now and a minute before.
  void put_up() {
    for (std::int64_t t : {kNow - 60'000, kNow}) {
      put(series("up", "instance", "a:1"), t, 1);
      put(series("up", "instance", "b:1"), t, 0);
    }
  }

  net::HttpResponse call(std::string method, std::string_view target, std::string body = "") {
    net::HttpRequest request;
    request.method = std::move(method);
    EXPECT_EQ(request.set_target(target), ok()) << target;
    request.body = std::move(body);
    request.headers.set("Origin", "http://ui.example");
    if (!request.body.empty())
      request.headers.set("Content-Type", "application/x-www-form-urlencoded");
    return router_.route(std::move(request));
  }
  // "STATUS BODY" of a GET below /api/v1/.
  std::string get(std::string_view target) {
    const net::HttpResponse response = call("GET", fmt::format("/api/v1/{}", target));
    return fmt::format("{} {}", response.status, response.body);
  }
  std::string post(std::string_view target, std::string body) {
    const net::HttpResponse response =
        call("POST", fmt::format("/api/v1/{}", target), std::move(body));
    return fmt::format("{} {}", response.status, response.body);
  }
  static std::string data(std::string_view json) {
    return fmt::format(R"(200 {{"status":"success","data":{}}})", json);
  }
  static std::string error(int status, std::string_view type, std::string_view text) {
    std::string body;
    base::JsonWriter json(&body);
    json.begin_object()
        .field("status", "error")
        .field("errorType", type)
        .field("error", text)
        .end_object();
    return fmt::format("{} {}", status, body);
  }
  static promql::EngineOptions small_engine() {
    promql::EngineOptions options;
    options.max_samples = 1000;
    return options;
  }
  static std::string bad(std::string_view text) { return error(400, "bad_data", text); }

  base::testing::FakeClock clock_{base::from_ms(kNow)};
  base::testing::InlineExecutor executor_;
  std::unique_ptr<base::FileSystem> files_ = base::testing::make_mem_fs();
  base::Registry metrics_;
  net::testing::FakeHttpClient http_;
  storage::testing::MemStore store_;
  promql::Engine engine_{small_engine(), {clock_, nullptr, nullptr}};
  collector::Collector collector_{
      {clock_, clock_, executor_, executor_, *files_, metrics_, http_, store_}};
  rules::Evaluator rules_{{clock_, clock_, executor_, metrics_, engine_, store_, store_,
                           [](const std::vector<model::Alert>&) {}, nullptr},
                          {}};
  net::Router router_;
};

TEST_F(PrometheusApiTest, QueryAnswersEveryType) {
  put_up();
  put(series("special", "v", "inf"), kNow, INFINITY);
  put(series("special", "v", "nan"), kNow, NAN);
  put(series("special", "v", "neg"), kNow, -INFINITY);
  const std::pair<std::string, std::string> cases[] = {
      {"query?query=1", R"({"resultType":"scalar","result":[1700000000,"1"]})"},
      {"query?query=1e20",
       R"({"resultType":"scalar","result":[1700000000,"100000000000000000000"]})"},
      {"query?query=1e300", R"({"resultType":"scalar","result":[1700000000,"1e+300"]})"},
      {"query?query=%22text%22", R"({"resultType":"string","result":[1700000000,"text"]})"},
      {"query?query=none", R"({"resultType":"vector","result":[]})"},
      {"query?query=up",
       R"({"resultType":"vector","result":[)"
       R"({"metric":{"__name__":"up","instance":"a:1"},"value":[1700000000,"1"]},)"
       R"({"metric":{"__name__":"up","instance":"b:1"},"value":[1700000000,"0"]}]})"},
      {"query?query=sum(up)",
       R"({"resultType":"vector","result":[{"metric":{},"value":[1700000000,"1"]}]})"},
      {"query?query=special",
       R"({"resultType":"vector","result":[)"
       R"({"metric":{"__name__":"special","v":"inf"},"value":[1700000000,"+Inf"]},)"
       R"({"metric":{"__name__":"special","v":"nan"},"value":[1700000000,"NaN"]},)"
       R"({"metric":{"__name__":"special","v":"neg"},"value":[1700000000,"-Inf"]}]})"},
      {"query?query=up%7Binstance=%22a:1%22%7D[2m]",
       R"({"resultType":"matrix","result":[{"metric":{"__name__":"up","instance":"a:1"},)"
       R"("values":[[1699999940,"1"],[1700000000,"1"]]}]})"},
      // As Grafana's health check asks.
      {"query?query=1%2B1&time=4", R"({"resultType":"scalar","result":[4,"2"]})"},
  };
  for (const auto& [request, expected] : cases) EXPECT_EQ(get(request), data(expected)) << request;
}

TEST_F(PrometheusApiTest, TimesHaveEveryFormOfUpstream) {
  const auto at = [](std::string_view time) {
    return data(fmt::format(R"({{"resultType":"scalar","result":[{},"1"]}})", time));
  };
  const std::pair<std::string, std::string> cases[] = {
      {"1700000000.5", at("1700000000.500")},
      {"1700000000.1239", at("1700000000.124")},
      {"-1.5", at("-1.500")},
      {"1.7e9", at("1700000000")},
      {"2023-11-14T22:13:20Z", at("1700000000")},
      {"2023-11-14T23:13:20.25%2B01:00", at("1700000000.250")},
      {"", at("1700000000")},
      // Milliseconds taken for seconds: the year 55840.
      {"1700000000000", at("1700000000000")},
      {"soon",
       bad(R"(invalid parameter "time": invalid time value for 'time': cannot parse "soon" to a valid timestamp)")},
      {"NaN",
       bad(R"(invalid parameter "time": invalid time value for 'time': cannot parse "NaN" to a valid timestamp)")},
      {"1e300",
       bad(R"(invalid parameter "time": invalid time value for 'time': cannot parse "1e300" to a valid timestamp)")},
  };
  for (const auto& [time, expected] : cases)
    EXPECT_EQ(get("query?query=1&time=" + time), expected) << time;
}

TEST_F(PrometheusApiTest, FormsAreReadFromUrlAndBody) {
  const std::string one = data(R"({"resultType":"scalar","result":[4,"1"]})");
  EXPECT_EQ(post("query", "query=1&time=4"), one);
  EXPECT_EQ(post("query?time=4", "query=1"), one);
  EXPECT_EQ(post("query?time=5&query=2", "query=1&time=4"), one) << "the body comes first";
  EXPECT_THAT(post("query?stats=all", "query=1&time=4"), HasSubstr(R"("stats":{"timings")"));
  EXPECT_EQ(post("query", "query=%zz"),
            bad(R"(error parsing form values: invalid URL escape "%zz")"));
}

TEST_F(PrometheusApiTest, QueryErrorsHaveUpstreamsTypesAndTexts) {
  put_up();
  const std::pair<std::string, std::string> cases[] = {
      {"query",
       bad(R"(invalid parameter "query": unknown position: parse error: no expression found in input)")},
      {"query?query=up+%2B",
       bad(R"(invalid parameter "query": 1:5: parse error: unexpected end of input)")},
      {"query?query=1&timeout=later",
       bad(R"(invalid parameter "timeout": cannot parse "later" to a valid duration)")},
      {"query?query=1&timeout=1e30",
       bad(R"(invalid parameter "timeout": cannot parse "1e30" to a valid duration. It overflows int64)")},
      {"query?query=1&lookback_delta=x",
       bad(R"(error parsing lookback delta duration: cannot parse "x" to a valid duration)")},
      {"query?query=1&limit=abc",
       bad(R"(invalid parameter "limit": strconv.Atoi: parsing "abc": invalid syntax)")},
      {"query?query=1&limit=99999999999999999999",
       bad(R"(invalid parameter "limit": strconv.Atoi: parsing "99999999999999999999": value out of range)")},
      {"query?query=1&limit=-1", bad(R"(invalid parameter "limit": limit must be non-negative)")},
      {"query?query=up+*+on()+group_left()+label_replace(up,%22i%22,%22%22,%22%22,%22%22)",
       error(
           422, "execution",
           "found duplicate series for the match group {} on the right hand-side of the operation: "
           R"([{__name__="up", instance="a:1"}, {__name__="up", instance="b:1"}];)"
           "many-to-many matching not allowed: matching labels must be unique on one side")},
      {"query?query=sum_over_time(up[1h:1s])",
       error(422, "execution",
             "query processing would load too many samples into memory in query execution")},
  };
  for (const auto& [request, expected] : cases) {
    const std::string reply = get(request);
    if (request.find("group_left") != std::string::npos) {
      // The order of the two series in the text is not fixed.
      EXPECT_THAT(reply, HasSubstr(R"(422 {"status":"error","errorType":"execution")")) << request;
      EXPECT_THAT(reply, HasSubstr("many-to-many matching not allowed")) << request;
    } else {
      EXPECT_EQ(reply, expected) << request;
    }
  }
}

TEST_F(PrometheusApiTest, QueryRangeAnswersAMatrix) {
  put_up();
  EXPECT_EQ(
      get("query_range?query=up%7Binstance=%22a:1%22%7D&start=1699999940&end=1700000000&step=30"),
      data(
          R"({"resultType":"matrix","result":[{"metric":{"__name__":"up","instance":"a:1"},"values":)"
          R"([[1699999940,"1"],[1699999970,"1"],[1700000000,"1"]]}]})"));
  EXPECT_EQ(
      get("query_range?query=1&start=0&end=2&step=1s"),
      data(
          R"({"resultType":"matrix","result":[{"metric":{},"values":[[0,"1"],[1,"1"],[2,"1"]]}]})"));
  EXPECT_EQ(
      get("query_range?query=1&start=0&end=0.25&step=0.125"),
      data(
          R"({"resultType":"matrix","result":[{"metric":{},"values":[[0,"1"],[0.125,"1"],[0.250,"1"]]}]})"));
  EXPECT_EQ(get("query_range?query=none&start=0&end=2&step=1"),
            data(R"({"resultType":"matrix","result":[]})"));
}

TEST_F(PrometheusApiTest, QueriesAnswerHistograms) {
  model::FloatHistogram h;
  h.count = 3;
  h.sum = 4;
  h.positive_spans = {{1, 1}};
  h.positive_buckets = {3};
  auto appender = store_.appender();
  ASSERT_TRUE(appender
                  ->append_histogram({}, model::Labels::of({{"__name__", "h"}}),
                                     base::from_ms(kNow - 30'000), h)
                  .ok());
  ASSERT_TRUE(storage::commit_and_wait(*appender).ok());
  put(model::Labels::of({{"__name__", "h"}}), kNow, 7);
  const std::string json = R"({"count":"3","sum":"4","buckets":[[0,"1","2","3"]]})";
  EXPECT_EQ(
      get("query?query=h&time=1699999980"),
      data(
          R"({"resultType":"vector","result":[{"metric":{"__name__":"h"},"histogram":[1699999980,)" +
          json + "]}]}"));
  EXPECT_EQ(get("query_range?query=h&start=1699999970&end=1700000000&step=30"),
            data(R"({"resultType":"matrix","result":[{"metric":{"__name__":"h"},)"
                 R"("values":[[1700000000,"7"]],"histograms":[[1699999970,)" +
                 json + "]]}]}"));
}

TEST_F(PrometheusApiTest, QueryRangeRefusesWithUpstreamsTexts) {
  const std::string step_error =
      R"(invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer)";
  const std::string points_error =
      "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
      "resolution (?step=XX)";
  const std::pair<std::string, std::string> cases[] = {
      {"query=1&end=2&step=1",
       R"(invalid parameter "start": cannot parse "" to a valid timestamp)"},
      {"query=1&start=2&step=1",
       R"(invalid parameter "end": cannot parse "" to a valid timestamp)"},
      {"query=1&start=x&end=2&step=1",
       R"(invalid parameter "start": cannot parse "x" to a valid timestamp)"},
      {"query=1&start=2&end=1&step=1",
       R"(invalid parameter "end": end timestamp must not be before start time)"},
      {"query=1&start=1&end=2", R"(invalid parameter "step": cannot parse "" to a valid duration)"},
      {"query=1&start=1&end=2&step=foo",
       R"(invalid parameter "step": cannot parse "foo" to a valid duration)"},
      {"query=1&start=1&end=2&step=0", step_error},
      {"query=1&start=1&end=2&step=-1", step_error},
      {"query=1&start=0&end=11001&step=1", points_error},
      {"query=1&start=-1e11&end=1e11&step=1ms", points_error},
      {"query=up[1m]&start=1&end=2&step=1",
       R"(invalid parameter "query": invalid expression type "range vector" for range query, must be Scalar or instant Vector)"},
      {"query=sum(&start=1&end=2&step=1",
       R"(invalid parameter "query": 1:5: parse error: unclosed left parenthesis)"},
  };
  for (const auto& [request, expected] : cases)
    EXPECT_EQ(get("query_range?" + request), bad(expected)) << request;
}

TEST_F(PrometheusApiTest, ElevenThousandAndOnePointsAreFine) {
  promql::Engine engine({}, {clock_, nullptr, nullptr});
  net::Router router;
  add_query_api(router, {clock_, engine, store_});
  net::HttpRequest request;
  request.method = "GET";
  ASSERT_EQ(request.set_target("/api/v1/query_range?query=1&start=0&end=11000&step=1"), ok());
  const net::HttpResponse response = router.route(request);
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr(R"([11000,"1"]]}]}})"));
}

TEST_F(PrometheusApiTest, ALimitCutsAndWarns) {
  put_up();
  const std::string warning = R"(,"warnings":["results truncated due to limit"])";
  const std::string requests[] = {"query?query=up",
                                  "query_range?query=up&start=1700000000&end=1700000000&step=1",
                                  "labels?x=", "label/instance/values?x=", "series?match[]=up"};
  for (const std::string& request : requests) {
    EXPECT_THAT(get(request + "&limit=1"), HasSubstr(warning)) << request;
    EXPECT_THAT(get(request + "&limit=2"), Not(HasSubstr("warnings"))) << request;
    EXPECT_THAT(get(request + "&limit=0"), Not(HasSubstr("warnings"))) << request << ": no limit";
  }
  EXPECT_EQ(get("label/instance/values?limit=1"),
            fmt::format(R"(200 {{"status":"success","data":["a:1"]{}}})", warning));
  EXPECT_EQ(
      get("series?match[]=up&limit=1"),
      fmt::format(R"(200 {{"status":"success","data":[{{"__name__":"up","instance":"a:1"}}]{}}})",
                  warning));
}

TEST_F(PrometheusApiTest, LabelNamesAndValues) {
  put_up();
  put(series("disk", "dev/ice", "sda"), kNow, 1);
  put(series("disk", "\xC3\xA4 b", "x"), kNow, 1);
  const std::pair<std::string, std::string> cases[] = {
      {"labels", data("[\"__name__\",\"dev/ice\",\"instance\",\"\xC3\xA4 b\"]")},
      {"labels?match[]=up", data(R"(["__name__","instance"])")},
      {"labels?match[]=up&match[]=disk%7B%22dev/ice%22=%22sda%22%7D",
       data(R"(["__name__","dev/ice","instance"])")},
      {"labels?match[]=none", data("[]")},
      {"labels?start=1&end=2", data("[]")},
      // Grafana's start-up sends milliseconds.
      {"labels?start=1699999000000&end=1700000000000", data("[]")},
      {"label/__name__/values", data(R"(["disk","up"])")},
      {"label/instance/values", data(R"(["a:1","b:1"])")},
      {"label/instance/values?match[]=up%7Binstance=~%22b.*%22%7D", data(R"(["b:1"])")},
      {"label/nothing/values", data("[]")},
      {"label/dev%2Fice/values", data(R"(["sda"])")},
      {"label/U__dev_2f_ice/values", data(R"(["sda"])")},
      {"label/U___e4__20_b/values", data(R"(["x"])")},
      {"label/U__instance/values", data(R"(["a:1","b:1"])")},
      {"label/U__bad_zz_/values", data("[]")},
      {"label/%FF/values", bad(R"(invalid label name: "\xff")")},
      {"labels?start=x",
       bad(R"(invalid parameter "start": invalid time value for 'start': cannot parse "x" to a valid timestamp)")},
      {"labels?end=x",
       bad(R"(invalid parameter "end": invalid time value for 'end': cannot parse "x" to a valid timestamp)")},
      {"labels?limit=x",
       bad(R"(invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax)")},
      {"labels?match[]=%7B%7D",
       bad(R"(invalid parameter "match[]": match[] must contain at least one non-empty matcher)")},
      {"label/instance/values?match[]=up%7B",
       bad(R"(invalid parameter "match[]": 1:4: parse error: unexpected end of input inside braces)")},
  };
  for (const auto& [request, expected] : cases) EXPECT_EQ(get(request), expected) << request;
  EXPECT_EQ(post("labels", "match[]=up"), data(R"(["__name__","instance"])"));
  EXPECT_EQ(post("label/instance/values", "match[]=none"), data("[]"));
}

TEST_F(PrometheusApiTest, Series) {
  put_up();
  const std::pair<std::string, std::string> cases[] = {
      {"series?match[]=up",
       data(R"([{"__name__":"up","instance":"a:1"},{"__name__":"up","instance":"b:1"}])")},
      {"series?match[]=up%7Binstance=%22a:1%22%7D&match[]=up%7Binstance=~%22.%2B%22%7D",
       data(R"([{"__name__":"up","instance":"a:1"},{"__name__":"up","instance":"b:1"}])")},
      {"series?match[]=up&start=1&end=2", data("[]")},
      {"series?match[]=up&start=1690000000000&end=1700000000000", data("[]")},
      {"series?match[]=up&start=1699999999&end=253402300799",
       data(R"([{"__name__":"up","instance":"a:1"},{"__name__":"up","instance":"b:1"}])")},
      {"series", bad("no match[] parameter provided")},
      {"series?match[]=up&start=x",
       bad(R"(invalid parameter "start": invalid time value for 'start': cannot parse "x" to a valid timestamp)")},
      {"series?match[]=%7Bx=~%22.*%22%7D",
       bad(R"(invalid parameter "match[]": match[] must contain at least one non-empty matcher)")},
  };
  for (const auto& [request, expected] : cases) EXPECT_EQ(get(request), expected) << request;
  EXPECT_EQ(post("series", "match[]=up&limit=0&start=1&end=2"), data("[]"));
}

TEST_F(PrometheusApiTest, StatsComeWhenAsked) {
  put_up();
  EXPECT_THAT(get("query?query=up"), Not(HasSubstr("stats")));
  const std::string reply = get("query?query=up&stats=all");
  for (const char* part :
       {R"("stats":{"timings":{"evalTotalTime":)", R"("resultSortTime":)",
        R"("queryPreparationTime":)", R"("innerEvalTime":)", R"("execQueueTime":)",
        R"("execTotalTime":)",
        R"("samples":{"totalQueryableSamples":2,"samplesRead":2,"peakSamples":)"}) {
    EXPECT_THAT(reply, HasSubstr(part));
  }
}

TEST_F(PrometheusApiTest, Targets) {
  const auto job = [](const std::string& name, const std::string& address) {
    collector::ScrapeOptions options;
    options.job = name;
    options.interval = seconds(15);
    discovery::StaticOptions fixed;
    fixed.groups.push_back({"0", {model::Labels::of({{"__address__", address}})}, {}});
    options.sources.emplace_back(fixed);
    options.fingerprint = name;
    return options;
  };
  collector::ScrapeOptions dropped = job("gone", "c:1");
  model::RelabelOptions drop;
  drop.action = "drop";
  dropped.relabel.push_back(*model::make_relabel_rule(drop));
  collector_.apply({{job("down", "b:1"), dropped, job("node", "localhost:1")}, {}});
  clock_.advance(seconds(15));

  const std::string active = get("targets?state=ACTIVE");
  EXPECT_THAT(
      active,
      HasSubstr(
          R"({"activeTargets":[{"discoveredLabels":{"__address__":"b:1",)"
          R"("__always_scrape_classic_histograms__":"false",)"
          R"("__convert_classic_histograms_to_nhcb__":"false","__metrics_path__":"/metrics",)"
          R"("__scheme__":"http","__scrape_interval__":"15s","__scrape_native_histograms__":"false",)"
          R"("__scrape_timeout__":"10s","job":"down"},)"
          R"("labels":{"instance":"b:1","job":"down"},"scrapePool":"down","scrapeUrl":"http://b:1/metrics",)"));
  EXPECT_THAT(active,
              HasSubstr(R"("health":"down","scrapeInterval":"15s","scrapeTimeout":"10s"})"));
  EXPECT_THAT(active, HasSubstr("connection refused"));
  EXPECT_THAT(
      active,
      HasSubstr(
          R"("scrapeUrl":"http://localhost:1/metrics","globalUrl":"http://prom.example:1/metrics","lastError":"")"));
  EXPECT_THAT(active, HasSubstr(R"("health":"up")"));
  EXPECT_THAT(active, HasSubstr(R"("droppedTargets":[])"));

  EXPECT_THAT(
      get("targets?state=dropped"),
      HasSubstr(
          R"({"activeTargets":[],"droppedTargets":[{"discoveredLabels":{"__address__":"c:1")"));
  EXPECT_THAT(get("targets?state=dropped"),
              HasSubstr(R"("scrapePool":"gone"}],"droppedTargetCounts":{)"));
  EXPECT_THAT(get("targets"), HasSubstr(R"("gone":1)"));
  EXPECT_THAT(get("targets?state=any&scrapePool=node"), Not(HasSubstr(R"("job":"down")")));
  EXPECT_THAT(get("targets?scrapePool=node"), HasSubstr(R"("scrapePool":"node")"));
  EXPECT_EQ(get("targets?state=none"),
            data(R"({"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}})"));
}

class RulesApiTest : public PrometheusApiTest {
 protected:
  RulesApiTest() {
    put_up();
    rules::RuleOptions alert;
    alert.kind = rules::RuleOptions::Kind::kAlerting;
    alert.name = "Down";
    alert.expr = "up == 0";
    alert.labels = {{"severity", "critical"}};
    alert.annotations = {{"summary", "{{ $labels.instance }} is down"}};
    rules::RuleOptions slow = alert;
    slow.name = "Slow";
    slow.hold = seconds(300);
    slow.keep_firing = seconds(60);
    slow.labels = {{"severity", "{{ $value }}"}};
    rules::RuleOptions record;
    record.name = "up:sum";
    record.expr = "sum(up)";
    rules::RulesOptions options;
    const auto add = [&options](std::string file, std::string name, rules::RuleOptions rule) {
      rules::GroupOptions group;
      group.file = std::move(file);
      group.name = std::move(name);
      group.rules = {std::move(rule)};
      options.groups.push_back(std::move(group));
    };
    add("a.yml", "first", alert);
    add("a.yml", "second", record);
    add("b.yml", "first", slow);
    EXPECT_TRUE(rules_.apply(options).ok());
    rules_.evaluate_once(clock_.now());
  }
  // FILE/GROUP of each group in the answer.
  std::string groups(std::string_view parameters) {
    const net::HttpResponse response = call("GET", fmt::format("/api/v1/rules{}", parameters));
    if (response.status != 200) return response.body;
    StatusOr<base::JsonValue> json = base::parse_json(response.body);
    std::string out;
    for (const base::JsonValue& group : json->find("data")->find("groups")->items()) {
      out += group.find("file")->string() + "/" + group.find("name")->string() + " ";
    }
    return out;
  }
  static std::string token(const std::string& text) {
    const auto digest = base::sha256(text);
    return base::to_hex(std::string(digest.begin(), digest.end()));
  }
};

constexpr std::string_view kDownRule =
    R"({"state":"firing","name":"Down","query":"up == 0","duration":0,"keepFiringFor":0,"labels":{"severity":"critical"},)"
    R"("annotations":{"summary":"{{ $labels.instance }} is down"},"alerts":[{"labels":{"alertname":"Down","instance":"b:1","severity":"critical"},)"
    R"("annotations":{"summary":"b:1 is down"},"state":"firing","activeAt":"2023-11-14T22:13:20Z","value":"0e+00"}],)"
    R"("health":"ok","evaluationTime":0,"lastEvaluation":"2023-11-14T22:13:20Z","type":"alerting"})";

TEST_F(RulesApiTest, ShowsGroupsRulesAndAlerts) {
  EXPECT_EQ(
      get("rules?file[]=a.yml"),
      data(fmt::format(
          R"({{"groups":[{{"name":"first","file":"a.yml","rules":[{}],"interval":60,"limit":0,"evaluationTime":0,)"
          R"("lastEvaluation":"2023-11-14T22:13:20Z"}},)"
          R"j({{"name":"second","file":"a.yml","rules":[{{"name":"up:sum","query":"sum(up)","health":"ok","evaluationTime":0,)j"
          R"("lastEvaluation":"2023-11-14T22:13:20Z","type":"recording"}}],"interval":60,"limit":0,"evaluationTime":0,)"
          R"("lastEvaluation":"2023-11-14T22:13:20Z"}}]}})",
          kDownRule)));
  EXPECT_THAT(
      get("rules?rule_name[]=Slow"),
      HasSubstr(
          R"("state":"pending","name":"Slow","query":"up == 0","duration":300,"keepFiringFor":60)"));
  EXPECT_THAT(get("rules?exclude_alerts=true"), HasSubstr(R"("alerts":[])"));
  EXPECT_THAT(get("rules?exclude_alerts=true"), Not(HasSubstr("activeAt")));
}

TEST_F(RulesApiTest, FiltersAndPages) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "a.yml/first a.yml/second b.yml/first "},
      {"?type=alert", "a.yml/first b.yml/first "},
      {"?type=RECORD", "a.yml/second "},
      {"?rule_group[]=first", "a.yml/first b.yml/first "},
      {"?rule_group[]=first&file[]=b.yml", "b.yml/first "},
      {"?rule_name[]=Slow&rule_name[]=up:sum", "a.yml/second b.yml/first "},
      {"?match[]=%7Bseverity=%22critical%22%7D", "a.yml/first "},
      {"?rule_name[]=nothing", ""},
      // The names of another product's parameters are not ours.
      {"?rule_name=Slow&file=b.yml", "a.yml/first a.yml/second b.yml/first "},
      {"?group_limit=2", "a.yml/first a.yml/second "},
      {"?group_limit=2&group_next_token=" + token("a.yml;second"), "a.yml/second b.yml/first "},
      {"?group_limit=9&group_next_token=" + token("b.yml;first"), "b.yml/first "},
  };
  for (const auto& [parameters, expected] : cases)
    EXPECT_EQ(groups(parameters), expected) << parameters;
  EXPECT_THAT(get("rules?group_limit=2"),
              HasSubstr(R"(],"groupNextToken":")" + token("b.yml;first") + R"("}})"));
  EXPECT_THAT(get("rules?group_limit=3"), Not(HasSubstr("groupNextToken")));
}

TEST_F(RulesApiTest, RefusesBadFilters) {
  const std::pair<std::string, std::string> cases[] = {
      {"type=both", R"(invalid parameter "type": not supported value "both")"},
      {"exclude_alerts=maybe",
       R"(invalid parameter "exclude_alerts": error converting exclude_alerts: strconv.ParseBool: parsing "maybe": invalid syntax)"},
      {"group_limit=0",
       R"(invalid parameter "group_limit": group_limit needs to be greater than 0)"},
      {"group_limit=-5",
       R"(invalid parameter "group_limit": group_limit needs to be greater than 0)"},
      {"group_next_token=abc",
       R"(invalid parameter "group_next_token": group_limit needs to be present in order to paginate over the groups)"},
      {"group_limit=1&group_next_token=abc",
       R"(invalid parameter "group_next_token": invalid group_next_token 'abc'. were rule groups changed?)"},
      {"match[]=%7B",
       R"(invalid parameter "match[]": 1:2: parse error: unexpected end of input inside braces)"},
  };
  for (const auto& [parameters, expected] : cases)
    EXPECT_EQ(get("rules?" + parameters), bad(expected)) << parameters;
  EXPECT_THAT(get("rules?group_limit=x"), HasSubstr("400 "));
}

TEST_F(RulesApiTest, AlertsAreThoseOfAllRules) {
  const std::string reply = get("alerts");
  EXPECT_THAT(
      reply,
      HasSubstr(
          R"(200 {"status":"success","data":{"alerts":[{"labels":{"alertname":"Down","instance":"b:1")"));
  EXPECT_THAT(reply,
              HasSubstr(R"("state":"pending","activeAt":"2023-11-14T22:13:20Z","value":"0e+00")"));
}

TEST_F(PrometheusApiTest, StatusPages) {
  EXPECT_EQ(get("alerts"), data(R"({"alerts":[]})"));
  EXPECT_EQ(get("rules"), data(R"({"groups":[]})"));
  EXPECT_EQ(get("status/config"), data(R"({"yaml":"global: {}\n"})"));
  EXPECT_EQ(get("status/flags"), data(R"({"config.file":"p.yml","web.enable-lifecycle":"false"})"));
  EXPECT_EQ(get("status/buildinfo"),
            data(R"({"version":"3.14.0","revision":"unknown","branch":"main","buildUser":"tocsin",)"
                 R"("buildDate":"unknown","goVersion":"c++20"})"))
      << "no features: clients would take us for another product";
  EXPECT_EQ(get("format_query?query=foo%2Fbar"), data(R"("foo / bar")"));
}

TEST_F(PrometheusApiTest, UnknownPathsAndMethods) {
  const struct {
    std::string method, target;
    int status;
    std::string body, allow;
  } cases[] = {
      {"GET", "/api/v1/nothing", 404, "404 page not found\n", ""},
      {"GET", "/rules/a/b", 404, "404 page not found\n", ""},
      {"DELETE", "/api/v1/query", 405, "Method Not Allowed\n", "GET, HEAD, OPTIONS, POST"},
      {"POST", "/api/v1/targets", 405, "Method Not Allowed\n", "GET, HEAD, OPTIONS"},
      {"OPTIONS", "/api/v1/query", 204, "", "GET, HEAD, OPTIONS, POST"},
  };
  for (const auto& c : cases) {
    const net::HttpResponse response = call(c.method, c.target);
    EXPECT_EQ(response.status, c.status) << c.method << ' ' << c.target;
    EXPECT_EQ(response.body, c.body) << c.method << ' ' << c.target;
    EXPECT_EQ(response.headers.get("Allow"), c.allow) << c.method << ' ' << c.target;
    EXPECT_EQ(response.headers.get("Access-Control-Allow-Origin"), "*")
        << c.method << ' ' << c.target;
  }
}

TEST_F(PrometheusApiTest, CorsHeadersAreForBrowsersOnly) {
  const net::HttpResponse with = call("GET", "/api/v1/query?query=1");
  EXPECT_EQ(with.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(with.headers.get("Access-Control-Allow-Headers"),
            "Accept, Authorization, Content-Type, Origin");
  EXPECT_EQ(with.headers.get("Access-Control-Allow-Methods"), "GET, POST, OPTIONS");
  EXPECT_EQ(with.headers.get("Access-Control-Expose-Headers"), "Date");
  EXPECT_EQ(with.headers.get("Vary"), "Origin");
  net::HttpRequest request;
  request.method = "GET";
  ASSERT_EQ(request.set_target("/api/v1/query?query=1"), ok());
  EXPECT_FALSE(router_.route(request).headers.has("Access-Control-Allow-Origin"));
}

TEST_F(PrometheusApiTest, RequestsAreCountedByPattern) {
  get("label/a/values");
  get("label/b/values");
  get("query");
  std::map<std::pair<std::string, std::string>, double> counts;  // by handler and code
  for (const base::MetricFamily& family : metrics_.gather()) {
    if (family.name != "prometheus_http_requests_total") continue;
    for (const base::MetricSample& sample : family.samples) {
      const std::map<std::string, std::string> labels(sample.labels.begin(), sample.labels.end());
      counts[{labels.at("handler"), labels.at("code")}] = sample.value;
    }
  }
  EXPECT_EQ((counts[{"/api/v1/label/{name}/values", "200"}]), 2);
  EXPECT_EQ((counts[{"/api/v1/query", "400"}]), 1);
}

// A store that fails in the way a test says.
class FailingStore final : public storage::Queryable {
 public:
  Status status = internal("disk on fire");
  StatusOr<std::unique_ptr<storage::Selection>> select(
      const model::Matchers&, const storage::SelectHints&,
      const storage::QueryContext&) const override {
    return status;
  }
  StatusOr<storage::LabelResult> label_names(const model::Matchers&, const storage::LabelHints&,
                                             const storage::QueryContext&) const override {
    return status;
  }
  StatusOr<storage::LabelResult> label_values(std::string_view, const model::Matchers&,
                                              const storage::LabelHints&,
                                              const storage::QueryContext&) const override {
    return status;
  }
  StatusOr<std::vector<model::Labels>> series(const std::vector<model::Matchers>&,
                                              const storage::LabelHints&,
                                              const storage::QueryContext&) const override {
    return status;
  }
};

TEST_F(PrometheusApiTest, EveryStatusHasItsErrorType) {
  FailingStore failing;
  net::Router router;
  add_query_api(router, {clock_, engine_, failing});
  add_prometheus_api(router, {clock_, failing, collector_, rules_, "", BuildInfo{}, {}, {}});
  const std::pair<Status, std::string> cases[] = {
      {cancelled("query was canceled in query execution"),
       error(499, "canceled", "query was canceled in query execution")},
      {deadline_exceeded("query timed out in query execution"),
       error(503, "timeout", "query timed out in query execution")},
      {internal("disk on fire"), error(500, "internal", "disk on fire")},
      {data_loss("bad tile"), error(500, "internal", "bad tile")},
      {resource_exhausted("too much"), error(422, "execution", "too much")},
      {unimplemented("not supported yet: x"), error(422, "execution", "not supported yet: x")},
      {not_found("gone"), error(404, "not_found", "gone")},
      {unavailable("later"), error(500, "unavailable", "later")},
  };
  for (const auto& [status, expected] : cases) {
    failing.status = status;
    for (const char* target : {"/api/v1/query?query=up", "/api/v1/labels", "/api/v1/label/a/values",
                               "/api/v1/series?match[]=up"}) {
      net::HttpRequest request;
      request.method = "GET";
      ASSERT_EQ(request.set_target(target), ok());
      const net::HttpResponse response = router.route(std::move(request));
      EXPECT_EQ(fmt::format("{} {}", response.status, response.body), expected) << target;
    }
  }
}

}  // namespace
}  // namespace tocsin::web
