// SPDX-License-Identifier: Apache-2.0
//
// Type checks from the leaves up. Where several rules are broken the first in upstream's order is
// named.
#include <algorithm>
#include <string>

#include "promql/syntax/parser.h"

namespace tocsin::promql {
namespace {

class TypeChecker {
 public:
  explicit TypeChecker(std::string_view text) : text_(text) {}

  StatusOr<ValueType> check(Expr* expr) {
    if (auto* selector = expr->as<VectorSelector>()) return check_selector(*expr, *selector);
    if (auto* matrix = expr->as<MatrixSelector>()) {
      RETURN_IF_ERROR(check(matrix->vector.get()).status());
      return ValueType::kMatrix;
    }
    if (auto* subquery = expr->as<Subquery>()) return check_subquery(*expr, *subquery);
    if (auto* paren = expr->as<Paren>()) return check(paren->inner.get());
    if (auto* unary = expr->as<Unary>()) return check_unary(*expr, *unary);
    if (auto* binary = expr->as<Binary>()) return check_binary(*expr, binary);
    if (auto* aggregate = expr->as<Aggregate>()) return check_aggregate(*aggregate);
    if (auto* call = expr->as<Call>()) return check_call(*expr, *call);
    return expr->type();
  }

 private:
  template <typename... Args>
  Status error_at(std::uint32_t offset, fmt::format_string<Args...> format, Args&&... args) const {
    return invalid_argument("{}: parse error: {}", line_column(text_, offset),
                            fmt::format(format, std::forward<Args>(args)...));
  }

  // `context` says where: `call to function "rate"`.
  Status expect_type(Expr* expr, ValueType wanted, std::string_view context) {
    ASSIGN_OR_RETURN(const ValueType type, check(expr));
    if (type == wanted) return ok();
    return error_at(expr->position.start, "expected type {} in {}, got {}", value_type_text(wanted),
                    context, value_type_text(type));
  }

  StatusOr<ValueType> check_selector(const Expr& expr, const VectorSelector& selector) const;
  StatusOr<ValueType> check_subquery(const Expr& expr, const Subquery& subquery);
  StatusOr<ValueType> check_unary(const Expr& expr, const Unary& unary);
  StatusOr<ValueType> check_binary(const Expr& expr, Binary* binary);
  Status check_operator(const Binary& binary, ValueType left, ValueType right) const;
  Status check_matching(const Expr& expr, Binary* binary) const;
  StatusOr<ValueType> check_aggregate(const Aggregate& aggregate);
  StatusOr<ValueType> check_call(const Expr& expr, const Call& call);
  Status check_argument_count(const Expr& expr, const Call& call) const;
  Status check_info_selector(const Expr& expr, const Expr& argument) const;

