// SPDX-License-Identifier: Apache-2.0
#include "promql/ast.h"

#include <utility>

namespace tocsin::promql {
namespace {

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

ExprPtr clone_or_null(const ExprPtr& expr) { return expr == nullptr ? nullptr : expr->clone(); }

Expr::Node clone_node(const Expr::Node& node) {
  return std::visit(
      Overloaded{
          [](const NumberLiteral& n) -> Expr::Node { return n; },
          [](const StringLiteral& n) -> Expr::Node { return n; },
          [](const VectorSelector& n) -> Expr::Node { return n; },
          [](const MatrixSelector& n) -> Expr::Node {
            return MatrixSelector{n.vector->clone(), n.range};
          },
          [](const Subquery& n) -> Expr::Node {
            return Subquery{n.inner->clone(), n.range, n.step, n.has_step, n.shift};
          },
          [](const Paren& n) -> Expr::Node { return Paren{n.inner->clone()}; },
          [](const Unary& n) -> Expr::Node { return Unary{n.negate, n.inner->clone()}; },
          [](const Binary& n) -> Expr::Node {
            return Binary{n.op, n.left->clone(), n.right->clone(), n.return_bool, n.matching};
          },
          [](const Aggregate& n) -> Expr::Node {
            return Aggregate{n.op, n.inner->clone(), clone_or_null(n.parameter), n.grouping,
                             n.without};
          },
          [](const Call& n) -> Expr::Node {
            Call call{n.function, {}};
            for (const ExprPtr& argument : n.arguments) call.arguments.push_back(argument->clone());
            return call;
          },
      },
      node);
}

}  // namespace

std::string_view value_type_text(ValueType type) {
  switch (type) {
    case ValueType::kNone:
      return "none";
    case ValueType::kScalar:
      return "scalar";
    case ValueType::kString:
      return "string";
    case ValueType::kVector:
      return "instant vector";
    case ValueType::kMatrix:
      return "range vector";
  }
  return "none";
}

std::string_view op_text(BinaryOp op) {
  static constexpr std::string_view kTexts[] = {"+",     "-",   "*",  "/",      "%",  "^",
                                                "atan2", "==",  "!=", "<",      "<=", ">",
                                                ">=",    "and", "or", "unless", "</", ">/"};
  return kTexts[static_cast<std::size_t>(op)];
}

bool is_comparison(BinaryOp op) { return op >= BinaryOp::kEq && op <= BinaryOp::kGe; }
bool is_set_operator(BinaryOp op) { return op >= BinaryOp::kAnd && op <= BinaryOp::kUnless; }

std::string_view aggregate_text(AggregateOp op) {
  static constexpr std::string_view kTexts[] = {
      "sum",    "avg",  "count",   "min",          "max",      "group",  "stddev",
      "stdvar", "topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"};
  return kTexts[static_cast<std::size_t>(op)];
}

ValueType Expr::type() const {
  return std::visit(Overloaded{
                        [](const NumberLiteral&) { return ValueType::kScalar; },
                        [](const StringLiteral&) { return ValueType::kString; },
                        [](const VectorSelector&) { return ValueType::kVector; },
                        [](const MatrixSelector&) { return ValueType::kMatrix; },
                        [](const Subquery&) { return ValueType::kMatrix; },
                        [](const Paren& n) { return n.inner->type(); },
                        [](const Unary& n) { return n.inner->type(); },
                        [](const Binary& n) {
                          // Only vectors are matched, so the flag spares the walk down long chains.
                          if (n.matching.has_value()) return ValueType::kVector;
                          const bool scalars = n.right->type() == ValueType::kScalar &&
                                               n.left->type() == ValueType::kScalar;
                          return scalars ? ValueType::kScalar : ValueType::kVector;
                        },
                        [](const Aggregate&) { return ValueType::kVector; },
                        [](const Call& n) { return n.function->result; },
                    },
                    node);
}

ExprPtr Expr::clone() const {
  auto copy = std::make_unique<Expr>();
  copy->node = clone_node(node);
  copy->position = position;
  return copy;
}

std::uint64_t memory_bytes(const Expr& expr) {
  std::uint64_t bytes = sizeof(Expr);
  if (const auto* text = expr.as<StringLiteral>()) bytes += text->value.size();
  if (const auto* selector = expr.as<VectorSelector>()) {
    bytes += selector->name.size();
    for (const model::Matcher& matcher : selector->matchers) {
      bytes += sizeof(matcher) + matcher.name().size() + matcher.value().size();
    }
  }
  for (const Expr* child : expr.children()) bytes += memory_bytes(*child);
  return bytes;
}

std::vector<const Expr*> Expr::children() const {
  using Children = std::vector<const Expr*>;
  return std::visit(Overloaded{
                        [](const auto&) { return Children{}; },
                        [](const MatrixSelector& n) { return Children{n.vector.get()}; },
                        [](const Subquery& n) { return Children{n.inner.get()}; },
                        [](const Paren& n) { return Children{n.inner.get()}; },
                        [](const Unary& n) { return Children{n.inner.get()}; },
                        [](const Binary& n) { return Children{n.left.get(), n.right.get()}; },
                        [](const Aggregate& n) {
                          Children children;
                          if (n.parameter != nullptr) children.push_back(n.parameter.get());
                          children.push_back(n.inner.get());
                          return children;
                        },
                        [](const Call& n) {
                          Children children;
                          for (const ExprPtr& argument : n.arguments)
                            children.push_back(argument.get());
                          return children;
                        },
                    },
                    node);
}

}  // namespace tocsin::promql
