// SPDX-License-Identifier: Apache-2.0
//
// Profile: what the nodes of a plan did when it was evaluated. Times and samples of a node include
// those of the nodes below it.
//
// Borrows: the plan's nodes, a Clock. Confined to the thread that evaluates.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "base/time.h"
#include "promql/plan/plan.h"

namespace tocsin::promql::eval {

struct NodeProfile {
  std::uint64_t calls = 0;
  double seconds = 0;
  std::uint64_t samples_read = 0;
  std::uint64_t series = 0;   // of the result
  std::uint64_t samples = 0;  // likewise, by weight
  std::uint64_t bytes = 0;    // likewise

  NodeProfile& operator+=(const NodeProfile& other) {
    calls += other.calls;
    seconds += other.seconds;
    samples_read += other.samples_read;
    series += other.series;
    samples += other.samples;
    bytes += other.bytes;
    return *this;
  }
};

class Profile {
 public:
  explicit Profile(const base::Clock& clock) : clock_(clock) {}

  base::SteadyTime now() const { return clock_.steady_now(); }
  double seconds_since(base::SteadyTime begin) const {
    return std::chrono::duration<double>(now() - begin).count();
  }
  void add(const plan::PlanNode& node, const NodeProfile& seen) { nodes_[&node] += seen; }
  // Takes back what was added since nodes() gave `nodes`.
  using Nodes = std::map<const plan::PlanNode*, NodeProfile>;
  const Nodes& nodes() const { return nodes_; }
  void restore(Nodes nodes) { nodes_ = std::move(nodes); }
  // Null for a node that was not evaluated by itself.
  const NodeProfile* find(const plan::PlanNode& node) const {
    const auto it = nodes_.find(&node);
    return it == nodes_.end() ? nullptr : &it->second;
  }

 private:
  const base::Clock& clock_;
  Nodes nodes_;
};

}  // namespace tocsin::promql::eval
