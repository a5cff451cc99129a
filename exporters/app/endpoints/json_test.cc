// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporters/app/endpoints/json_input.h"
#include "exporters/app/endpoints/json_metrics.h"
#include "exporters/app/testing/canned_server.h"
#include "exporters/app/testing/fake_input.h"
#include "exporters/app/testing/page_text.h"

namespace tocsin::exporters::app {
namespace {

using testing::CannedServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::value_in;

std::vector<std::string> values(std::string_view path, std::string_view document) {
  const StatusOr<JsonPath> parsed = JsonPath::parse(path);
  EXPECT_TRUE(parsed.ok()) << path << ": " << parsed.status();
  const StatusOr<base::JsonValue> json = base::parse_json(document);
  EXPECT_TRUE(json.ok()) << json.status();
  std::vector<std::string> out;
  parsed->visit(*json, [&](const base::JsonValue& value, std::span<const std::string> keys) {
    std::string text;
    for (const std::string& key : keys) text += key + " ";
    out.push_back(text + (value.is(base::JsonValue::Kind::kString)
                              ? value.string()
                              : fmt::format("{}", value.number())));
  });
  return out;
}

TEST(JsonPath, FindsMembersItemsAndAll) {
  constexpr std::string_view kDocument =
      R"({"a": {"b c": 1, "d": [10, 20, 30]}, "list": [{"x": 1}, {"x": 2}, {"y": 3}], "n": null})";
  EXPECT_THAT(values("$.a['b c']", kDocument), ElementsAre("1"));
  EXPECT_THAT(values("$.a.d[1]", kDocument), ElementsAre("20"));
  EXPECT_THAT(values("$.a.d[-1]", kDocument), ElementsAre("30"));
  EXPECT_THAT(values("$.a.d[3]", kDocument), IsEmpty());
  EXPECT_THAT(values("$.a.d[-4]", kDocument), IsEmpty());
  EXPECT_THAT(values("$.a.d[*]", kDocument), ElementsAre("0 10", "1 20", "2 30"));
  EXPECT_THAT(values("$.list.*.x", kDocument), ElementsAre("0 1", "1 2"));
  EXPECT_THAT(values(R"($["a"].*[0])", kDocument), ElementsAre("d 10"));
  EXPECT_THAT(values("$.nope.x", kDocument), IsEmpty());
  EXPECT_THAT(values("$.n.x", kDocument), IsEmpty());
  EXPECT_THAT(values("$", "7"), ElementsAre("7"));
}

TEST(JsonPath, SaysWhatItDoesNotUnderstand) {
  const auto check = [](std::string_view path, std::string_view reason) {
    const Status status = JsonPath::parse(path).status();
    EXPECT_THAT(std::string(message(status)), HasSubstr(std::string(reason))) << path;
  };
  check("", "begins with $");
  check("a.b", "begins with $");
  check("$a", "expected '.' or '['");
  check("$.", "a name must follow");
  check("$.a.", "a name must follow");
  check("$['a", "not closed");
  check("$[1", "expected ']'");
  check("$[x]", "expected a position");
  check("$..a", "not supported yet: '..'");
  check("$[?(@.x)]", "not supported yet: filters");
  check("$[0:2]", "not supported yet: slices and unions");
  check("$['a','b']", "not supported yet: slices and unions");
}

constexpr std::string_view kActuator = R"({"status":"DOWN","components":{
  "db":{"status":"UP","details":{"database":"PostgreSQL"}},
  "diskSpace":{"status":"UP","details":{"total":1000,"free":250,"exists":true}},
  "redis":{"status":"DOWN","details":{"error":"refused"}},
  "mail":{"status":"UNKNOWN"}}})";

class JsonInputTest : public ::testing::Test {
 protected:
  StatusOr<std::unique_ptr<Input>> make(std::string_view text) {
    const StatusOr<base::YamlNode> root = base::parse_yaml(text, "app.yml");
    EXPECT_TRUE(root.ok()) << root.status();
    const InputServices services{clock_, fakes_.clock, *fakes_.files, fakes_.lookup,
                                 fakes_.executor};
    return make_json(root->find("json")->items().back(), {services, *root, "/", 5, nullptr});
  }
  std::string page(Input& input) {
    std::vector<base::MetricFamily> families;
    status_ = input.collect(&families);
    return testing::page_text(std::move(families));
  }

  base::SystemClock clock_;
  testing::FakeServices fakes_;
  Status status_;
};

TEST_F(JsonInputTest, ReadsSpringActuatorAlsoWhenItIsDown) {
  const CannedServer server([](const std::string&) { return CannedServer::http(503, kActuator); });
  const auto input = make(fmt::format(R"(
json:
- name: actuator
  url: http://{}/actuator/health
  labels: {{app: shop}}
  metrics:
  - {{name: app_health_status, path: '$.components.*.status', map: {{UP: 1, DOWN: 0}}, label_from_key: component}}
  - {{name: app_up, path: $.status, map: {{UP: 1, '*': 0}}}}
  - {{name: app_disk_free_bytes, path: $.components.diskSpace.details.free}}
  - {{name: app_disk_exists, path: $.components.diskSpace.details.exists, type: counter}}
)",
                                      server.address()));
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_EQ(page(**input), R"(# TYPE app_disk_free_bytes gauge
app_disk_free_bytes{app="shop"} 250
# TYPE app_health_status gauge
app_health_status{app="shop",component="db"} 1
app_health_status{app="shop",component="diskSpace"} 1
app_health_status{app="shop",component="redis"} 0
# TYPE app_json_http_status_code gauge
app_json_http_status_code{source="json/actuator"} 503
# TYPE app_json_values_refused_total counter
app_json_values_refused_total{source="json/actuator"} 1
# TYPE app_up gauge
app_up{app="shop"} 0
)");
  EXPECT_TRUE(status_.ok()) << status_;
  // What is above max_series, here 5.
  EXPECT_EQ((*input)->dropped_series(), 1U);
}

