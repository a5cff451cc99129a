// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/target.h"

#include <set>

#include <gtest/gtest.h>

namespace tocsin::collector {
namespace {

ScrapeOptions job() {
  ScrapeOptions options;
  options.job = "node";
  return options;
}

model::RelabelRule rule(model::RelabelOptions options) {
  return *model::make_relabel_rule(options);
}

TEST(Target, TakesDefaultsOfTheJob) {
  ScrapeOptions options = job();
  options.params = {{"module", {"http", "extra"}}};
  const discovery::TargetGroup group{
      "0", {}, model::Labels::of({{"env", "prod"}, {"__meta_x", "y"}})};
  const model::Labels all =
      discovered_labels(group, model::Labels::of({{"__address__", "h:1"}}), options);
  auto target = make_target(all, options);
  ASSERT_TRUE(target.ok() && target->has_value());
  EXPECT_EQ((*target)->url, "http://h:1/metrics?module=http&module=extra");
  EXPECT_EQ((*target)->labels.to_string(), R"({env="prod", instance="h:1", job="node"})");
  EXPECT_EQ((*target)->interval, base::Duration(60'000));
}

TEST(Target, RelabellingMaySetEverything) {
  ScrapeOptions options = job();
  for (const auto& [label, value] :
       {std::pair{"__address__", "other:2"}, std::pair{"__scheme__", "https"},
        std::pair{"__metrics_path__", "probe"}, std::pair{"__param_target", "a b"},
        std::pair{"__scrape_interval__", "5s"}, std::pair{"__scrape_timeout__", "3s"},
        std::pair{"__scrape_native_histograms__", "t"},
        std::pair{"__convert_classic_histograms_to_nhcb__", "True"},
        std::pair{"__unix_socket__", "/run/app.sock"}, std::pair{"instance", "named"}}) {
    model::RelabelOptions set;
    set.target_label = label;
    set.replacement = value;
    options.relabel.push_back(rule(set));
  }
  auto target = make_target(
      discovered_labels({}, model::Labels::of({{"__address__", "h:1"}}), options), options);
  ASSERT_TRUE(target.ok()) << message(target.status());
  EXPECT_EQ((*target)->url, "https://other:2/probe?target=a+b");
  EXPECT_EQ((*target)->interval, base::Duration(5'000));
  EXPECT_EQ((*target)->labels.get("instance"), "named");
  EXPECT_TRUE((*target)->histograms.native);
  EXPECT_FALSE((*target)->histograms.classic_too);
  EXPECT_TRUE((*target)->convert_classic);
  EXPECT_EQ((*target)->unix_socket, "/run/app.sock");
}

TEST(Target, IsDroppedOrRefused) {
  ScrapeOptions options = job();
  model::RelabelOptions drop;
  drop.source_labels = {"__address__"};
  drop.regex = "gone:.*";
  drop.action = "drop";
  options.relabel.push_back(rule(drop));
  auto dropped = make_target(
      discovered_labels({}, model::Labels::of({{"__address__", "gone:1"}}), options), options);
  ASSERT_TRUE(dropped.ok());
  EXPECT_FALSE(dropped->has_value());

  struct Case {
    std::string label, value, expected;
  };
  for (
      const Case& c :
      {Case{"__address__", "", "no address"},
       Case{"__address__", "h/path", "is not a valid hostname"},
       Case{"__scrape_interval__", "x", "error parsing scrape interval"},
       Case{"__scrape_interval__", "0s", "scrape interval cannot be 0"},
       Case{"__scrape_timeout__", "2m", "cannot be greater than scrape interval"},
       Case{
           "__always_scrape_classic_histograms__", "yes",
           R"(error parsing __always_scrape_classic_histograms__: strconv.ParseBool: parsing "yes": invalid syntax)"}}) {
    model::LabelsBuilder labels(
        discovered_labels({}, model::Labels::of({{"__address__", "h:1"}}), job()));
    labels.set(c.label, c.value);
    auto target = make_target(labels.build(), job());
    ASSERT_FALSE(target.ok()) << c.label;
    EXPECT_NE(message(target.status()).find(c.expected), std::string_view::npos)
        << message(target.status());
  }
}

TEST(Target, OffsetIsInsideTheIntervalAndDependsOnTargetAndSeed) {
  Target a;
  a.url = "http://a/metrics";
  a.interval = base::Duration(15'000);
  Target b = a;
  b.url = "http://b/metrics";
  EXPECT_LT(scrape_offset(a, 1), a.interval);
  EXPECT_EQ(scrape_offset(a, 1), scrape_offset(a, 1));
  EXPECT_NE(scrape_offset(a, 1), scrape_offset(b, 1));
  EXPECT_NE(scrape_offset(a, 1), scrape_offset(a, 2));
  std::set<base::Duration> offsets;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    offsets.insert(scrape_offset(a, seed));
    EXPECT_EQ(scrape_offset(a, seed).count() % 500, 0);
  }
  EXPECT_EQ(offsets.size(), 30U) << "all moments are used";
  for (const std::int64_t interval : {1, 7, 19, 99, 1000, 1001}) {
    a.interval = base::Duration(interval);
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      EXPECT_LT(scrape_offset(a, seed), a.interval);
      EXPECT_GE(scrape_offset(a, seed).count(), 0);
    }
  }
}

}  // namespace
}  // namespace tocsin::collector
