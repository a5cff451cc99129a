// SPDX-License-Identifier: Apache-2.0
#include "notifier/dispatch/alert_store.h"

#include <gtest/gtest.h>

namespace tocsin::notifier {
namespace {

constexpr base::Timestamp at(int seconds) { return base::from_ms(seconds * 1000); }

model::Alert alert(int start, int end, int updated, std::string_view note = "",
                   bool timeout = false) {
  model::Alert a;
  a.labels = model::Labels::of({{"alertname", "x"}});
  a.annotations = model::Labels::of({{"note", note}});
  a.starts_at = at(start);
  a.ends_at = at(end);
  a.updated_at = at(updated);
  a.timeout = timeout;
  return a;
}

TEST(AlertStore, MergesOverlappingVersions) {
  struct Case {
    const char* name;
    model::Alert old, added;
    int start, end;
    std::string_view note;
  };
  const int now = 100;
  const Case cases[] = {
      {"a later version of the same start replaces", alert(10, 110, 50, "a"),
       alert(10, 120, 60, "b"), 10, 120, "b"},
      {"disjoint replaces", alert(10, 20, 50, "a"), alert(30, 120, 60, "b"), 30, 120, "b"},
      {"start inside keeps the earlier start", alert(10, 110, 50, "a"), alert(20, 130, 60, "b"), 10,
       130, "b"},
      {"end inside: the younger is resolved", alert(10, 110, 50, "a"), alert(5, 95, 60, "b"), 5, 95,
       "b"},
      {"both resolved: the later end", alert(10, 98, 50, "a"), alert(20, 90, 60, "b"), 10, 98, "b"},
      {"younger firing, older end explicit and later", alert(10, 200, 50, "a"),
       alert(20, 150, 60, "b"), 10, 200, "b"},
      {"younger firing, older end only assumed", alert(10, 200, 50, "a", true),
       alert(20, 150, 60, "b"), 10, 150, "b"},
      {"the older arrives late", alert(10, 110, 60, "a"), alert(20, 105, 50, "b"), 10, 110, "a"},
  };
  for (const Case& c : cases) {
    AlertStore store(10);
    ASSERT_TRUE(store.put(c.old, at(now)));
    const auto got = store.put(c.added, at(now));
    ASSERT_TRUE(got) << c.name;
    EXPECT_EQ(got->starts_at, at(c.start)) << c.name;
    EXPECT_EQ(got->ends_at, at(c.end)) << c.name;
    EXPECT_EQ(got->annotations.get("note"), c.note) << c.name;
  }
}

TEST(AlertStore, RefusesNewAlertsAboveTheLimitAndUpdatesKnownOnes) {
  AlertStore store(1);
  ASSERT_TRUE(store.put(alert(1, 100, 1), at(2)));
  model::Alert other = alert(1, 100, 1);
  other.labels = model::Labels::of({{"alertname", "y"}});
  EXPECT_FALSE(store.put(other, at(2)));
  EXPECT_TRUE(store.put(alert(1, 200, 2, "new"), at(2)));
  ASSERT_EQ(store.all().size(), 1U);
  EXPECT_EQ(store.all()[0].annotations.get("note"), "new");
}

TEST(AlertStore, CollectsWhatIsResolved) {
  AlertStore store(10);
  store.put(alert(1, 50, 1), at(2));
  store.collect_garbage(at(49));
  EXPECT_EQ(store.all().size(), 1U);
  store.collect_garbage(at(50));
  EXPECT_TRUE(store.all().empty());
  EXPECT_FALSE(store.find(alert(1, 50, 1).fingerprint()));
}

}  // namespace
}  // namespace tocsin::notifier
