// SPDX-License-Identifier: Apache-2.0
#include "web/status_api.h"

#include <gtest/gtest.h>

#include "base/time.h"

namespace tocsin::web {
namespace {

class FakeAdmin final : public storage::Admin {
 public:
  Status delete_series(const std::vector<model::Matchers>&, model::Timestamp,
                       model::Timestamp) override {
    return unimplemented("not asked here");
  }
  Status clean_tombstones() override { return unimplemented("not asked here"); }
  Status compact() override { return unimplemented("not asked here"); }
  StatusOr<std::string> snapshot(bool) override { return unimplemented("not asked here"); }
  storage::StoreStats stats() const override { return held; }
  std::vector<storage::CardinalityEntry> series_by_metric(std::size_t limit) const override {
    return {{"up", limit}};
  }
  std::vector<storage::CardinalityEntry> values_by_label(std::size_t) const override {
    return {{"instance", 3}, {"job", 1}};
  }
  std::vector<storage::CardinalityEntry> series_by_pair(std::size_t) const override {
    return {{"job=\"a\"", 7}};
  }
  std::vector<storage::CardinalityEntry> bytes_by_label(std::size_t) const override { return {}; }

  storage::StoreStats held;
};

std::string call(const FakeAdmin& store, const std::string& query) {
  net::Router router;
  add_status_api(router, store);
  net::HttpRequest request;
  request.method = "GET";
  EXPECT_TRUE(request.set_target("/api/v1/status/tsdb" + query).ok());
  const net::HttpResponse response = router.route(std::move(request));
  return fmt::format("{} {}", response.status, response.body);
}

TEST(StatusApi, TellsWhatTheHeadHoldsAndWhatIsLargest) {
  FakeAdmin store;
  store.held.active_series = 5;
  store.held.label_pairs = 9;
  store.held.head_chunks = 2;
  store.held.head_min_time = base::from_ms(1500);
  store.held.head_max_time = base::from_ms(2500);
  EXPECT_EQ(
      call(store, ""),
      R"(200 {"status":"success","data":{"headStats":{"numSeries":5,"numLabelPairs":9,"chunkCount":2,)"
      R"("minTime":1500,"maxTime":2500},"seriesCountByMetricName":[{"name":"up","value":10}],)"
      R"("labelValueCountByLabelName":[{"name":"instance","value":3},{"name":"job","value":1}],)"
      R"("memoryInBytesByLabelName":[],"seriesCountByLabelValuePair":[{"name":"job=\"a\"","value":7}]}})");
}

TEST(StatusApi, AnEmptyHeadHasUpstreamsExtremes) {
  FakeAdmin store;
  store.held.head_min_time = model::kMaxTime;
  store.held.head_max_time = model::kMinTime;
  EXPECT_NE(call(store, "").find(R"("minTime":9223372036854775807,"maxTime":-9223372036854775808)"),
            std::string::npos);
}

TEST(StatusApi, TheLimitIsAskedForAndBounded) {
  const FakeAdmin store;
  EXPECT_NE(call(store, "?limit=10000").find(R"({"name":"up","value":10000})"), std::string::npos);
  const struct {
    std::string query, text;
  } cases[] = {
      {"?limit=0", "limit must be a positive number"},
      {"?limit=-1", "limit must be a positive number"},
      {"?limit=many", "limit must be a positive number"},
      {"?limit=10001", "limit must not exceed 10000"},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(
        call(store, one.query),
        fmt::format(R"(400 {{"status":"error","errorType":"bad_data","error":"{}"}})", one.text))
        << one.query;
  }
}

}  // namespace
}  // namespace tocsin::web
