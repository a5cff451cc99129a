// SPDX-License-Identifier: Apache-2.0
#include "notifier/dispatch/route.h"

#include <gtest/gtest.h>

#include "notifier/matchers.h"

namespace tocsin::notifier {
namespace {

RouteOptions route(std::string receiver, std::string_view matchers,
                   std::vector<std::string> group_by = {}) {
  RouteOptions options;
  options.receiver = std::move(receiver);
  options.matchers = *parse_matchers(matchers);
  options.group_by = std::move(group_by);
  return options;
}

RouteOptions tree() {
  RouteOptions root = route("default", "", {"alertname"});
  RouteOptions a = route("a", R"(owner=~"^(?:team-(A|D))$")", {"env", "bar"});
  a.routes = {route("testing", "env=testing"), route("production", "env=~prod.*")};
  a.routes[0].continue_matching = true;
  RouteOptions b = route("b", "owner=team-b,x!=\"1\"");
  b.continue_matching = true;
  RouteOptions all = route("all", "owner=team-b");
  all.group_by_all = true;
  RouteOptions odd = route("odd", R"("a b"="say \"hi\"\n")");
  root.routes = {a, b, all, odd};
  return root;
}

TEST(RouteTree, MatchesDepthFirstAndPrintsKeysAsUpstream) {
  const RouteTree routes(tree());
  const auto check = [&](const model::Labels& labels, const std::string& expected) {
    std::string got;
    for (const Route* route : routes.match(labels)) {
      got += route->receiver + " " + group_key(*route, route->group_labels(labels)) + "\n";
    }
    EXPECT_EQ(got, expected) << labels.to_string();
  };
  check(model::Labels::of({{"alertname", "x"}, {"owner", "nobody"}}),
        "default {}:{alertname=\"x\"}\n");
  check(model::Labels::of({{"owner", "team-A"}}), "a {}/{owner=~\"^(?:team-(A|D))$\"}:{}\n");
  check(model::Labels::of({{"env", "testing"}, {"owner", "team-A"}}),
        "testing {}/{owner=~\"^(?:team-(A|D))$\"}/{env=\"testing\"}:{}\n");
  check(model::Labels::of({{"env", "production"}, {"owner", "team-D"}}),
        "production {}/{owner=~\"^(?:team-(A|D))$\"}/{env=~\"prod.*\"}:{}\n");
  check(model::Labels::of({{"owner", "team-b"}, {"we ird", "\"q\"\t"}}),
        "b {}/{owner=\"team-b\",x!=\"1\"}:{}\n"
        "all {}/{owner=\"team-b\"}:{owner=\"team-b\", we ird=\"\\\"q\\\"\\t\"}\n");
  check(model::Labels::of({{"a b", "say \"hi\"\n"}}),
        "odd {}/{\"a b\"=\"say \\\"hi\\\"\\n\"}:{}\n");
}

TEST(RouteTree, GroupLabelsAreThoseNamedThatExist) {
  RouteOptions options = route("r", "", {"z", "a"});
  const RouteTree routes(options);
  const model::Labels labels = model::Labels::of({{"a", "1"}, {"b", "2"}});
  EXPECT_EQ(routes.root().group_labels(labels), model::Labels::of({{"a", "1"}}));
}

TEST(RouteTree, NamesEachUsedReceiverOnce) {
  EXPECT_EQ(RouteTree(tree()).receivers(),
            (std::vector<std::string>{"a", "all", "b", "default", "odd", "production", "testing"}));
}

TEST(LabelSets, FewerLabelsComeFirstThenNamesThenValues) {
  const model::Labels sets[] = {
      model::Labels::of({{"z", "1"}}),
      model::Labels::of({{"a", "1"}, {"c", "1"}}),
      model::Labels::of({{"a", "1"}, {"b", "1"}}),
      model::Labels::of({{"a", "1"}, {"b", "2"}}),
      model::Labels::of({{"a", "2"}, {"b", "1"}}),
  };
  for (std::size_t i = 0; i < std::size(sets); ++i) {
    for (std::size_t j = 0; j < std::size(sets); ++j) {
      EXPECT_EQ(label_set_before(sets[i], sets[j]), i < j)
          << sets[i].to_string() << sets[j].to_string();
    }
  }
}

}  // namespace
}  // namespace tocsin::notifier
