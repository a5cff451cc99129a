// SPDX-License-Identifier: Apache-2.0
#include "notifier/stages/inhibitor.h"

#include <gtest/gtest.h>

#include "notifier/matchers.h"

namespace tocsin::notifier {
namespace {

constexpr base::Timestamp at(int seconds) { return base::from_ms(seconds * 1000); }

model::Alert alert(model::Labels labels, int end, int updated = 1) {
  model::Alert a;
  a.labels = std::move(labels);
  a.starts_at = at(0);
  a.ends_at = at(end);
  a.updated_at = at(updated);
  return a;
}

InhibitOptions rule(std::string_view source, std::string_view target,
                    std::vector<std::string> equal = {}) {
  return {"", *parse_matchers(source), *parse_matchers(target), std::move(equal)};
}

TEST(Inhibitor, MutesTargetsWithEqualLabels) {
  struct Case {
    const char* name;
    InhibitOptions rule;
    model::Labels source, target;
    bool muted;
  };
  const Case cases[] = {
      {"equal values", rule("s=1", "t=1", {"e"}), model::Labels::of({{"s", "1"}, {"e", "x"}}),
       model::Labels::of({{"t", "1"}, {"e", "x"}}), true},
      {"other values", rule("s=1", "t=1", {"e"}), model::Labels::of({{"s", "1"}, {"e", "x"}}),
       model::Labels::of({{"t", "1"}, {"e", "y"}}), false},
      {"missing on both sides", rule("s=1", "t=1", {"e"}), model::Labels::of({{"s", "1"}}),
       model::Labels::of({{"t", "1"}}), true},
      {"missing on one side", rule("s=1", "t=1", {"e"}),
       model::Labels::of({{"s", "1"}, {"e", "x"}}), model::Labels::of({{"t", "1"}}), false},
      {"no equal labels: any source", rule("s=1", "t=1"),
       model::Labels::of({{"s", "1"}, {"e", "x"}}), model::Labels::of({{"t", "1"}}), true},
      {"no target", rule("s=1", "t=1"), model::Labels::of({{"s", "1"}}),
       model::Labels::of({{"u", "1"}}), false},
      {"a source on both sides mutes a pure target", rule("s=1", "t=1"),
       model::Labels::of({{"s", "1"}, {"t", "1"}}), model::Labels::of({{"t", "1"}, {"x", "1"}}),
       true},
      {"both on both sides", rule("s=1", "t=1"), model::Labels::of({{"s", "1"}, {"t", "1"}}),
       model::Labels::of({{"s", "1"}, {"t", "1"}, {"x", "1"}}), false},
      {"a pure source mutes what is on both sides", rule("s=1", "t=1"),
       model::Labels::of({{"s", "1"}}), model::Labels::of({{"s", "1"}, {"t", "1"}}), true},
      {"an empty rule mutes nothing", rule("", ""), model::Labels::of({{"s", "1"}}),
       model::Labels::of({{"t", "1"}}), false},
  };
  for (const Case& c : cases) {
    Inhibitor inhibitor({c.rule});
    inhibitor.put(alert(c.source, 100));
    EXPECT_EQ(inhibitor.muting(c.target, at(10)).has_value(), c.muted) << c.name;
  }
}

TEST(Inhibitor, OneOfSeveralSourcesMayResolve) {
  Inhibitor inhibitor({rule("s=1", "t=1", {"e"})});
  const model::Alert first = alert(model::Labels::of({{"s", "1"}, {"n", "1"}}), 100);
  const model::Alert second = alert(model::Labels::of({{"s", "1"}, {"n", "2"}}), 100);
  const model::Labels target = model::Labels::of({{"t", "1"}});
  inhibitor.put(first);
  inhibitor.put(second);
  EXPECT_EQ(inhibitor.muting(target, at(10)), std::min(first.fingerprint(), second.fingerprint()));
  inhibitor.put(alert(second.labels, 9, 2));
  EXPECT_EQ(inhibitor.muting(target, at(10)), first.fingerprint());
  inhibitor.put(alert(first.labels, 9, 2));
  EXPECT_FALSE(inhibitor.muting(target, at(10)));
  inhibitor.put(alert(first.labels, 100, 1));
  EXPECT_FALSE(inhibitor.muting(target, at(10))) << "a late old version changes nothing";
}

TEST(Inhibitor, TheFirstRuleWithASourceWins) {
  Inhibitor inhibitor({rule("s=0", "t=1"), rule("s=1", "t=1"), rule("s=2", "t=1")});
  const model::Alert one = alert(model::Labels::of({{"s", "1"}}), 100);
  inhibitor.put(alert(model::Labels::of({{"s", "2"}}), 100));
  inhibitor.put(one);
  EXPECT_EQ(inhibitor.muting(model::Labels::of({{"t", "1"}}), at(10)), one.fingerprint());
}

TEST(Inhibitor, GarbageIsWhatNoLongerFires) {
  Inhibitor inhibitor({rule("s=1", "t=1")});
  inhibitor.put(alert(model::Labels::of({{"s", "1"}}), 50));
  inhibitor.put(alert(model::Labels::of({{"s", "1"}, {"n", "2"}}), 100));
  inhibitor.collect_garbage(at(60));
  EXPECT_TRUE(inhibitor.muting(model::Labels::of({{"t", "1"}}), at(10)));
  inhibitor.collect_garbage(at(100));
  EXPECT_FALSE(inhibitor.muting(model::Labels::of({{"t", "1"}}), at(10)));
}

}  // namespace
}  // namespace tocsin::notifier
