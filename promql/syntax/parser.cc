// SPDX-License-Identifier: Apache-2.0
#include "promql/syntax/parser.h"

#include <algorithm>
#include <utility>

#include "base/string_map.h"
#include "model/timestamp.h"
#include "model/value.h"

namespace tocsin::promql {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{1} << 20U;
// Trees may be this many times higher than nesting is deep: long chains are common, deep nesting is
// not.
constexpr int kHeightPerDepth = 10;
// A tree takes some hundred bytes per part, a text of a few bytes for each.
constexpr std::size_t kMaxParts = 100'000;

constexpr int kLowest = 1;
constexpr int kPowPrecedence = 6;

struct OperatorInfo {
  TokenType token;
  BinaryOp op;
  int precedence;
};
constexpr OperatorInfo kOperators[] = {
    {TokenType::kOr, BinaryOp::kOr, 1},
    {TokenType::kAnd, BinaryOp::kAnd, 2},
    {TokenType::kUnless, BinaryOp::kUnless, 2},
    {TokenType::kEq, BinaryOp::kEq, 3},
    {TokenType::kNe, BinaryOp::kNe, 3},
    {TokenType::kLt, BinaryOp::kLt, 3},
    {TokenType::kLe, BinaryOp::kLe, 3},
    {TokenType::kGt, BinaryOp::kGt, 3},
    {TokenType::kGe, BinaryOp::kGe, 3},
    {TokenType::kTrimUpper, BinaryOp::kTrimUpper, 3},
    {TokenType::kTrimLower, BinaryOp::kTrimLower, 3},
    {TokenType::kAdd, BinaryOp::kAdd, 4},
    {TokenType::kSub, BinaryOp::kSub, 4},
    {TokenType::kMul, BinaryOp::kMul, 5},
    {TokenType::kDiv, BinaryOp::kDiv, 5},
    {TokenType::kMod, BinaryOp::kMod, 5},
    {TokenType::kAtan2, BinaryOp::kAtan2, 5},
    {TokenType::kPow, BinaryOp::kPow, kPowPrecedence},
};

const OperatorInfo* find_operator(TokenType token) {
  for (const OperatorInfo& info : kOperators) {
    if (info.token == token) return &info;
  }
  return nullptr;
}

bool takes_parameter(AggregateOp op) {
  switch (op) {
    case AggregateOp::kTopk:
    case AggregateOp::kBottomk:
    case AggregateOp::kCountValues:
    case AggregateOp::kQuantile:
    case AggregateOp::kLimitk:
    case AggregateOp::kLimitRatio:
      return true;
    default:
      return false;
  }
}

bool is_experimental(AggregateOp op) {
  return op == AggregateOp::kLimitk || op == AggregateOp::kLimitRatio;
}

// Words with a meaning that may still be the name of a metric.
bool may_be_metric_name(TokenType type) {
  switch (type) {
    case TokenType::kIdentifier:
    case TokenType::kMetricIdentifier:
    case TokenType::kAggregator:
    case TokenType::kAnd:
    case TokenType::kOr:
    case TokenType::kUnless:
    case TokenType::kBy:
    case TokenType::kWithout:
    case TokenType::kOffset:
    case TokenType::kAnchored:
    case TokenType::kSmoothed:
    case TokenType::kFill:
    case TokenType::kFillLeft:
    case TokenType::kFillRight:
      return true;
    default:
      return type >= TokenType::kStart && type <= TokenType::kMaxOf;
  }
}

bool may_be_function_name(TokenType type) {
  return type == TokenType::kIdentifier || (type >= TokenType::kStart && type <= TokenType::kMaxOf);
}

// Any word may be a label, whatever else it means.
bool may_be_label(TokenType type) {
  return may_be_metric_name(type) || type == TokenType::kAtan2 ||
         (type >= TokenType::kBool && type <= TokenType::kGroupRight);
}

class DepthGuard {
 public:
  explicit DepthGuard(int* depth) : depth_(depth) { ++*depth_; }
  ~DepthGuard() { --*depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  int* depth_;
};

}  // namespace

Parser::Parser(std::string_view text, const ParserOptions& options)
    : text_(text), options_(options), lexer_(text) {
  if (text_.size() <= kMaxTextBytes) advance();
}

void Parser::advance() {
  last_end_ = token_.position.end;
  token_ = lexer_.next();
}

Token Parser::peek_next() const {
  Lexer ahead = lexer_;
  return ahead.next();
}

Status Parser::unexpected(std::string_view context, std::string_view expected) const {
  if (at(TokenType::kError)) return error_at(token_.position.start, "{}", lexer_.error());
  std::string text = "unexpected " + describe(token_);
  if (!context.empty()) text.append(" in ").append(context);
  if (!expected.empty()) text.append(", expected ").append(expected);
  return error_at(token_.position.start, "{}", text);
}

Status Parser::expect(TokenType type, std::string_view context, std::string_view expected) {
  if (!at(type)) return unexpected(context, expected);
  advance();
  return ok();
}

Status Parser::check_depth() const {
  if (depth_ <= options_.max_depth) return ok();
  return error_at(token_.position.start, "expression is nested more than {} levels deep",
                  options_.max_depth);
}

Status Parser::count_parts(std::size_t parts, std::uint32_t start) {
  parts_ += parts;
  if (parts_ <= kMaxParts) return ok();
  return error_at(start, "expression has more than {} parts", kMaxParts);
}

StatusOr<ExprPtr> Parser::finish(Expr::Node node, std::uint32_t start, int height) {
  if (height > options_.max_depth * kHeightPerDepth) {
    return error_at(start, "expression has a chain of more than {} operations",
                    options_.max_depth * kHeightPerDepth);
  }
  RETURN_IF_ERROR(count_parts(1, start));
  height_ = height;
  auto expr = std::make_unique<Expr>();
  expr->node = std::move(node);
  expr->position = {start, last_end_};
  return expr;
}

StatusOr<double> Parser::number_value() const {
  if (at(TokenType::kNumber)) {
    StatusOr<double> value = parse_number(token_.text);
    if (!value.ok()) return error_at(token_.position.start, "{}", message(value.status()));
    return value;
  }
  const StatusOr<model::Duration> duration = model::parse_duration(token_.text);
  if (!duration.ok()) return error_at(token_.position.start, "{}", message(duration.status()));
  return model::to_seconds(*duration);
}

StatusOr<ExprPtr> Parser::parse_whole_expr() {
  if (text_.size() > kMaxTextBytes) {
    return error_at(0, "expression is longer than {} bytes", kMaxTextBytes);
  }
  if (at(TokenType::kEof)) return error_at(0, "no expression found in input");
  ASSIGN_OR_RETURN(ExprPtr expr, parse_expr(kLowest));
  if (!at(TokenType::kEof)) return unexpected("", "");
  return expr;
}

StatusOr<ExprPtr> Parser::parse_expr(int min_precedence) {
  const DepthGuard guard(&depth_);
  RETURN_IF_ERROR(check_depth());
  ASSIGN_OR_RETURN(ExprPtr left, parse_unary());
  int left_height = height_;
  while (const OperatorInfo* info = find_operator(token_.type)) {
    if (info->precedence < min_precedence) break;
    advance();
    ASSIGN_OR_RETURN(BinaryModifiers modifiers, parse_binary_modifiers());
    const bool fills = modifiers.matching.fill_left || modifiers.matching.fill_right;
    if (fills && !options_.fill_modifiers) {
      return error_at(left->position.start,
                      "binop fill modifiers are experimental and not enabled");
    }
    // Only ^ groups to the right.
    const int right_minimum =
        info->precedence == kPowPrecedence ? kPowPrecedence : info->precedence + 1;
    ASSIGN_OR_RETURN(ExprPtr right, parse_expr(right_minimum));
    const std::uint32_t start = left->position.start;
    const std::uint32_t end = right->position.end;
    Binary binary;
    binary.op = info->op;
    binary.left = std::move(left);
    binary.right = std::move(right);
    binary.return_bool = modifiers.return_bool;
    binary.matching = std::move(modifiers.matching);
    ASSIGN_OR_RETURN(left, finish(std::move(binary), start, 1 + std::max(left_height, height_)));
    left->position.end = end;
    left_height = height_;
  }
  height_ = left_height;
  return left;
}

StatusOr<ExprPtr> Parser::parse_unary() {
  if (!at(TokenType::kAdd) && !at(TokenType::kSub)) {
    ASSIGN_OR_RETURN(ExprPtr primary, parse_primary());
    return parse_postfix(std::move(primary));
  }
  const bool negate = at(TokenType::kSub);
  const std::uint32_t start = token_.position.start;
  advance();
  // A sign binds like *, so only ^ is taken into its operand.
  ASSIGN_OR_RETURN(ExprPtr inner, parse_expr(kPowPrecedence));
  if (auto* number = inner->as<NumberLiteral>()) {
    if (negate) number->value = -number->value;
    inner->position.start = start;
    return inner;
  }
  const std::uint32_t end = inner->position.end;
  ASSIGN_OR_RETURN(ExprPtr unary, finish(Unary{negate, std::move(inner)}, start, height_ + 1));
  unary->position.end = end;
  return unary;
}

StatusOr<ExprPtr> Parser::parse_primary() {
  switch (token_.type) {
    case TokenType::kNumber:
    case TokenType::kDuration:
    case TokenType::kString:
      return parse_literal();
    case TokenType::kLeftParen:
      return parse_paren();
    case TokenType::kLeftBrace:
      return parse_selector(nullptr);
    default:
      break;
  }
  if (!may_be_metric_name(token_.type)) return unexpected("", "");
  return parse_word();
}

StatusOr<ExprPtr> Parser::parse_literal() {
  const std::uint32_t start = token_.position.start;
  if (at(TokenType::kString)) {
    ASSIGN_OR_RETURN(std::string value, unquote_string(token_.text));
    advance();
    return finish(StringLiteral{std::move(value)}, start, 1);
  }
  const bool is_duration = at(TokenType::kDuration);
  ASSIGN_OR_RETURN(const double value, number_value());
  advance();
  return finish(NumberLiteral{value, is_duration}, start, 1);
}

StatusOr<ExprPtr> Parser::parse_paren() {
  const std::uint32_t start = token_.position.start;
  advance();
  ASSIGN_OR_RETURN(ExprPtr inner, parse_expr(kLowest));
  RETURN_IF_ERROR(expect(TokenType::kRightParen, "", ""));
  return finish(Paren{std::move(inner)}, start, height_ + 1);
}

// An aggregation, a call or a metric name; what follows the word decides.
StatusOr<ExprPtr> Parser::parse_word() {
  const Token word = token_;
  advance();
  if (word.type == TokenType::kAggregator) {
    switch (token_.type) {
      case TokenType::kLeftParen:
      case TokenType::kBy:
      case TokenType::kWithout:
        return parse_aggregate(word);
      case TokenType::kIdentifier:
      case TokenType::kMetricIdentifier:
      case TokenType::kString:
      case TokenType::kNumber:
      case TokenType::kDuration:
        return unexpected("aggregation", "");
      default:
        return parse_selector(&word);
    }
  }
  if (at(TokenType::kLeftParen) && may_be_function_name(word.type)) return parse_call(word);
  return parse_selector(&word);
}

StatusOr<std::vector<ExprPtr>> Parser::parse_arguments() {
  RETURN_IF_ERROR(expect(TokenType::kLeftParen, "", ""));
  std::vector<ExprPtr> arguments;
  int height = 0;
  while (!at(TokenType::kRightParen) || !arguments.empty()) {
    ASSIGN_OR_RETURN(ExprPtr argument, parse_expr(kLowest));
    arguments.push_back(std::move(argument));
    height = std::max(height, height_);
    if (at(TokenType::kRightParen)) break;
    const std::uint32_t comma = token_.position.start;
    RETURN_IF_ERROR(expect(TokenType::kComma, "", ""));
    if (at(TokenType::kRightParen)) {
      return error_at(comma, "trailing commas not allowed in function call args");
    }
  }
  advance();
  height_ = height;
  return arguments;
}

StatusOr<ExprPtr> Parser::parse_call(const Token& name) {
  const std::uint32_t start = name.position.start;
  std::string text(name.text);
  if (name.type != TokenType::kIdentifier) {  // keywords are known in any case
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  }
  const FunctionSignature* function = find_function(text);
  ASSIGN_OR_RETURN(std::vector<ExprPtr> arguments, parse_arguments());
  if (function == nullptr) {
    return error_at(start, "unknown function with name {}", model::go_quote(name.text));
  }
  if (function->experimental && !options_.experimental_functions) {
    return error_at(start, "function {} is not enabled", model::go_quote(name.text));
  }
  return finish(Call{function, std::move(arguments)}, start, height_ + 1);
}

StatusOr<ExprPtr> Parser::parse_aggregate(const Token& name) {
  const std::uint32_t start = name.position.start;
  Aggregate aggregate;
  aggregate.op = name.aggregate;
  const auto parse_modifier = [&]() -> Status {
    aggregate.without = at(TokenType::kWithout);
    advance();
    ASSIGN_OR_RETURN(aggregate.grouping, parse_grouping());
    return ok();
  };
  const bool modifier_first = !at(TokenType::kLeftParen);
  if (modifier_first) RETURN_IF_ERROR(parse_modifier());
  ASSIGN_OR_RETURN(std::vector<ExprPtr> arguments, parse_arguments());
  const int height = height_;
  if (!modifier_first && (at(TokenType::kBy) || at(TokenType::kWithout))) {
    RETURN_IF_ERROR(parse_modifier());
  }
  if (arguments.empty()) return error_at(start, "no arguments for aggregate expression provided");
  if (is_experimental(aggregate.op) && !options_.experimental_functions) {
    return error_at(start,
                    "{}() is experimental and must be enabled with "
                    "--enable-feature=promql-experimental-functions",
                    aggregate_text(aggregate.op));
  }
  const std::size_t wanted = takes_parameter(aggregate.op) ? 2 : 1;
  if (arguments.size() != wanted) {
    return error_at(
        start, "wrong number of arguments for aggregate expression provided, expected {}, got {}",
        wanted, arguments.size());
  }
  if (wanted == 2) aggregate.parameter = std::move(arguments.front());
  aggregate.inner = std::move(arguments.back());
  return finish(std::move(aggregate), start, height + 1);
}

StatusOr<std::vector<std::string>> Parser::parse_grouping() {
  static constexpr std::string_view kContext = "grouping opts";
  RETURN_IF_ERROR(expect(TokenType::kLeftParen, kContext, "\"(\""));
  std::vector<std::string> labels;
  while (!at(TokenType::kRightParen)) {
    ASSIGN_OR_RETURN(std::string label, parse_grouping_label());
    labels.push_back(std::move(label));
    if (at(TokenType::kRightParen)) break;
    RETURN_IF_ERROR(expect(TokenType::kComma, kContext, "\",\" or \")\""));
  }
  advance();
  return labels;
}

StatusOr<std::string> Parser::parse_grouping_label() {
  const std::uint32_t start = token_.position.start;
  std::string label;
  bool valid = false;
  if (at(TokenType::kString)) {
    ASSIGN_OR_RETURN(label, unquote_string(token_.text));
    valid = model::is_label_name(label);
  } else if (may_be_label(token_.type) ||
             (at(TokenType::kNumber) && model::is_legacy_label_name(token_.text))) {
    label = token_.text;
    valid = model::is_legacy_label_name(label);
  } else {
    return unexpected("grouping opts", "label");
  }
  if (!valid) {
    return error_at(start, "invalid label name for grouping: {}", model::go_quote(label));
  }
  advance();
  return label;
}

StatusOr<Parser::BinaryModifiers> Parser::parse_binary_modifiers() {
  BinaryModifiers modifiers;
  if (at(TokenType::kBool)) {
    modifiers.return_bool = true;
    advance();
  }
  VectorMatching& matching = modifiers.matching;
  if (at(TokenType::kOn) || at(TokenType::kIgnoring)) {
    matching.on = at(TokenType::kOn);
    advance();
    ASSIGN_OR_RETURN(matching.labels, parse_grouping());
    if (at(TokenType::kGroupLeft) || at(TokenType::kGroupRight)) {
      matching.cardinality =
          at(TokenType::kGroupLeft) ? Cardinality::kManyToOne : Cardinality::kOneToMany;
      advance();
      if (at(TokenType::kLeftParen)) {
        ASSIGN_OR_RETURN(matching.include, parse_grouping());
      }
    }
  }
  RETURN_IF_ERROR(parse_fill(&matching));
  return modifiers;
}

Status Parser::parse_fill(VectorMatching* matching) {
  const auto at_fill = [this] {
    return (at(TokenType::kFill) || at(TokenType::kFillLeft) || at(TokenType::kFillRight)) &&
           peek_next().type == TokenType::kLeftParen;
  };
  while (at_fill()) {
    const TokenType type = token_.type;
    const bool left = type != TokenType::kFillRight;
    const bool right = type != TokenType::kFillLeft;
    if ((left && matching->fill_left) || (right && matching->fill_right)) return unexpected("", "");
    advance();
    ASSIGN_OR_RETURN(const double value, parse_fill_value());
    if (left) matching->fill_left = value;
    if (right) matching->fill_right = value;
  }
  return ok();
}

StatusOr<double> Parser::parse_fill_value() {
  RETURN_IF_ERROR(expect(TokenType::kLeftParen, "", ""));
  const bool negate = at(TokenType::kSub);
  if (negate || at(TokenType::kAdd)) advance();
  if (!at(TokenType::kNumber) && !at(TokenType::kDuration)) return unexpected("", "");
  ASSIGN_OR_RETURN(const double value, number_value());
  advance();
  RETURN_IF_ERROR(expect(TokenType::kRightParen, "", ""));
  return negate ? -value : value;
}

}  // namespace tocsin::promql
