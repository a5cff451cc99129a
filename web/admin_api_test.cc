// SPDX-License-Identifier: Apache-2.0
#include "web/admin_api.h"

#include <gtest/gtest.h>

#include "base/time.h"

namespace tocsin::web {
namespace {

// Says what it was asked.
class FakeAdmin final : public storage::Admin {
 public:
  Status delete_series(const std::vector<model::Matchers>& sets, model::Timestamp mint,
                       model::Timestamp maxt) override {
    asked =
        fmt::format("delete {} sets [{},{}]", sets.size(), base::to_ms(mint), base::to_ms(maxt));
    return result;
  }
  Status clean_tombstones() override {
    asked = "clean";
    return result;
  }
  Status compact() override {
    asked = "compact";
    return result;
  }
  StatusOr<std::string> snapshot(bool skip_head) override {
    asked = skip_head ? "snapshot without head" : "snapshot";
    if (!result.ok()) return result;
    return "20260101T000000Z-0123456789abcdef";
  }
  storage::StoreStats stats() const override { return {}; }
  std::vector<storage::CardinalityEntry> series_by_metric(std::size_t) const override { return {}; }
  std::vector<storage::CardinalityEntry> values_by_label(std::size_t) const override { return {}; }
  std::vector<storage::CardinalityEntry> series_by_pair(std::size_t) const override { return {}; }
  std::vector<storage::CardinalityEntry> bytes_by_label(std::size_t) const override { return {}; }

  std::string asked;
  Status result;
};

std::string call(FakeAdmin& store, bool enabled, std::string method, const std::string& target,
                 std::string body = "") {
  net::Router router;
  add_admin_api(router, {store, enabled});
  net::HttpRequest request;
  request.method = std::move(method);
  const std::string version = target == "compact" ? "x" : "v1";
  EXPECT_TRUE(request.set_target("/api/" + version + "/admin/tsdb/" + target).ok());
  request.body = std::move(body);
  if (!request.body.empty())
    request.headers.set("Content-Type", "application/x-www-form-urlencoded");
  const net::HttpResponse response = router.route(std::move(request));
  return fmt::format("{} {}", response.status, response.body);
}

std::string error(int status, std::string_view type, std::string_view text) {
  return fmt::format(R"({} {{"status":"error","errorType":"{}","error":"{}"}})", status, type,
                     text);
}

TEST(AdminApi, AsksTheStoreAndAnswersAsUpstreamDoes) {
  const std::string all = fmt::format("[{},{}]", INT64_MIN / 4, INT64_MAX / 4);
  const struct {
    std::string method, target, body, answer, asked;
  } cases[] = {
      {"POST", "delete_series?match[]=up&match[]={a=\"b\"}&start=1&end=2.5", "", "204 ",
       "delete 2 sets [1000,2500]"},
      {"PUT", "delete_series?match%5B%5D=up", "", "204 ", "delete 1 sets " + all},
      {"POST", "delete_series", "match[]=up&end=1970-01-01T00:00:09Z", "204 ",
       fmt::format("delete 1 sets [{},9000]", INT64_MIN / 4)},
      {"POST", "clean_tombstones", "", "204 ", "clean"},
      {"POST", "compact", "", "204 ", "compact"},
      {"PUT", "snapshot", "",
       R"(200 {"status":"success","data":{"name":"20260101T000000Z-0123456789abcdef"}})",
       "snapshot"},
      {"POST", "snapshot?skip_head=true", "",
       R"(200 {"status":"success","data":{"name":"20260101T000000Z-0123456789abcdef"}})",
       "snapshot without head"},
      {"POST", "delete_series", "", error(400, "bad_data", "no match[] parameter provided"), ""},
      {"POST", "snapshot?skip_head=maybe", "",
       error(400, "bad_data",
             R"(invalid parameter \"skip_head\": unable to parse boolean: )"
             R"(strconv.ParseBool: parsing \"maybe\": invalid syntax)"),
       ""},
  };
  for (const auto& one : cases) {
    FakeAdmin store;
    EXPECT_EQ(call(store, true, one.method, one.target, one.body), one.answer) << one.target;
    EXPECT_EQ(store.asked, one.asked) << one.target;
  }
}

TEST(AdminApi, BadTimesAndSelectorsAreTheRequestsFault) {
  FakeAdmin store;
  for (const char* target : {"delete_series?match[]=up&start=x", "delete_series?match[]=up&end=x",
                             "delete_series?match[]=up{", "delete_series?match[]={a=\"\"}"}) {
    EXPECT_TRUE(call(store, true, "POST", target).starts_with("400 ")) << target;
  }
  EXPECT_EQ(store.asked, "");
}

TEST(AdminApi, IsDisabledUnlessItIsEnabled) {
  FakeAdmin store;
  for (const char* target :
       {"delete_series?match[]=up", "clean_tombstones", "snapshot", "compact"}) {
    EXPECT_EQ(call(store, false, "POST", target), error(500, "unavailable", "admin APIs disabled"));
    EXPECT_TRUE(call(store, true, "GET", target).starts_with("405 ")) << target;
  }
  EXPECT_EQ(store.asked, "");
}

TEST(AdminApi, FailuresOfTheStoreAreInternal) {
  FakeAdmin store;
  store.result = resource_exhausted("disk full");
  EXPECT_EQ(call(store, true, "POST", "delete_series?match[]=up"),
            error(500, "internal", "disk full"));
  EXPECT_EQ(call(store, true, "POST", "clean_tombstones"), error(500, "internal", "disk full"));
  EXPECT_EQ(call(store, true, "POST", "snapshot"),
            error(500, "internal", "create snapshot: disk full"));
}

}  // namespace
}  // namespace tocsin::web
