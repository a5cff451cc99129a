// SPDX-License-Identifier: Apache-2.0
//
// The tree is walked with the span of evaluation times at each place, which tells each selector
// what to read.
#include <algorithm>
#include <string_view>
#include <utility>

#include "promql/functions/extended.h"
#include "promql/functions/range_kernels.h"
#include "promql/functions/vector_functions.h"
#include "promql/plan/plan.h"

namespace tocsin::promql::plan {

namespace {

// Evaluation times at a place of the tree, both ends included.
struct Span {
  std::int64_t first_ms = 0;
  std::int64_t last_ms = 0;
};

// The time around an evaluation time from which samples are taken.
struct Reach {
  std::int64_t back_ms = 0;
  std::int64_t ahead_ms = 0;
};

// What surrounds a selector, for the hints of the store.
struct Around {
  std::string function;
  std::int64_t range_ms = 0;
};

// Functions whose value depends on the evaluation time itself.
bool depends_on_time(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "day_of_month", "day_of_week", "day_of_year", "days_in_month",  "end",
      "hour",         "minute",      "month",       "predict_linear", "range",
      "start",        "step",        "time",        "timestamp",      "year"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

class Planner {
 public:
  Planner(const PlanOptions& options, Plan* plan) : options_(options), plan_(plan) {}

  StatusOr<PlanPtr> walk(const Expr& expr, Span span, const Around& around) {
    const Expr* inner = &expr;
    while (const Paren* paren = inner->as<Paren>()) inner = paren->inner.get();
    auto node = std::make_unique<PlanNode>();
    node->expr = inner;
    RETURN_IF_ERROR(std::visit(
        [&](const auto& syntax) { return make(syntax, span, around, node.get()); }, inner->node));
    return node;
  }

 private:
  Status make(const NumberLiteral& number, Span, const Around&, PlanNode* out) {
    out->node = Number{number.value};
    out->step_invariant = true;
    return ok();
  }
  Status make(const StringLiteral& text, Span, const Around&, PlanNode* out) {
    out->node = Text{text.value};
    out->step_invariant = true;
    return ok();
  }
  Status make(const Paren&, Span, const Around&, PlanNode*) {
    return internal("parenthesis in plan");
  }

  Status make(const VectorSelector& selector, Span span, const Around& around, PlanNode* out) {
    Select select;
    select.shift = fold(selector.shift);
    select.position = out->position();
    select.smoothed = selector.mode == RangeMode::kSmoothed;
    out->step_invariant = select.shift.at_ms.has_value();
    const std::int64_t ahead_ms = select.smoothed ? options_.lookback_ms : 0;
    select.source =
        add_source(selector, select.shift, span, {options_.lookback_ms, ahead_ms}, around);
    select.detect_resets = only_counts();
    out->node = std::move(select);
    return ok();
  }

  Status make(const MatrixSelector& matrix, Span span, const Around& around, PlanNode* out) {
    const Expr* vector = matrix.vector.get();
    while (const Paren* paren = vector->as<Paren>()) vector = paren->inner.get();
    const auto& selector = *vector->as<VectorSelector>();
    Window window;
    window.range_ms = matrix.range.value.count();
    window.mode = selector.mode;
    window.shift = fold(selector.shift);
    out->step_invariant = window.shift.at_ms.has_value();
    Reach reach{window.range_ms, 0};
    if (window.mode != RangeMode::kPlain) reach.back_ms += options_.lookback_ms;
    if (window.mode == RangeMode::kSmoothed) reach.ahead_ms = options_.lookback_ms;
    window.source =
        add_source(selector, window.shift, span, reach, Around{around.function, window.range_ms});
    window.detect_resets = only_counts();
    out->node = std::move(window);
    return ok();
  }

  Status make(const Subquery& subquery, Span span, const Around&, PlanNode* out) {
    Window window;
    window.range_ms = subquery.range.value.count();
    window.inner_step_ms =
        subquery.has_step ? subquery.step.value.count() : options_.default_subquery_step_ms;
    if (window.inner_step_ms <= 0) return invalid_argument("subquery step must be positive");
    window.shift = fold(subquery.shift);
    const Span inner{window.shift.apply(span.first_ms) - window.range_ms,
                     window.shift.apply(span.last_ms)};
    const Depth whole(&whole_, true);
    ASSIGN_OR_RETURN(window.inner, walk(*subquery.inner, inner, Around{}));
    // An invariant inner expression does not make it so: the number of inner steps changes with the
    // time.
    out->step_invariant = window.shift.at_ms.has_value();
    out->node = std::move(window);
    return ok();
  }

  Status make(const Unary& unary, Span span, const Around&, PlanNode* out) {
    ASSIGN_OR_RETURN(PlanPtr inner, walk(*unary.inner, span, Around{}));
    out->step_invariant = inner->step_invariant;
    if (unary.negate) {
      out->node = Negate{std::move(inner)};
    } else {
      const Expr* whole = out->expr;
      *out = std::move(*inner);
      out->expr = whole;
    }
    return ok();
  }

  Status make(const Binary& binary, Span span, const Around&, PlanNode* out) {
    const Depth whole(&whole_,
                      binary.op == BinaryOp::kTrimUpper || binary.op == BinaryOp::kTrimLower);
    BinaryNode node{&binary, nullptr, nullptr};
    ASSIGN_OR_RETURN(node.left, walk(*binary.left, span, Around{}));
    ASSIGN_OR_RETURN(node.right, walk(*binary.right, span, Around{}));
    out->step_invariant = node.left->step_invariant && node.right->step_invariant;
    out->node = std::move(node);
    return ok();
  }

  Status make(const Aggregate& aggregate, Span span, const Around&, PlanNode* out) {
    AggregateNode node{&aggregate, nullptr, nullptr};
    ASSIGN_OR_RETURN(node.inner, walk(*aggregate.inner, span,
                                      Around{std::string(aggregate_text(aggregate.op))}));
    out->step_invariant = node.inner->step_invariant;
    if (aggregate.parameter != nullptr) {
      ASSIGN_OR_RETURN(node.parameter, walk(*aggregate.parameter, span, Around{}));
      out->step_invariant = out->step_invariant && node.parameter->step_invariant;
    }
    out->node = std::move(node);
    return ok();
  }

  Status make(const Call& call, Span span, const Around&, PlanNode* out) {
    const std::string_view name = call.function->name;
    if (name == "info") return make_info(call, span, out);
    if (functions::find_range_function(name) == nullptr &&
        functions::find_vector_function(name) == nullptr) {
      return unimplemented("not supported yet: {}function {}",
                           call.function->experimental ? "experimental " : "", name);
    }
    const Depth counts(
        &counts_, name == "histogram_count" || name == "histogram_sum" || name == "histogram_avg");
    const Depth whole(&whole_, name == "histogram_quantile" || name == "histogram_quantiles" ||
                                   name == "histogram_fraction");
    CallNode node{call.function, {}};
    out->step_invariant = !depends_on_time(name);
    for (const ExprPtr& argument : call.arguments) {
      ASSIGN_OR_RETURN(PlanPtr planned, walk(*argument, span, Around{std::string(name)}));
      out->step_invariant = out->step_invariant && planned->step_invariant;
      if (const Window* window = planned->as<Window>()) {
        RETURN_IF_ERROR(functions::check_range_mode(name, window->mode));
      }
      node.arguments.push_back(std::move(planned));
    }
    out->node = std::move(node);
    return ok();
  }

  Status make_info(const Call& call, Span span, PlanNode* out) {
    InfoNode node;
    const Expr& inner = *call.arguments[0];
    ASSIGN_OR_RETURN(node.inner, walk(inner, span, Around{"info"}));
    first_shift(inner, &node.shift);
    out->step_invariant = node.inner->step_invariant;
    if (call.arguments.size() > 1) {
      out->step_invariant = out->step_invariant && node.shift.at_ms.has_value();
      for (const model::Matcher& m : call.arguments[1]->as<VectorSelector>()->matchers) {
        (m.name() == model::kMetricName ? node.names : node.data).push_back(m);
      }
    }
    RETURN_IF_ERROR(complete_info_names(&node.names));
    out->node = std::move(node);
    return ok();
  }

  // Without a matcher that says what an info metric is called it is target_info, or, with one that
  // says what it is not, everything else that is called like one.
  static Status complete_info_names(model::Matchers* names) {
    using Type = model::Matcher::Type;
    const bool positive = std::any_of(names->begin(), names->end(), [](const model::Matcher& m) {
      return m.type() == Type::kEqual || m.type() == Type::kRegex;
    });
    if (positive) return ok();
    if (names->empty()) {
      names->push_back(model::Matcher::equal(model::kMetricName, "target_info"));
      return ok();
    }
    ASSIGN_OR_RETURN(model::Matcher any,
                     model::Matcher::make(Type::kRegex, model::kMetricName, ".+_info"));
    names->insert(names->begin(), std::move(any));
    return ok();
  }

  // The shift of the first selector in `expr`: its own and those of the subqueries around it, up to
  // the innermost @. False without a selector.
  bool first_shift(const Expr& expr, Shift* out) const {
    if (const auto* selector = expr.as<VectorSelector>()) {
      *out = fold(selector->shift);
      return true;
    }
    if (const auto* aggregate = expr.as<Aggregate>()) {
      if (first_shift(*aggregate->inner, out)) return true;
      return aggregate->parameter != nullptr && first_shift(*aggregate->parameter, out);
    }
    for (const Expr* child : expr.children()) {
      if (!first_shift(*child, out)) continue;
      if (const auto* subquery = expr.as<Subquery>(); subquery && !out->at_ms) {
        const Shift around = fold(subquery->shift);
        out->at_ms = around.at_ms;
        out->offset_ms += around.offset_ms;
      }
      return true;
    }
    return false;
  }

  Shift fold(const TimeShift& shift) const {
    Shift folded;
    folded.offset_ms = shift.offset.value.count();
    if (shift.at == AtKind::kTimestamp) folded.at_ms = model::to_ms(shift.at_time);
    if (shift.at == AtKind::kStart) folded.at_ms = options_.start_ms;
    if (shift.at == AtKind::kEnd) folded.at_ms = options_.end_ms;
    return folded;
  }

  std::size_t add_source(const VectorSelector& selector, const Shift& shift, Span span, Reach reach,
                         const Around& around) {
    Source source;
    source.matchers = selector.matchers;
    source.mint_ms = shift.apply(span.first_ms) - reach.back_ms + 1;
    source.maxt_ms = shift.apply(span.last_ms) + reach.ahead_ms;
    source.function = around.function;
    source.range_ms = around.range_ms;
    source.uses = 1;
    for (std::size_t i = 0; i < plan_->sources.size(); ++i) {
      if (share(&plan_->sources[i], source)) return i;
    }
    plan_->sources.push_back(std::move(source));
    return plan_->sources.size() - 1;
  }

  // Joins two uses when the time between them costs no more than reading each on its own.
  static bool share(Source* known, const Source& use) {
    if (known->matchers != use.matchers) return false;
    const std::int64_t mint = std::min(known->mint_ms, use.mint_ms);
    const std::int64_t maxt = std::max(known->maxt_ms, use.maxt_ms);
    if (maxt - mint > (known->maxt_ms - known->mint_ms) + (use.maxt_ms - use.mint_ms)) return false;
    known->mint_ms = mint;
    known->maxt_ms = maxt;
    if (known->function != use.function) known->function.clear();
    if (known->range_ms != use.range_ms) known->range_ms = 0;
    ++known->uses;
    return true;
  }

  // Counts itself in while it lives.
  class Depth {
   public:
    Depth(int* depth, bool counts) : depth_(depth), by_(counts ? 1 : 0) { *depth_ += by_; }
    ~Depth() { *depth_ -= by_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;

   private:
    int* depth_;
    int by_;
  };
  bool only_counts() const { return counts_ > 0 && whole_ == 0; }

  const PlanOptions& options_;
  Plan* plan_;
  int counts_ = 0;  // functions around that look at counts and sums of histograms only
  int whole_ = 0;   // what is around and needs the whole histogram
};

}  // namespace

StatusOr<Plan> make_plan(const Expr& expr, const PlanOptions& options) {
  Plan plan;
  Planner planner(options, &plan);
  const Span span{options.start_ms, options.end_ms};
  ASSIGN_OR_RETURN(plan.root, planner.walk(expr, span, Around{}));
  return plan;
}

}  // namespace tocsin::promql::plan
