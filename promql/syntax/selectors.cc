// SPDX-License-Identifier: Apache-2.0
//
// Selectors, and the modifiers and brackets that follow an operand.
#include <cmath>
#include <utility>

#include "model/matcher.h"
#include "promql/syntax/parser.h"

namespace tocsin::promql {
namespace {

// A regular expression is a program of its own, of some kilobytes.
constexpr std::size_t kPartsPerRegex = 50;
constexpr std::string_view kLabelMatching = "label matching";
constexpr std::string_view kLabelSet = "label set";

// Where offset and @ of `expr` are kept; null when it cannot have them.
TimeShift* find_shift(Expr* expr) {
  if (auto* selector = expr->as<VectorSelector>()) return &selector->shift;
  if (auto* matrix = expr->as<MatrixSelector>())
    return &matrix->vector->as<VectorSelector>()->shift;
  if (auto* subquery = expr->as<Subquery>()) return &subquery->shift;
  return nullptr;
}

bool has_offset(const TimeShift& shift) {
  return shift.offset.expr != nullptr || shift.offset.value != model::Duration(0);
}

}  // namespace

StatusOr<ExprPtr> Parser::parse_whole_selector() {
  const Token word = token_;
  StatusOr<ExprPtr> selector = unexpected("", "");
  if (at(TokenType::kIdentifier) || at(TokenType::kMetricIdentifier) ||
      (token_.text.size() > 1 && model::is_legacy_metric_name(token_.text))) {
    advance();
    selector = parse_selector(&word);
  } else if (at(TokenType::kLeftBrace)) {
    selector = parse_selector(nullptr);
  }
  if (selector.ok() && !at(TokenType::kEof)) return unexpected("", "");
  return selector;
}

StatusOr<ExprPtr> Parser::parse_selector(const Token* name) {
  const std::uint32_t start = name != nullptr ? name->position.start : token_.position.start;
  VectorSelector selector;
  if (at(TokenType::kLeftBrace)) RETURN_IF_ERROR(parse_matchers(&selector));
  if (name != nullptr) {
    selector.name = name->text;
    selector.matchers.push_back(model::Matcher::equal(model::kMetricName, selector.name));
  }
  return finish(std::move(selector), start, 1);
}

Status Parser::parse_matchers(VectorSelector* selector) {
  advance();
  while (!at(TokenType::kRightBrace)) {
    RETURN_IF_ERROR(parse_matcher(selector));
    if (at(TokenType::kRightBrace)) break;
    RETURN_IF_ERROR(expect(TokenType::kComma, kLabelMatching, "\",\" or \"}\""));
  }
  advance();
  return ok();
}

StatusOr<std::string> Parser::parse_label_name(std::string_view context) {
  if (at(TokenType::kIdentifier)) {
    std::string name(token_.text);
    advance();
    return name;
  }
  if (!at(TokenType::kString)) return unexpected(context, "identifier or \"}\"");
  ASSIGN_OR_RETURN(std::string name, unquote_string(token_.text));
  advance();
  return name;
}

// name = "value", or a quoted metric name alone.
Status Parser::parse_matcher(VectorSelector* selector) {
  const bool quoted = at(TokenType::kString);
  const std::uint32_t start = token_.position.start;
  ASSIGN_OR_RETURN(const std::string name, parse_label_name(kLabelMatching));
  model::Matcher::Type type = model::Matcher::Type::kEqual;
  switch (token_.type) {
    case TokenType::kAssign:
      break;
    case TokenType::kNe:
      type = model::Matcher::Type::kNotEqual;
      break;
    case TokenType::kRegexMatch:
      type = model::Matcher::Type::kRegex;
      break;
    case TokenType::kRegexNoMatch:
      type = model::Matcher::Type::kNotRegex;
      break;
    default:
      if (quoted && (at(TokenType::kComma) || at(TokenType::kRightBrace))) {
        selector->matchers.push_back(model::Matcher::equal(model::kMetricName, name));
        return ok();
      }
      return unexpected(kLabelMatching, "label matching operator");
  }
  advance();
  if (!at(TokenType::kString)) return unexpected(kLabelMatching, "string");
  ASSIGN_OR_RETURN(const std::string value, unquote_string(token_.text));
  advance();
  const bool regex =
      type == model::Matcher::Type::kRegex || type == model::Matcher::Type::kNotRegex;
  RETURN_IF_ERROR(count_parts(regex ? kPartsPerRegex : 1, start));
  StatusOr<model::Matcher> matcher = model::Matcher::make(type, name, value);
  if (!matcher.ok()) return error_at(start, "{}", message(matcher.status()));
  selector->matchers.push_back(*std::move(matcher));
  return ok();
}

StatusOr<ExprPtr> Parser::parse_postfix(ExprPtr expr) {
  int height = height_;
  while (true) {
    switch (token_.type) {
      case TokenType::kOffset:
        RETURN_IF_ERROR(parse_offset(expr.get()));
        break;
      case TokenType::kAt:
        RETURN_IF_ERROR(parse_at(expr.get()));
        break;
      case TokenType::kAnchored:
      case TokenType::kSmoothed:
        RETURN_IF_ERROR(parse_range_mode(expr.get()));
        break;
      case TokenType::kLeftBracket: {
        height_ = height;
        ASSIGN_OR_RETURN(expr, parse_brackets(std::move(expr)));
        height = height_;
        break;
      }
      default:
        height_ = height;
        return expr;
    }
    expr->position.end = last_end_;
  }
}

Status Parser::parse_offset(Expr* expr) {
  const std::uint32_t start = expr->position.start;
  advance();
  ASSIGN_OR_RETURN(const DurationValue offset, parse_offset_duration());
  TimeShift* shift = find_shift(expr);
  if (shift == nullptr) {
    return error_at(
        start,
        "offset modifier must be preceded by an instant vector selector or range vector "
        "selector or a subquery");
  }
  if (has_offset(*shift)) return error_at(start, "offset may not be set multiple times");
  shift->offset = offset;
  return ok();
}

Status Parser::parse_at(Expr* expr) {
  const std::uint32_t start = expr->position.start;
  advance();
  AtKind kind = AtKind::kTimestamp;
  model::Timestamp time;
  if (at(TokenType::kStart) || at(TokenType::kEnd)) {
    kind = at(TokenType::kStart) ? AtKind::kStart : AtKind::kEnd;
    advance();
    RETURN_IF_ERROR(expect(TokenType::kLeftParen, "@", "timestamp"));
    RETURN_IF_ERROR(expect(TokenType::kRightParen, "@", "timestamp"));
  } else {
    ASSIGN_OR_RETURN(time, parse_at_time());
  }
  TimeShift* shift = find_shift(expr);
  if (shift == nullptr) {
    return error_at(start,
                    "@ modifier must be preceded by an instant vector selector or range vector "
                    "selector or a subquery");
  }
  if (shift->at != AtKind::kNone)
    return error_at(start, "@ <timestamp> may not be set multiple times");
  shift->at = kind;
  shift->at_time = time;
  return ok();
}

StatusOr<model::Timestamp> Parser::parse_at_time() {
  const std::uint32_t start = token_.position.start;
  const bool negate = at(TokenType::kSub);
  if (negate || at(TokenType::kAdd)) advance();
  if (!at(TokenType::kNumber) && !at(TokenType::kDuration)) return unexpected("@", "timestamp");
  ASSIGN_OR_RETURN(double seconds, number_value());
  advance();
  if (negate) seconds = -seconds;
  constexpr double kMaxMs = 9.2e18;
  if (!(std::fabs(seconds * 1000) < kMaxMs)) {
    return error_at(start, "timestamp out of bounds for @ modifier: {:f}", seconds);
  }
  return model::from_ms(std::llround(seconds * 1000));
}

Status Parser::parse_range_mode(Expr* expr) {
  const bool anchored = at(TokenType::kAnchored);
  const std::string_view word = anchored ? "anchored" : "smoothed";
  const std::uint32_t start = expr->position.start;
  if (!options_.extended_range_selectors) {
    return error_at(start, "{} modifier is experimental and not enabled", word);
  }
  advance();
  auto* matrix = expr->as<MatrixSelector>();
  auto* selector =
      matrix != nullptr ? matrix->vector->as<VectorSelector>() : expr->as<VectorSelector>();
  if (selector == nullptr) {
    if (expr->as<Subquery>() != nullptr) {
      return error_at(start, "{} modifier is not supported for subqueries", word);
    }
    return error_at(start, "{} modifier must be preceded by a vector selector", word);
  }
  const RangeMode mode = anchored ? RangeMode::kAnchored : RangeMode::kSmoothed;
  if (selector->mode != RangeMode::kPlain && selector->mode != mode) {
    return error_at(start, "anchored and smoothed modifiers cannot be used together");
  }
  selector->mode = mode;
  return ok();
}

// [range] or [range:step], where the step may be left out.
StatusOr<ExprPtr> Parser::parse_brackets(ExprPtr expr) {
  const std::uint32_t bracket = token_.position.start;
  const std::uint32_t start = expr->position.start;
  const int height = height_ + 1;
  advance();
  ASSIGN_OR_RETURN(DurationValue range, parse_positive_duration());
  if (at(TokenType::kColon)) {
    advance();
    Subquery subquery;
    subquery.range = std::move(range);
    if (!at(TokenType::kRightBracket)) {
      ASSIGN_OR_RETURN(subquery.step, parse_positive_duration());
      subquery.has_step = true;
    }
    RETURN_IF_ERROR(expect(TokenType::kRightBracket, "subquery selector", "\"]\""));
    subquery.inner = std::move(expr);
    return finish(std::move(subquery), start, height);
  }
  RETURN_IF_ERROR(expect(TokenType::kRightBracket, "subquery or range", "\":\" or \"]\""));
  const auto* selector = expr->as<VectorSelector>();
  if (selector == nullptr) return error_at(bracket, "ranges only allowed for vector selectors");
  if (has_offset(selector->shift)) {
    return error_at(bracket, "no offset modifiers allowed before range");
  }
  if (selector->shift.at != AtKind::kNone) {
    return error_at(bracket, "no @ modifiers allowed before range");
  }
  return finish(MatrixSelector{std::move(expr), std::move(range)}, start, height);
}

StatusOr<std::pair<std::string, std::string>> Parser::parse_label_pair() {
  const bool quoted = at(TokenType::kString);
  ASSIGN_OR_RETURN(std::string name, parse_label_name(kLabelSet));
  if (quoted && (at(TokenType::kComma) || at(TokenType::kRightBrace))) {
    return std::pair(std::string(model::kMetricName), std::move(name));
  }
  RETURN_IF_ERROR(expect(TokenType::kAssign, kLabelSet, "\"=\""));
  if (!at(TokenType::kString)) return unexpected(kLabelSet, "string");
  ASSIGN_OR_RETURN(std::string value, unquote_string(token_.text));
  advance();
  return std::pair(std::move(name), std::move(value));
}

StatusOr<model::Labels> Parser::parse_whole_metric() {
  std::vector<std::pair<std::string, std::string>> labels;
  std::string name;
  if (!at(TokenType::kLeftBrace)) {
    if (!model::is_legacy_metric_name(token_.text)) return unexpected("metric", "");
    name = token_.text;
    advance();
  }
  if (at(TokenType::kLeftBrace)) {
    advance();
    while (!at(TokenType::kRightBrace)) {
      ASSIGN_OR_RETURN(auto pair, parse_label_pair());
      labels.push_back(std::move(pair));
      if (at(TokenType::kRightBrace)) break;
      RETURN_IF_ERROR(expect(TokenType::kComma, kLabelSet, "\",\" or \"}\""));
    }
    advance();
  }
  if (!at(TokenType::kEof)) return unexpected("", "");
  if (!name.empty()) labels.emplace_back(model::kMetricName, std::move(name));
  return model::Labels::from(std::move(labels));
}

}  // namespace tocsin::promql
