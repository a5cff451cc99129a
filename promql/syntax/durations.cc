// SPDX-License-Identifier: Apache-2.0
#include "promql/syntax/durations.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/value.h"
#include "promql/parser.h"

namespace tocsin::promql {
namespace {

using Op = DurationExpr::Op;

struct Window {
  double step = 0;
  double range = 0;
};

Status duration_error(const DurationExpr& expr, std::string_view reason) {
  return invalid_argument("{}:{}: {}", expr.position.start, expr.position.end, reason);
}

StatusOr<double> evaluate(const DurationExpr& expr, const Window& window) {
  double left = 0;
  double right = 0;
  if (expr.left != nullptr) {
    ASSIGN_OR_RETURN(left, evaluate(*expr.left, window));
  }
  if (expr.right != nullptr) {
    ASSIGN_OR_RETURN(right, evaluate(*expr.right, window));
  }
  switch (expr.op) {
    case Op::kLiteral:
      return expr.seconds;
    case Op::kAdd:
      return left + right;
    case Op::kSub:
      return left - right;
    case Op::kMul:
      return left * right;
    case Op::kDiv:
      if (right == 0) return duration_error(expr, "division by zero");
      return left / right;
    case Op::kMod:
      if (right == 0) return duration_error(expr, "modulo by zero");
      return std::fmod(left, right);
    case Op::kPow:
      return std::pow(left, right);
    case Op::kNegate:
      return -right;
    case Op::kPlus:
      return right;
    case Op::kStep:
      return window.step;
    case Op::kRange:
      return window.range;
    case Op::kMin:
      return std::min(left, right);
    case Op::kMax:
      return std::max(left, right);
  }
  return internal("unknown duration operator");
}

enum class Sign { kAny, kPositive };

Status resolve(DurationValue* duration, const Window& window, Sign sign) {
  if (duration->expr == nullptr) return ok();
  const DurationExpr& expr = *duration->expr;
  ASSIGN_OR_RETURN(const double seconds, evaluate(expr, window));
  const StatusOr<model::Duration> value = duration_of_seconds(seconds);
  if (!value.ok()) return duration_error(expr, "duration is out of range");
  if (sign == Sign::kPositive && *value <= model::Duration(0)) {
    return duration_error(expr, "duration must be greater than 0");
  }
  duration->value = *value;
  return ok();
}

Status resolve_tree(Expr* expr, const Window& window) {
  if (auto* selector = expr->as<VectorSelector>()) {
    return resolve(&selector->shift.offset, window, Sign::kAny);
  }
  if (auto* matrix = expr->as<MatrixSelector>()) {
    RETURN_IF_ERROR(resolve(&matrix->range, window, Sign::kPositive));
  } else if (auto* subquery = expr->as<Subquery>()) {
    RETURN_IF_ERROR(resolve(&subquery->range, window, Sign::kPositive));
    if (subquery->has_step) RETURN_IF_ERROR(resolve(&subquery->step, window, Sign::kPositive));
    RETURN_IF_ERROR(resolve(&subquery->shift.offset, window, Sign::kAny));
  }
  for (const Expr* child : expr->children()) {
    // children() is a view of what this Expr owns, and this Expr is not const here.
    RETURN_IF_ERROR(resolve_tree(const_cast<Expr*>(child), window));
  }
  return ok();
}

std::string_view operator_text(Op op) {
  switch (op) {
    case Op::kAdd:
      return " + ";
    case Op::kSub:
      return " - ";
    case Op::kMul:
      return " * ";
    case Op::kDiv:
      return " / ";
    case Op::kMod:
      return " % ";
    default:
      return " ^ ";
  }
}

std::string literal_text(const DurationExpr& literal) {
  if (!literal.is_duration_literal) return model::format_float_f(literal.seconds);
  const StatusOr<model::Duration> value = duration_of_seconds(literal.seconds);
  if (!value.ok()) return model::format_float_f(literal.seconds);
  return duration_text(DurationValue{*value, nullptr});
}

void print(const DurationExpr& expr, std::string* out) {
  if (expr.parenthesised) out->push_back('(');
  switch (expr.op) {
    case Op::kLiteral:
      out->append(literal_text(expr));
      break;
    case Op::kNegate:
      out->push_back('-');
      print(*expr.right, out);
      break;
    case Op::kPlus:
      print(*expr.right, out);
      break;
    case Op::kStep:
      out->append("step()");
      break;
    case Op::kRange:
      out->append("range()");
      break;
    case Op::kMin:
    case Op::kMax:
      out->append(expr.op == Op::kMin ? "min_of(" : "max_of(");
      print(*expr.left, out);
      out->append(", ");
      print(*expr.right, out);
      out->push_back(')');
      break;
    default:
      print(*expr.left, out);
      out->append(operator_text(expr.op));
      print(*expr.right, out);
      break;
  }
  if (expr.parenthesised) out->push_back(')');
}

}  // namespace

StatusOr<model::Duration> duration_of_seconds(double seconds) {
  // What fits into 64 bits of nanoseconds, as everywhere in upstream.
  constexpr double kMaxSeconds = 9223372036.0;
  if (!(std::fabs(seconds) <= kMaxSeconds)) return invalid_argument("duration out of range");
  return model::Duration(std::llround(seconds * 1000));
}

std::string duration_text(const DurationValue& duration) {
  std::string out;
  if (duration.expr != nullptr) {
    print(*duration.expr, &out);
  } else if (duration.value < model::Duration(0)) {
    out = "-" + model::format_duration(-duration.value);
  } else {
    out = model::format_duration(duration.value);
  }
  return out;
}

Status resolve_durations(Expr* expr, model::Duration step, model::Duration range) {
  return resolve_tree(expr, {model::to_seconds(step), model::to_seconds(range)});
}

}  // namespace tocsin::promql
