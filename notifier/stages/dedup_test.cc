// SPDX-License-Identifier: Apache-2.0
#include "notifier/stages/dedup.h"

#include <gtest/gtest.h>

namespace tocsin::notifier {
namespace {

using Hashes = std::vector<std::uint64_t>;

TEST(Dedup, DecisionTable) {
  struct Case {
    bool known;
    Hashes last_firing, last_resolved;
    int last_age_s;
    Hashes firing, resolved;
    bool send_resolved;
    std::string_view reason;
  };
  const Case cases[] = {
      {false, {}, {}, 0, {1}, {}, true, "first notification"},
      {false, {}, {}, 0, {}, {1}, true, ""},
      {false, {}, {}, 0, {}, {}, true, ""},
      {true, {}, {1}, 1, {1}, {}, true, "first notification"},
      {true, {1}, {}, 1, {1, 2}, {}, true, "new alerts added"},
      {true, {1, 3}, {}, 1, {2}, {}, false, "new alerts added"},
      {true, {1, 2}, {}, 1, {1, 2}, {}, true, ""},
      {true, {1, 2}, {}, 1, {1}, {}, true, ""},
      {true, {1, 2}, {}, 1, {1}, {2}, true, "some alerts resolved"},
      {true, {1, 2}, {2}, 1, {1}, {2}, true, ""},
      {true, {1, 2}, {}, 1, {1}, {2}, false, ""},
      {true, {1}, {}, 1, {}, {1}, true, "all alerts resolved"},
      {true, {1}, {}, 1, {}, {1}, false, "all alerts resolved"},
      {true, {}, {1}, 100, {}, {1}, true, ""},
      {true, {}, {1}, 100, {}, {1, 2}, true, ""},
      {true, {1}, {}, 9, {1}, {}, true, ""},
      {true, {1}, {}, 10, {1}, {}, true, "repeat interval elapsed"},
      {true, {1}, {}, 11, {1}, {2}, false, "repeat interval elapsed"},
  };
  const base::Timestamp now = base::from_ms(1'000'000);
  for (const Case& c : cases) {
    NotificationEntry last;
    last.firing = c.last_firing;
    last.resolved = c.last_resolved;
    last.time = now - base::Duration(c.last_age_s * 1000);
    const DedupInput input{.last = c.known ? &last : nullptr,
                           .firing = c.firing,
                           .resolved = c.resolved,
                           .send_resolved = c.send_resolved,
                           .repeat_interval = base::Duration(10'000),
                           .now = now};
    EXPECT_EQ(notification_reason(input), c.reason) << "case " << (&c - cases);
  }
}

TEST(Dedup, HashesAreStoredSoTheyMayNotChange) {
  EXPECT_EQ(alert_hash(model::Labels()), 0xef46db3751d8e999ULL);
  EXPECT_NE(alert_hash(model::Labels::of({{"a", "bc"}})),
            alert_hash(model::Labels::of({{"ab", "c"}})));
}

}  // namespace
}  // namespace tocsin::notifier
