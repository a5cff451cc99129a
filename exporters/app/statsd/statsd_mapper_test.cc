// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/statsd/statsd_mapper.h"

#include <gtest/gtest.h>

namespace tocsin::exporters::app {
namespace {

StatusOr<StatsdMapper> read(std::string_view yaml) {
  const StatusOr<base::YamlNode> node = base::parse_yaml(yaml, "app.yml");
  RETURN_IF_ERROR(node.status());
  return StatsdMapper::read(node->find("defaults"), node->find("mappings"),
                            std::chrono::minutes(10));
}

// What a name becomes: name{labels}, "dropped", or with "?" when no rule maps it.
std::string mapped(const StatsdMapper& mapper, std::string_view name,
                   StatsdType type = StatsdType::kCounter) {
  const StatsdMapper::Mapped result = mapper.map(name, type);
  if (result.is_dropped) return "dropped";
  std::string text = result.is_mapped ? result.name : "?" + result.name;
  for (const auto& [label, value] : result.labels) text += fmt::format(" {}={}", label, value);
  return text;
}

TEST(StatsdMapper, WithoutRulesNamesAreEscaped) {
  const StatusOr<StatsdMapper> mapper = read("{}");
  ASSERT_TRUE(mapper.ok());
  EXPECT_EQ(mapped(*mapper, "web.requests-total"), "?web_requests_total");
  EXPECT_EQ(mapper->map("x", StatsdType::kTimer).shape->ttl, std::chrono::minutes(10));
  EXPECT_EQ(mapper->map("x", StatsdType::kTimer).shape->observer, StatsdShape::Observer::kSummary);
}

TEST(StatsdMapper, GlobsMatchFieldsAndCaptureThem) {
  const StatusOr<StatsdMapper> mapper = read(R"(
mappings:
- {match: 'ws.delivery.*', name: app_websocket_messages_total, labels: {result: $1}}
- {match: '*.*.count', name: '${2}_total', labels: {service: '$1', both: '$1-$2', none: 'x$3'}}
- {match: 'test.*', name: never, action: drop}
)");
  ASSERT_TRUE(mapper.ok()) << message(mapper.status());
  EXPECT_EQ(mapped(*mapper, "ws.delivery.ok"), "app_websocket_messages_total result=ok");
  EXPECT_EQ(mapped(*mapper, "ws.delivery"), "?ws_delivery");
  EXPECT_EQ(mapped(*mapper, "ws.delivery.a.b"), "?ws_delivery_a_b");
  EXPECT_EQ(mapped(*mapper, "shop.or-ders.count"),
            "or_ders_total both=shop-or-ders none=x service=shop");
  EXPECT_EQ(mapped(*mapper, "test.x"), "dropped");
}

TEST(StatsdMapper, GlobsComeFirstThenExpressionsInTheirOrder) {
  const StatusOr<StatsdMapper> mapper = read(R"(
mappings:
- {match: '(\w+)\.(?P<code>\d+)$', match_type: regex, name: 'codes_$1', labels: {code: '${code}'}}
- {match: 'a\.', match_type: regex, name: second}
- {match: 'a.200', name: glob}
)");
  ASSERT_TRUE(mapper.ok()) << message(mapper.status());
  EXPECT_EQ(mapped(*mapper, "a.200"), "glob");
  EXPECT_EQ(mapped(*mapper, "x.a.404"), "codes_a code=404");
  EXPECT_EQ(mapped(*mapper, "x.a.b"), "second");
  EXPECT_EQ(mapped(*mapper, "x"), "?x");
}

TEST(StatsdMapper, ARuleMayBeForOneTypeAndHasItsOwnShape) {
  const StatusOr<StatsdMapper> mapper = read(R"(
defaults: {observer_type: histogram, histogram_options: {buckets: [1, 2]}, ttl: 1m}
mappings:
- {match: 'a.*', match_metric_type: counter, name: counted, scale: 0.5, help: Counted.}
- {match: 'a.*', match_metric_type: observer, name: seen, observer_type: summary, quantiles: [0.5]}
- {match: 'a.*', match_metric_type: gauge, name: measured, ttl: 0, honor_labels: true}
)");
  ASSERT_TRUE(mapper.ok()) << message(mapper.status());
  EXPECT_EQ(mapped(*mapper, "a.b"), "counted");
  EXPECT_EQ(mapped(*mapper, "a.b", StatsdType::kTimer), "seen");
  EXPECT_EQ(mapped(*mapper, "a.b", StatsdType::kSet), "measured");
  EXPECT_DOUBLE_EQ(mapper->map("a.b", StatsdType::kCounter).scale, 0.5);
  EXPECT_EQ(mapper->map("a.b", StatsdType::kCounter).help, "Counted.");
  EXPECT_EQ(mapper->map("a.b", StatsdType::kHistogram).shape->quantiles, (std::vector<double>{.5}));
  EXPECT_TRUE(mapper->map("a.b", StatsdType::kGauge).honor_labels);
  EXPECT_EQ(mapper->map("a.b", StatsdType::kGauge).shape->ttl.count(), 0);
  EXPECT_EQ(mapper->map("x", StatsdType::kTimer).shape->observer,
            StatsdShape::Observer::kHistogram);
  EXPECT_EQ(mapper->map("x", StatsdType::kTimer).shape->buckets, (std::vector<double>{1, 2}));
  EXPECT_EQ(mapper->map("x", StatsdType::kTimer).shape->ttl, std::chrono::minutes(1));
}

TEST(StatsdMapper, RefusesWhatIsWrong) {
  const auto check = [](std::string_view rule, std::string_view reason) {
    const Status status = read(fmt::format("mappings:\n- {}\n", rule)).status();
    EXPECT_NE(message(status).find(reason), std::string_view::npos)
        << rule << ": " << message(status);
  };
  check("{name: x}", "app.yml:2:3");
  check("{match: 'a.b*', name: x}", "a glob is fields");
  check("{match: 'a..b', name: x}", "a glob is fields");
  check("{match: '(', match_type: regex, name: x}", "missing closing ): `(`");
  check("{match: 'a.*'}", "needs a name");
  check("{match: 'a.*', name: x, action: keep}", "neither map nor drop");
  check("{match: 'a.*', name: x, labels: {le: '1'}}", "taken");
  check("{match: 'a.*', name: x, observer_type: native}", "neither summary nor histogram");
  check("{match: 'a.*', name: x, summary_options: {max_age: 1m}}", "not supported yet");
  check("{match: 'a.*', name: x, quantiles: [{quantile: 0.5, error: 0.1}]}", "not supported yet");
  check("{match: 'a.*', name: x, quantiles: [2]}", "from 0 to 1");
  check("{match: 'a.*', name: x, scale: 0}", "more than 0");
  check("{match: 'a.*', name: x, nmae: x}", "field nmae not found");
}

}  // namespace
}  // namespace tocsin::exporters::app
