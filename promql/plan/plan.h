// SPDX-License-Identifier: Apache-2.0
//
// The plan: a syntax tree made ready to evaluate. Equal selectors are shared, @ and offset are
// folded to absolute shifts, parts that do not depend on the step are marked so that they are
// evaluated once.
//
// Borrows: the syntax tree, which must outlive the plan. Values; threads: immutable once made.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/status.h"
#include "model/matcher.h"
#include "promql/ast.h"

namespace tocsin::promql::plan {

// Where a selector or subquery looks for evaluation time t: at (at_ms or t) - offset_ms.
struct Shift {
  std::optional<std::int64_t> at_ms;
  std::int64_t offset_ms = 0;
  std::int64_t apply(std::int64_t t) const { return at_ms.value_or(t) - offset_ms; }
};

struct PlanNode;
using PlanPtr = std::unique_ptr<PlanNode>;

struct Number {
  double value = 0;
};
struct Text {
  std::string value;
};
// An instant vector selector.
struct Select {
  std::size_t source = 0;  // index into Plan::sources
  Shift shift;
  PositionRange position;
  bool smoothed = false;       // between the samples around the time
  bool detect_resets = false;  // in histograms: only their counts and sums are looked at
};
// A range vector: of a selector, or of a subquery (`inner` set).
struct Window {
  std::size_t source = 0;
  PlanPtr inner;
  std::int64_t inner_step_ms = 0;
  std::int64_t range_ms = 0;
  Shift shift;
  RangeMode mode = RangeMode::kPlain;
  bool detect_resets = false;  // as Select's
};
struct Negate {
  PlanPtr inner;
};
struct BinaryNode {
  const Binary* syntax = nullptr;
  PlanPtr left, right;
};
struct AggregateNode {
  const Aggregate* syntax = nullptr;
  PlanPtr inner, parameter;
};
struct CallNode {
  const FunctionSignature* function = nullptr;
  std::vector<PlanPtr> arguments;
};

// info(): the labels of info metrics join those of `inner` by instance and job.
struct InfoNode {
  PlanPtr inner;
  model::Matchers names;  // of the info metrics' __name__
  model::Matchers data;   // of their labels; empty: all labels join
  Shift shift;            // the first selector's in `inner`: info metrics are those of its time
};

struct PlanNode {
  std::variant<Number, Text, Select, Window, Negate, BinaryNode, AggregateNode, CallNode, InfoNode>
      node;
  const Expr* expr = nullptr;  // what was written, parentheses around it removed
  bool step_invariant = false;

  PositionRange position() const { return expr->position; }
  // Without the plus signs before it.
  PositionRange unsigned_position() const {
    const Expr* own = expr;
    for (;;) {
      if (const Paren* paren = own->as<Paren>()) {
        own = paren->inner.get();
      } else if (const Unary* unary = own->as<Unary>(); unary != nullptr && !unary->negate) {
        own = unary->inner.get();
      } else {
        return own->position;
      }
    }
  }
  ValueType type() const { return expr->type(); }
  template <typename T>
  const T* as() const {
    return std::get_if<T>(&node);
  }
};

// What is read from the store: one per distinct set of matchers, with the time all its uses need.
struct Source {
  model::Matchers matchers;
  std::int64_t mint_ms = 0;  // closed
  std::int64_t maxt_ms = 0;  // closed
  std::int64_t range_ms = 0;
  std::string function;  // around it; "" when several uses differ
  int uses = 0;
};

struct Plan {
  PlanPtr root;
  std::vector<Source> sources;
};

struct PlanOptions {
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t lookback_ms = 0;
  std::int64_t default_subquery_step_ms = 0;
};

// Errors: kUnimplemented "not supported yet: ..."; durations must have been resolved.
StatusOr<Plan> make_plan(const Expr& expr, const PlanOptions& options);

}  // namespace tocsin::promql::plan
