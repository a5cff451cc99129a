// SPDX-License-Identifier: Apache-2.0
//
// Duration arithmetic: in brackets any expression, after `offset` one operand (with a sign).
#include <cmath>
#include <utility>

#include "promql/syntax/durations.h"
#include "promql/syntax/parser.h"

namespace tocsin::promql {
namespace {

constexpr std::string_view kExpected = "number, duration, step(), or range()";
constexpr std::string_view kBrackets = "subquery or range selector";

using Op = DurationExpr::Op;

struct DurationOperator {
  TokenType token;
  Op op;
  int precedence;
};
constexpr int kLowest = 1;
constexpr int kPowPrecedence = 3;
constexpr DurationOperator kOperators[] = {
    {TokenType::kAdd, Op::kAdd, 1}, {TokenType::kSub, Op::kSub, 1},
    {TokenType::kMul, Op::kMul, 2}, {TokenType::kDiv, Op::kDiv, 2},
    {TokenType::kMod, Op::kMod, 2}, {TokenType::kPow, Op::kPow, kPowPrecedence},
};

const DurationOperator* find_operator(TokenType token) {
  for (const DurationOperator& info : kOperators) {
    if (info.token == token) return &info;
  }
  return nullptr;
}

std::shared_ptr<DurationExpr> copy_of(const DurationExpr& expr) {
  return std::make_shared<DurationExpr>(expr);
}

}  // namespace

// A literal becomes its value; anything else waits for resolve_durations().
StatusOr<DurationValue> Parser::finish_duration(DurationPtr expr) {
  if (expr->op != Op::kLiteral) {
    if (!options_.duration_expressions) {
      return error_at(expr->position.start, "experimental duration expression is not enabled");
    }
    return DurationValue{model::Duration(0), std::move(expr)};
  }
  const StatusOr<model::Duration> value = duration_of_seconds(expr->seconds);
  if (!value.ok()) return error_at(expr->position.start, "{}", message(value.status()));
  return DurationValue{*value, nullptr};
}

StatusOr<DurationValue> Parser::parse_positive_duration() {
  duration_nodes_ = 0;
  duration_context_ = kBrackets;
  ASSIGN_OR_RETURN(DurationPtr expr, parse_duration_expr(kLowest));
  const std::uint32_t start = expr->position.start;
  ASSIGN_OR_RETURN(DurationValue value, finish_duration(std::move(expr)));
  if (value.expr == nullptr && value.value <= model::Duration(0)) {
    return error_at(start, "duration must be greater than 0");
  }
  return value;
}

StatusOr<DurationValue> Parser::parse_offset_duration() {
  duration_nodes_ = 0;
  duration_context_ = "offset";
  ASSIGN_OR_RETURN(DurationPtr expr, parse_duration_unary(false));
  return finish_duration(std::move(expr));
}

StatusOr<Parser::DurationPtr> Parser::parse_duration_expr(int min_precedence) {
  ++depth_;
  RETURN_IF_ERROR(check_depth());
  ASSIGN_OR_RETURN(DurationPtr left, parse_duration_unary(true));
  while (const DurationOperator* info = find_operator(token_.type)) {
    if (info->precedence < min_precedence) break;
    const std::uint32_t op_start = token_.position.start;
    advance();
    const int right_minimum =
        info->precedence == kPowPrecedence ? kPowPrecedence : info->precedence + 1;
    ASSIGN_OR_RETURN(DurationPtr right, parse_duration_expr(right_minimum));
    const bool zero = right->op == Op::kLiteral && right->seconds == 0;
    if (zero && info->op == Op::kDiv) return error_at(op_start, "division by zero");
    if (zero && info->op == Op::kMod) return error_at(op_start, "modulo by zero");
    auto binary = std::make_shared<DurationExpr>();
    binary->op = info->op;
    binary->position = {left->position.start, right->position.end};
    binary->left = std::move(left);
    binary->right = std::move(right);
    left = std::move(binary);
  }
  --depth_;
  return left;
}

// A sign binds like *: in brackets only ^ is taken into its operand, after `offset` nothing is.
StatusOr<Parser::DurationPtr> Parser::parse_duration_unary(bool whole_operand) {
  if (!at(TokenType::kAdd) && !at(TokenType::kSub)) return parse_duration_primary();
  const bool negate = at(TokenType::kSub);
  const std::uint32_t start = token_.position.start;
  advance();
  StatusOr<DurationPtr> parsed =
      whole_operand ? parse_duration_expr(kPowPrecedence) : parse_duration_primary();
  RETURN_IF_ERROR(parsed.status());
  DurationPtr operand = *std::move(parsed);
  if (operand->op == Op::kLiteral) {
    auto literal = copy_of(*operand);
    if (negate) literal->seconds = -literal->seconds;
    literal->position.start = start;
    literal->parenthesised = false;
    return literal;
  }
  if (!negate) return operand;
  auto unary = std::make_shared<DurationExpr>();
  unary->op = Op::kNegate;
  unary->position = {start, operand->position.end};
  unary->right = std::move(operand);
  return unary;
}

StatusOr<Parser::DurationPtr> Parser::parse_duration_primary() {
  // Every later pass recurses over the tree, so its size is what must be limited.
  constexpr int kMaxNodes = 1000;
  if (++duration_nodes_ > kMaxNodes) {
    return error_at(token_.position.start, "duration expression has more than {} operands",
                    kMaxNodes);
  }
  switch (token_.type) {
    case TokenType::kNumber:
    case TokenType::kDuration:
      return parse_duration_literal();
    case TokenType::kStep:
    case TokenType::kRange:
    case TokenType::kMinOf:
    case TokenType::kMaxOf:
      return parse_duration_call();
    case TokenType::kLeftParen:
      break;
    default:
      return unexpected(duration_context_, kExpected);
  }
  const std::uint32_t start = token_.position.start;
  advance();
  ASSIGN_OR_RETURN(const DurationPtr inner, parse_duration_expr(kLowest));
  RETURN_IF_ERROR(expect(TokenType::kRightParen, duration_context_, "\")\""));
  auto wrapped = copy_of(*inner);
  // Parentheses around a positive literal say nothing; around -2 they matter in (-2) ^ 2.
  wrapped->parenthesised = inner->op != Op::kLiteral || inner->seconds < 0;
  wrapped->position = {start, last_end_};
  return wrapped;
}

StatusOr<Parser::DurationPtr> Parser::parse_duration_literal() {
  auto literal = std::make_shared<DurationExpr>();
  literal->is_duration_literal = at(TokenType::kDuration);
  literal->position = token_.position;
  ASSIGN_OR_RETURN(literal->seconds, number_value());
  const StatusOr<model::Duration> value = duration_of_seconds(literal->seconds);
  if (!value.ok()) return error_at(token_.position.start, "{}", message(value.status()));
  advance();
  return literal;
}

StatusOr<Parser::DurationPtr> Parser::parse_duration_call() {
  auto call = std::make_shared<DurationExpr>();
  const std::uint32_t start = token_.position.start;
  const TokenType type = token_.type;
  advance();
  RETURN_IF_ERROR(expect(TokenType::kLeftParen, duration_context_, "\"(\""));
  if (type == TokenType::kStep || type == TokenType::kRange) {
    call->op = type == TokenType::kStep ? Op::kStep : Op::kRange;
  } else {
    call->op = type == TokenType::kMinOf ? Op::kMin : Op::kMax;
    ASSIGN_OR_RETURN(call->left, parse_duration_expr(kLowest));
    RETURN_IF_ERROR(expect(TokenType::kComma, duration_context_, "\",\""));
    ASSIGN_OR_RETURN(call->right, parse_duration_expr(kLowest));
  }
  RETURN_IF_ERROR(expect(TokenType::kRightParen, duration_context_, "\")\""));
  call->position = {start, last_end_};
  return call;
}

}  // namespace tocsin::promql
