// SPDX-License-Identifier: Apache-2.0
#include "promql/testing/shrink.h"

#include <vector>

namespace tocsin::promql::testing {

namespace {

// Every node, in the text's order.
void collect(Expr* expr, std::vector<Expr*>* out) {
  out->push_back(expr);
  for (const Expr* child : expr->children()) collect(const_cast<Expr*>(child), out);
}

bool interchangeable(const Expr& part, const Expr& whole) {
  const auto scalar_or_vector = [](const Expr& e) {
    return e.type() == ValueType::kScalar || e.type() == ValueType::kVector;
  };
  return part.type() == whole.type() || (scalar_or_vector(part) && scalar_or_vector(whole));
}

// The modifiers of one node left out, one at a time; `which` counts them.
bool without_modifier(Expr* expr, int which) {
  const auto reset_shift = [&](TimeShift* shift) {
    if (which == 0) shift->offset = {};
    if (which == 1) shift->at = AtKind::kNone;
  };
  if (auto* selector = expr->as<VectorSelector>()) {
    reset_shift(&selector->shift);
    if (which == 2) selector->mode = RangeMode::kPlain;
    if (which < 3) return true;
    const std::size_t matcher = static_cast<std::size_t>(which) - 3;
    if (matcher >= selector->matchers.size()) return false;
    if (selector->matchers[matcher].name() == model::kMetricName) return true;
    selector->matchers.erase(selector->matchers.begin() + which - 3);
    return true;
  }
  if (auto* subquery = expr->as<Subquery>()) {
    reset_shift(&subquery->shift);
    return which < 2;
  }
  if (auto* aggregate = expr->as<Aggregate>()) {
    if (static_cast<std::size_t>(which) < aggregate->grouping.size()) {
      aggregate->grouping.erase(aggregate->grouping.begin() + which);
      return true;
    }
    return false;
  }
  if (auto* binary = expr->as<Binary>()) {
    if (which == 0) binary->return_bool = false;
    if (which > 0 && !binary->matching) return false;
    if (which == 1) binary->matching->fill_left.reset();
    if (which == 2) binary->matching->fill_right.reset();
    if (which == 3) binary->matching->include.clear();
    if (which == 4) binary->matching->cardinality = Cardinality::kOneToOne;
    return which < 5;
  }
  return false;
}

class Shrinker {
 public:
  Shrinker(std::string text, const ParserOptions& options,
           const std::function<bool(const std::string&)>& still_fails)
      : best_(std::move(text)), options_(options), still_fails_(still_fails) {}

  std::string run() {
    while (tries_ < kMaxTries && (replace_part() || drop_modifier())) {
    }
    return best_;
  }

 private:
  static constexpr int kMaxTries = 4'000;

  bool accept(const Expr& candidate) {
    ++tries_;
    const std::string text = to_string(candidate);
    if (text == best_ || text.size() > best_.size() + 2) return false;
    if (!parse_expr(text, options_).ok() || !still_fails_(text)) return false;
    best_ = text;
    return true;
  }

  // Each node by one of its descendants, largest first.
  bool replace_part() {
    const auto tree = parse_expr(best_, options_);
    if (!tree.ok()) return false;
    std::vector<Expr*> nodes;
    collect(tree->get(), &nodes);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      std::vector<Expr*> parts;
      collect(nodes[i], &parts);
      for (std::size_t j = 1; j < parts.size(); ++j) {
        if (interchangeable(*parts[j], *nodes[i]) && try_part(i, j)) return true;
      }
    }
    return false;
  }

  bool try_part(std::size_t whole, std::size_t part) {
    const auto tree = parse_expr(best_, options_);
    std::vector<Expr*> nodes, parts;
    collect(tree->get(), &nodes);
    collect(nodes[whole], &parts);
    ExprPtr kept = parts[part]->clone();
    nodes[whole]->node = std::move(kept->node);
    return accept(**tree);
  }

  bool drop_modifier() {
    const auto tree = parse_expr(best_, options_);
    if (!tree.ok()) return false;
    std::vector<Expr*> nodes;
    collect(tree->get(), &nodes);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      for (int which = 0; which < 12; ++which) {
        const auto copy = parse_expr(best_, options_);
        std::vector<Expr*> own;
        collect(copy->get(), &own);
        if (!without_modifier(own[i], which)) break;
        if (accept(**copy)) return true;
      }
    }
    return false;
  }

  std::string best_;
  const ParserOptions options_;
  const std::function<bool(const std::string&)>& still_fails_;
  int tries_ = 0;
};

}  // namespace

std::string shrink(std::string text, const ParserOptions& options,
                   const std::function<bool(const std::string&)>& still_fails) {
  return Shrinker(std::move(text), options, still_fails).run();
}

}  // namespace tocsin::promql::testing