TEST_F(JsonInputTest, ReadsWhatFastApiServicesSay) {
  const CannedServer server([](const std::string&) {
    return CannedServer::http(
        200, R"({"status":"ok","version":"1.2","checks":[{"queue":{"depth":"12.5","ok":true}}]})");
  });
  const auto input = make(fmt::format(R"(
json:
- name: api
  url: http://{}/health
  bearer_token: secret
  metrics:
  - {{name: api_health, path: $.status, map: {{ok: 1, degraded: 0.5}}}}
  - {{name: api_check_depth, path: '$.checks.*.*.depth', label_from_key: [place, check]}}
  - {{name: api_check_ok, path: '$.checks[0].queue.ok'}}
)",
                                      server.address()));
  ASSERT_TRUE(input.ok()) << input.status();
  const std::string text = page(**input);
  EXPECT_EQ(value_in(text, "api_health"), "1");
  EXPECT_EQ(value_in(text, R"(api_check_depth{check="queue",place="0"})"), "12.5");
  EXPECT_EQ(value_in(text, "api_check_ok"), "1");
  EXPECT_THAT(server.requests().at(0), HasSubstr("Authorization: Bearer secret\r\n"));
}

TEST_F(JsonInputTest, BadAnswersAreDownAndShowNoOldValues) {
  base::Guarded<std::string> body{R"({"v": 1})"};
  const CannedServer server(
      [&body](const std::string&) { return CannedServer::http(200, *body.lock()); });
  const auto input = make(fmt::format(
      "json: [{{name: a, url: 'http://{}/', max_body: 1KiB, metrics: [{{name: v, path: $.v}}]}}]",
      server.address()));
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_EQ(value_in(page(**input), "v"), "1");
  *body.lock() = "{\"v\": \"" + std::string(2000, 'x') + "\"}";
  EXPECT_EQ(value_in(page(**input), "v"), "");
  EXPECT_EQ(status_.code(), StatusCode::kResourceExhausted) << status_;
  *body.lock() = "<html>";
  EXPECT_EQ(value_in(page(**input), "v"), "");
  EXPECT_THAT(std::string(message(status_)), HasSubstr("is no JSON"));
  *body.lock() = R"({"v": 2})";
  EXPECT_EQ(value_in(page(**input), "v"), "2");
  EXPECT_TRUE(status_.ok()) << status_;
}

TEST_F(JsonInputTest, IsNotAskedMoreOftenThanItsInterval) {
  int asked = 0;
  const CannedServer server([&asked](const std::string&) {
    return CannedServer::http(200, fmt::format(R"({{"v": {}}})", ++asked));
  });
  const auto input = make(fmt::format(
      "json: [{{name: a, url: 'http://{}/', interval: 1d, metrics: [{{name: v, path: $.v}}]}}]",
      server.address()));
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_EQ(value_in(page(**input), "v"), "1");
  EXPECT_EQ(value_in(page(**input), "v"), "1");
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(JsonInputTest, RefusesWhatCannotWork) {
  const auto check = [this](std::string_view metrics, std::string_view reason,
                            std::string_view more = "") {
    const Status status =
        make(fmt::format("json: [{{name: a, url: 'http://a/', {} metrics: [{}]}}]", more, metrics))
            .status();
    EXPECT_THAT(std::string(message(status)), HasSubstr(std::string(reason))) << metrics;
  };
  check("{name: v}", "missing field path");
  check("{path: $}", "missing field name");
  check("{name: v, path: x}", "begins with $");
  check("{name: v, path: $.*}", "must name 1 labels");
  check("{name: v, path: $.a, label_from_key: x}", "must name 0 labels");
  check("{name: v, path: $.*.*, label_from_key: [x, x]}", "two labels");
  check("{name: v, path: $.*, label_from_key: a-b}", "not a label name");
  check("{name: v, path: $, map: {UP: yes please}}", "map");
  check("{name: v, path: $, type: histogram}", "type");
  check("{name: v, path: $.a}, {name: v, path: $.b}", "labels that tell them apart");
  check("{name: v, path: $.a, labels: {app: x}}", "twice", "labels: {app: y},");
  check("{name: v, path: $.a}", "max_body", "max_body: 1GiB,");
  const Status status = make(
                            "json:\n- {name: a, url: 'http://a/', metrics: [{name: v, path: $}]}\n"
                            "- {name: b, url: 'http://b/', metrics: [{name: v, path: $}]}")
                            .status();
  EXPECT_THAT(std::string(message(status)), HasSubstr("those of the item in line 2"));
}

}  // namespace
}  // namespace tocsin::exporters::app
