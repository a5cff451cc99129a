// SPDX-License-Identifier: Apache-2.0
#include "web/query_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/testing/fake_clock.h"
#include "base/testing/mem_fs.h"
#include "storage/testing/mem_store.h"
#include "web/query_log.h"

namespace tocsin::web {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kNow = 1'700'000'000'000;

// A store that calls a function when it is asked, to act while a query runs.
class Hooked final : public storage::Queryable {
 public:
  explicit Hooked(const storage::Queryable& inner) : inner_(inner) {}
  std::function<void()> hook;
  StatusOr<std::unique_ptr<storage::Selection>> select(
      const model::Matchers& matchers, const storage::SelectHints& hints,
      const storage::QueryContext& context) const override {
    if (hook) hook();
    return inner_.select(matchers, hints, context);
  }
  StatusOr<storage::LabelResult> label_names(const model::Matchers& m, const storage::LabelHints& h,
                                             const storage::QueryContext& c) const override {
    return inner_.label_names(m, h, c);
  }
  StatusOr<storage::LabelResult> label_values(std::string_view name, const model::Matchers& m,
                                              const storage::LabelHints& h,
                                              const storage::QueryContext& c) const override {
    return inner_.label_values(name, m, h, c);
  }
  StatusOr<std::vector<model::Labels>> series(const std::vector<model::Matchers>& m,
                                              const storage::LabelHints& h,
                                              const storage::QueryContext& c) const override {
    return inner_.series(m, h, c);
  }

