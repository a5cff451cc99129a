// SPDX-License-Identifier: Apache-2.0
#include "promql/run/gate.h"

#include <thread>

#include <gtest/gtest.h>

#include "base/executor.h"

namespace tocsin::promql::run {
namespace {

TEST(Gate, LetsRulesGoFirstAndOthersInOrder) {
  const base::SystemClock clock;
  Gate gate(1, clock);
  ASSERT_EQ(gate.enter(Gate::Line::kOthers, ok), ok());
  base::Guarded<std::string> order;
  base::ThreadPool threads({.name = "waiters", .threads = 4});
  std::size_t waiting = 0;
  for (const auto& [name, line] :
       {std::pair('a', Gate::Line::kOthers), std::pair('b', Gate::Line::kOthers),
        std::pair('c', Gate::Line::kRules), std::pair('d', Gate::Line::kRules)}) {
    ASSERT_TRUE(threads.post([&gate, &order, name = name, line = line] {
      EXPECT_EQ(gate.enter(line, ok), ok());
      order.lock()->push_back(name);
      gate.leave();
    }));
    ++waiting;
    while (gate.waiting() != waiting) std::this_thread::yield();
  }
  gate.leave();
  threads.stop();
  EXPECT_EQ(*order.lock(), "cdab");
  EXPECT_EQ(gate.waiting(), 0U);
}

TEST(Gate, AWaitEndsWithTheErrorOfItsCheck) {
  const base::SystemClock clock;
  Gate gate(1, clock);
  ASSERT_EQ(gate.enter(Gate::Line::kRules, ok), ok());
  EXPECT_EQ(gate.enter(Gate::Line::kRules, [] { return cancelled("no"); }), cancelled("no"));
  EXPECT_EQ(gate.waiting(), 0U);
  gate.leave();
  EXPECT_EQ(gate.enter(Gate::Line::kOthers, [] { return cancelled("not asked"); }), ok());
  gate.leave();
}

}  // namespace
}  // namespace tocsin::promql::run