  std::string_view text_;
};

StatusOr<ValueType> TypeChecker::check_selector(const Expr& expr,
                                                const VectorSelector& selector) const {
  const bool named_outside = !selector.name.empty();
  // A name before the braces is the last matcher; a quoted or spelled-out one inside must not be
  // beside it.
  for (std::size_t i = 0; named_outside && i + 1 < selector.matchers.size(); ++i) {
    if (selector.matchers[i].name() == model::kMetricName) {
      return error_at(expr.position.start, "metric name must not be set twice: {} or {}",
                      model::go_quote(selector.name),
                      model::go_quote(selector.matchers[i].value()));
    }
  }
  const bool selects =
      std::any_of(selector.matchers.begin(), selector.matchers.end(),
                  [](const model::Matcher& matcher) { return !matcher.matches_empty(); });
  if (!selects) {
    return error_at(expr.position.start,
                    "vector selector must contain at least one non-empty matcher");
  }
  return ValueType::kVector;
}

StatusOr<ValueType> TypeChecker::check_subquery(const Expr& expr, const Subquery& subquery) {
  ASSIGN_OR_RETURN(const ValueType type, check(subquery.inner.get()));
  if (type == ValueType::kVector) return ValueType::kMatrix;
  const std::string_view name = type == ValueType::kMatrix ? "matrix" : value_type_text(type);
  return error_at(expr.position.start, "subquery is only allowed on instant vector, got {} instead",
                  name);
}

StatusOr<ValueType> TypeChecker::check_unary(const Expr& expr, const Unary& unary) {
  ASSIGN_OR_RETURN(const ValueType type, check(unary.inner.get()));
  if (type == ValueType::kScalar || type == ValueType::kVector) return type;
  return error_at(
      expr.position.start,
      "unary expression only allowed on expressions of type scalar or instant vector, got \"{}\"",
      value_type_text(type));
}

StatusOr<ValueType> TypeChecker::check_binary(const Expr& expr, Binary* binary) {
  ASSIGN_OR_RETURN(const ValueType left, check(binary->left.get()));
  ASSIGN_OR_RETURN(const ValueType right, check(binary->right.get()));
  RETURN_IF_ERROR(check_operator(*binary, left, right));
  if (left == ValueType::kVector && right == ValueType::kVector) {
    RETURN_IF_ERROR(check_matching(expr, binary));
    return ValueType::kVector;
  }
  const VectorMatching& matching = *binary->matching;
  if (!matching.labels.empty()) {
    return error_at(expr.position.start, "vector matching only allowed between instant vectors");
  }
  if (matching.fill_left || matching.fill_right) {
    return error_at(expr.position.start,
                    "filling in missing series only allowed between instant vectors");
  }
  if (is_set_operator(binary->op)) {
    return error_at(expr.position.start,
                    "set operator \"{}\" not allowed in binary scalar expression",
                    op_text(binary->op));
  }
  binary->matching.reset();
  const bool scalars = left == ValueType::kScalar && right == ValueType::kScalar;
  return scalars ? ValueType::kScalar : ValueType::kVector;
}

Status TypeChecker::check_operator(const Binary& binary, ValueType left, ValueType right) const {
  // Errors about the operator point at it: behind the left side and the space after that.
  std::uint32_t position = binary.left->position.end;
  while (position < text_.size() &&
         std::string_view(" \t\r\n").find(text_[position]) != std::string_view::npos) {
    ++position;
  }
  const bool comparison = is_comparison(binary.op);
  if (binary.return_bool && !comparison) {
    return error_at(position, "bool modifier can only be used on comparison operators");
  }
  if (comparison && !binary.return_bool && left == ValueType::kScalar &&
      right == ValueType::kScalar) {
    return error_at(position, "comparisons between scalars must use BOOL modifier");
  }
  const VectorMatching& matching = *binary.matching;
  for (const std::string& label : matching.labels) {
    const auto& include = matching.include;
    if (matching.on && std::find(include.begin(), include.end(), label) != include.end()) {
      return error_at(position, "label {} must not occur in ON and GROUP clause at once",
                      model::go_quote(label));
    }
  }
  const auto is_operand = [](ValueType type) {
    return type == ValueType::kScalar || type == ValueType::kVector;
  };
  if (is_operand(left) && is_operand(right)) return ok();
  const Expr& culprit = is_operand(left) ? *binary.right : *binary.left;
  return error_at(culprit.position.start,
                  "binary expression must contain only scalar and instant vector types");
}

Status TypeChecker::check_matching(const Expr& expr, Binary* binary) const {
  VectorMatching& matching = *binary->matching;
  if (!is_set_operator(binary->op)) return ok();
  if (matching.cardinality != Cardinality::kOneToOne) {
    return error_at(expr.position.start, "no grouping allowed for \"{}\" operation",
                    op_text(binary->op));
  }
  if (matching.fill_left || matching.fill_right) {
    return error_at(expr.position.start, "filling in missing series not allowed for set operators");
  }
  matching.cardinality = Cardinality::kManyToMany;
  return ok();
}

StatusOr<ValueType> TypeChecker::check_aggregate(const Aggregate& aggregate) {
  RETURN_IF_ERROR(expect_type(aggregate.inner.get(), ValueType::kVector, "aggregation expression"));
  if (aggregate.parameter != nullptr) {
    const bool text = aggregate.op == AggregateOp::kCountValues;
    RETURN_IF_ERROR(expect_type(aggregate.parameter.get(),
                                text ? ValueType::kString : ValueType::kScalar,
                                "aggregation parameter"));
  }
  return ValueType::kVector;
}

Status TypeChecker::check_argument_count(const Expr& expr, const Call& call) const {
  const FunctionSignature& function = *call.function;
  const std::size_t got = call.arguments.size();
  std::size_t least = function.arguments.size();
  std::size_t most = least;
  std::string_view word;
  if (function.variadic != 0) {
    --least;
    most = function.variadic < 0 ? SIZE_MAX : least + static_cast<std::size_t>(function.variadic);
    word = got < least ? "at least " : "at most ";
  }
  if (got >= least && got <= most) return ok();
  return error_at(expr.position.start, "expected {}{} argument(s) in call to \"{}\", got {}", word,
                  got < least ? least : most, function.name, got);
}

// info()'s second argument only lends its matchers: no name, and it may select everything.
Status TypeChecker::check_info_selector(const Expr& expr, const Expr& argument) const {
  const auto* selector = argument.as<VectorSelector>();
  if (selector == nullptr) {
    const ValueType type = argument.type();
    if (type == ValueType::kVector) {
      return error_at(argument.position.start, "expected label selectors only");
    }
    return error_at(expr.position.start, "expected type {} in call to function \"info\", got {}",
                    value_type_text(ValueType::kVector), value_type_text(type));
  }
  if (selector->name.empty()) return ok();
  return error_at(argument.position.start,
                  "expected label selectors only, got vector selector instead");
}

StatusOr<ValueType> TypeChecker::check_call(const Expr& expr, const Call& call) {
  RETURN_IF_ERROR(check_argument_count(expr, call));
  const FunctionSignature& function = *call.function;
  const std::string context = fmt::format("call to function \"{}\"", function.name);
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    Expr* argument = call.arguments[i].get();
    if (i == 1 && function.name == "info") {
      RETURN_IF_ERROR(check_info_selector(expr, *argument));
      continue;
    }
    const ValueType wanted = function.arguments[std::min(i, function.arguments.size() - 1)];
    RETURN_IF_ERROR(expect_type(argument, wanted, context));
  }
  return function.result;
}

}  // namespace

Status check_types(Expr* expr, std::string_view text) {
  return TypeChecker(text).check(expr).status();
}

}  // namespace tocsin::promql