 private:
  const storage::Queryable& inner_;
};

class QueryApiTest : public ::testing::Test {
 protected:
  QueryApiTest() {
    add_query_api(router_, {clock_, engine_, hooked_, true, true});
    auto appender = store_.appender();
    model::LabelsBuilder labels;
    labels.set("__name__", "up").set("instance", "a");
    for (int i = 0; i < 4; ++i) {
      EXPECT_TRUE(
          appender->append({}, labels.build(), base::from_ms(kNow - i * 10'000), 1, {}).ok() ||
          i > 0);
    }
    EXPECT_TRUE(storage::commit_and_wait(*appender).ok());
  }

  net::HttpResponse send(std::string method, std::string_view target,
                         std::shared_ptr<const std::atomic<bool>> gone = nullptr) {
    net::HttpRequest request;
    request.method = std::move(method);
    request.remote_address = "[::1]:4711";
    request.client_gone = std::move(gone);
    EXPECT_EQ(request.set_target(target), ok()) << target;
    return router_.route(std::move(request));
  }
  std::string get(std::string_view target) {
    const net::HttpResponse response = send("GET", target);
    return fmt::format("{} {}", response.status, response.body);
  }

  base::testing::FakeClock clock_{base::from_ms(kNow)};
  storage::testing::MemStore store_;
  Hooked hooked_{store_};
  promql::Engine engine_{{}, {clock_, nullptr, nullptr}};
  net::Router router_;
};

TEST_F(QueryApiTest, RunningQueriesAreListedAndEnded) {
  std::string listed;
  int ended = 0;
  hooked_.hook = [&] {
    listed = get("/api/x/queries");
    ended = send("DELETE", "/api/x/queries/1").status;
  };
  EXPECT_EQ(
      get("/api/v1/query_range?query=up&start=1699999990&end=1700000000&step=5"),
      "499 {\"status\":\"error\",\"errorType\":\"canceled\",\"error\":\"query was canceled in "
      "expression evaluation\"}");
  const std::string expected =
      "200 {\"status\":\"success\",\"data\":[{\"id\":1,\"query\":\"up\",\"state\":\"running\","
      "\"started\":\"2023-11-14T22:13:20Z\",\"seconds\":0,\"start\":\"2023-11-14T22:13:10Z\","
      "\"end\":\"2023-11-14T22:13:20Z\",\"step\":5,\"memoryBytes\":";
  EXPECT_EQ(listed.substr(0, expected.size()), expected) << listed;
  EXPECT_THAT(listed, HasSubstr("\"httpRequest\":{\"clientIP\":\"::1\",\"method\":\"GET\",\"path\":"
                                "\"/api/v1/query_range\"}}]}"));
  EXPECT_EQ(ended, 204);
  EXPECT_EQ(get("/api/x/queries"), "200 {\"status\":\"success\",\"data\":[]}");
  EXPECT_EQ(send("DELETE", "/api/x/queries/1").status, 404);
  EXPECT_EQ(send("DELETE", "/api/x/queries/x").status, 400);
}

TEST_F(QueryApiTest, EndingIsForAdministrators) {
  net::Router router;
  add_query_api(router, {clock_, engine_, store_});
  net::HttpRequest request;
  request.method = "DELETE";
  ASSERT_EQ(request.set_target("/api/x/queries/1"), ok());
  EXPECT_THAT(router.route(request).body, HasSubstr("admin APIs disabled"));
}

TEST_F(QueryApiTest, AQueryEndsWhenItsClientIsGone) {
  auto gone = std::make_shared<std::atomic<bool>>(false);
  hooked_.hook = [&] { *gone = true; };
  EXPECT_EQ(send("GET", "/api/v1/query?query=up", gone).status, 499);
}

TEST_F(QueryApiTest, PlansAreExplainedAndAnalyzed) {
  EXPECT_THAT(get("/api/x/query_explain?query=sum(up)"),
              HasSubstr("200 {\"status\":\"success\",\"data\":{\"plan\":{\"operator\":"
                        "\"aggregate sum\""));
  EXPECT_THAT(get("/api/x/query_explain?query=sum("), HasSubstr("400 "));
  EXPECT_THAT(get("/api/x/query_explain?query=up&step=5"), HasSubstr("invalid parameter"));
  const std::string analyzed =
      get("/api/x/query_analyze?query=sum(up)&start=1699999990&end=1700000000&step=5");
  EXPECT_THAT(analyzed, HasSubstr("\"actual\":{\"calls\":1,"));
  EXPECT_THAT(analyzed, HasSubstr("\"stats\":{\"timings\":"));
  EXPECT_THAT(analyzed, HasSubstr("\"peakBytes\":"));
}

TEST_F(QueryApiTest, StatisticsAreUpstreams) {
  const std::string reply =
      get("/api/v1/query_range?query=up&start=1699999990&end=1700000000&step=5&stats=all");
  EXPECT_THAT(
      reply,
      HasSubstr(
          "\"samples\":{\"totalQueryableSamplesPerStep\":[[1699999990,0],[1699999995,0],"
          "[1700000000,1]],\"totalQueryableSamples\":1,\"samplesReadPerStep\":"
          "[[1699999990,0],[1699999995,0],[1700000000,1]],\"samplesRead\":1,\"peakSamples\":"));
  const std::string plain = get("/api/v1/query?query=up&stats=true");
  EXPECT_THAT(plain, HasSubstr("\"samples\":{\"totalQueryableSamples\":1,\"samplesRead\":1,"));
  for (const char* timing : {"evalTotalTime", "resultSortTime", "queryPreparationTime",
                             "innerEvalTime", "execQueueTime", "execTotalTime"}) {
    EXPECT_THAT(plain, HasSubstr(timing));
  }
  EXPECT_THAT(get("/api/v1/query?query=up&stats=yes"),
              HasSubstr("\"warnings\":[\"value \\\"yes\\\" for parameter \\\"stats\\\" is "
                        "deprecated and will be rejected in the next major release, use "
                        "\\\"true\\\" or \\\"all\\\"\"]"));
}

TEST_F(QueryApiTest, AnAnswerIsChargedUntilItHasLeft) {
  base::Registry registry;
  promql::Engine engine({}, {clock_, nullptr, &registry});
  net::Router router;
  add_query_api(router, {clock_, engine, store_});
  const auto held = [&registry] {
    for (const base::MetricFamily& family : registry.gather()) {
      if (family.name == "tocsin_engine_memory_bytes") return family.samples.at(0).value;
    }
    return -1.0;
  };
  net::HttpRequest request;
  request.method = "GET";
  ASSERT_EQ(request.set_target("/api/v1/query?query=up"), ok());
  {
    const net::HttpResponse response = router.route(request);
    EXPECT_GE(held(), static_cast<double>(response.body.size()) / 2);
  }
  EXPECT_EQ(held(), 0);
}

TEST_F(QueryApiTest, TheLogHasALinePerQuery) {
  const auto files = base::testing::make_mem_fs();
  base::Counter failures;
  auto log = QueryLogFile::open("q.log", {clock_, *files, failures});
  ASSERT_TRUE(log.ok()) << log.status();
  engine_.set_query_log(std::make_shared<promql::QueryLog>(
      [&](const promql::FinishedQuery& query) { (*log)->write(query); }));
  get("/api/v1/query_range?query=up&start=1699999990&end=1700000000&step=5");
  hooked_.hook = [&] { engine_.kill(2); };
  get("/api/v1/query?query=up");
  engine_.set_query_log(nullptr);
  const auto text = files->read_file("q.log", 1 << 20);
  ASSERT_TRUE(text.ok()) << text.status();
  const std::size_t end = text->find('\n');
  const auto first = base::parse_json(text->substr(0, end));
  const auto second = base::parse_json(text->substr(end + 1));
  ASSERT_TRUE(first.ok() && second.ok()) << *text;
  EXPECT_EQ(text->substr(0, text->find(",\"stats\"")),
            "{\"time\":\"2023-11-14T22:13:20.000Z\",\"level\":\"INFO\",\"msg\":\"promql query "
            "logged\",\"params\":{\"end\":\"2023-11-14T22:13:20.000Z\",\"query\":\"up\",\"start\":"
            "\"2023-11-14T22:13:10.000Z\",\"step\":5}");
  EXPECT_EQ(first->find("stats")->find("samples")->find("totalQueryableSamples")->integer(), 1);
  EXPECT_EQ(first->find("httpRequest")->find("path")->string(), "/api/v1/query_range");
  EXPECT_EQ(first->find("error"), nullptr);
  EXPECT_EQ(second->find("error")->string(), "query was canceled in expression evaluation");
  EXPECT_EQ(failures.value(), 0);
}

}  // namespace
}  // namespace tocsin::web
