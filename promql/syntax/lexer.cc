// SPDX-License-Identifier: Apache-2.0
#include "promql/syntax/lexer.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "promql/syntax/runes.h"

namespace tocsin::promql {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_alphanumeric(char c) { return is_alpha(c) || is_digit(c); }

struct Keyword {
  std::string_view text;
  TokenType type;
  AggregateOp aggregate = AggregateOp::kSum;
};

constexpr auto kKeywords = std::to_array<Keyword>({
    {"and", TokenType::kAnd},
    {"or", TokenType::kOr},
    {"unless", TokenType::kUnless},
    {"atan2", TokenType::kAtan2},
    {"sum", TokenType::kAggregator, AggregateOp::kSum},
    {"avg", TokenType::kAggregator, AggregateOp::kAvg},
    {"count", TokenType::kAggregator, AggregateOp::kCount},
    {"min", TokenType::kAggregator, AggregateOp::kMin},
    {"max", TokenType::kAggregator, AggregateOp::kMax},
    {"group", TokenType::kAggregator, AggregateOp::kGroup},
    {"stddev", TokenType::kAggregator, AggregateOp::kStddev},
    {"stdvar", TokenType::kAggregator, AggregateOp::kStdvar},
    {"topk", TokenType::kAggregator, AggregateOp::kTopk},
    {"bottomk", TokenType::kAggregator, AggregateOp::kBottomk},
    {"count_values", TokenType::kAggregator, AggregateOp::kCountValues},
    {"quantile", TokenType::kAggregator, AggregateOp::kQuantile},
    {"limitk", TokenType::kAggregator, AggregateOp::kLimitk},
    {"limit_ratio", TokenType::kAggregator, AggregateOp::kLimitRatio},
    {"offset", TokenType::kOffset},
    {"anchored", TokenType::kAnchored},
    {"smoothed", TokenType::kSmoothed},
    {"by", TokenType::kBy},
    {"without", TokenType::kWithout},
    {"on", TokenType::kOn},
    {"ignoring", TokenType::kIgnoring},
    {"group_left", TokenType::kGroupLeft},
    {"group_right", TokenType::kGroupRight},
    {"bool", TokenType::kBool},
    {"fill", TokenType::kFill},
    {"fill_left", TokenType::kFillLeft},
    {"fill_right", TokenType::kFillRight},
    {"start", TokenType::kStart},
    {"end", TokenType::kEnd},
    {"step", TokenType::kStep},
    {"range", TokenType::kRange},
    {"min_of", TokenType::kMinOf},
    {"max_of", TokenType::kMaxOf},
    {"inf", TokenType::kNumber},
    {"nan", TokenType::kNumber},
});

// Keywords are known in any case.
const Keyword* find_keyword(std::string_view word) {
  std::string lower(word);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  for (const Keyword& keyword : kKeywords) {
    if (keyword.text == lower) return &keyword;
  }
  return nullptr;
}

bool is_operator(TokenType type) { return type >= TokenType::kAdd && type <= TokenType::kAt; }
bool is_keyword(TokenType type) {
  return type >= TokenType::kBool && type <= TokenType::kFillRight;
}

}  // namespace

Token Lexer::emit(TokenType type) {
  Token token;
  token.type = type;
  token.text = text_.substr(start_, position_ - start_);
  token.position = {static_cast<std::uint32_t>(start_), static_cast<std::uint32_t>(position_)};
  return token;
}

Token Lexer::take(TokenType type, std::size_t length) {
  position_ = start_ + length;
  return emit(type);
}

Token Lexer::fail(std::string reason) {
  error_ = std::move(reason);
  return emit(TokenType::kError);
}

std::string Lexer::quoted_character() const { return quote_rune(text_.substr(start_)); }

void Lexer::skip_space_and_comments() {
  while (!at_end()) {
    if (is_space(peek())) {
      ++position_;
    } else if (peek() == '#') {
      while (!at_end() && peek() != '\n') ++position_;
    } else {
      return;
    }
  }
}

Token Lexer::next() {
  skip_space_and_comments();
  start_ = position_;
  switch (mode_) {
    case Mode::kBraces:
      return next_in_braces();
    case Mode::kBrackets:
      return next_in_brackets();
    case Mode::kStatement:
      break;
  }
  return next_statement();
}

Token Lexer::next_statement() {
  if (at_end()) {
    return parens_ != 0 ? fail("unclosed left parenthesis") : emit(TokenType::kEof);
  }
  const char c = peek();
  const char after = peek(1);
  switch (c) {
    case ',':
      return take(TokenType::kComma, 1);
    case '*':
      return take(TokenType::kMul, 1);
    case '/':
      return take(TokenType::kDiv, 1);
    case '%':
      return take(TokenType::kMod, 1);
    case '+':
      return take(TokenType::kAdd, 1);
    case '-':
      return take(TokenType::kSub, 1);
    case '^':
      return take(TokenType::kPow, 1);
    case '@':
      return take(TokenType::kAt, 1);
    case '=':
      if (after == '~') {
        return fail("unexpected character after '=': " + quote_rune(text_.substr(start_ + 1)));
      }
      return after == '=' ? take(TokenType::kEq, 2) : take(TokenType::kAssign, 1);
    case '!':
      if (after == '=') return take(TokenType::kNe, 2);
      return fail("unexpected character after '!': " + quote_rune(text_.substr(start_ + 1)));
    case '<':
      if (after == '=') return take(TokenType::kLe, 2);
      return after == '/' ? take(TokenType::kTrimUpper, 2) : take(TokenType::kLt, 1);
    case '>':
      if (after == '=') return take(TokenType::kGe, 2);
      return after == '/' ? take(TokenType::kTrimLower, 2) : take(TokenType::kGt, 1);
    case '"':
    case '\'':
      return lex_string(c);
    case '`':
      return lex_raw_string();
    case '(':
      ++parens_;
      return take(TokenType::kLeftParen, 1);
    case ')':
      if (--parens_ < 0) return fail("unexpected right parenthesis ')'");
      return take(TokenType::kRightParen, 1);
    case '{':
      mode_ = Mode::kBraces;
      return take(TokenType::kLeftBrace, 1);
    case '[':
      mode_ = Mode::kBrackets;
      saw_colon_ = saw_duration_ = false;
      return take(TokenType::kLeftBracket, 1);
    case ']':
      return fail("unexpected right bracket ']'");
    default:
      break;
  }
  if (is_digit(c) || (c == '.' && is_digit(after))) return lex_number_or_duration();
  if (is_alpha(c) || c == ':') return lex_word();
  return fail("unexpected character: " + quoted_character());
}

Token Lexer::next_in_braces() {
  if (at_end()) return fail("unexpected end of input inside braces");
  const char c = peek();
  const char after = peek(1);
  if (is_alpha(c)) {
    while (is_alphanumeric(peek())) ++position_;
    return emit(TokenType::kIdentifier);
  }
  switch (c) {
    case ',':
      return take(TokenType::kComma, 1);
    case '"':
    case '\'':
      return lex_string(c);
    case '`':
      return lex_raw_string();
    case '=':
      return after == '~' ? take(TokenType::kRegexMatch, 2) : take(TokenType::kAssign, 1);
    case '!':
      if (after == '~') return take(TokenType::kRegexNoMatch, 2);
      if (after == '=') return take(TokenType::kNe, 2);
      return fail("unexpected character after '!' inside braces: " +
                  quote_rune(text_.substr(start_ + 1)));
    case '{':
      return fail("unexpected left brace '{'");
    case '}':
      mode_ = Mode::kStatement;
      return take(TokenType::kRightBrace, 1);
    default:
      return fail("unexpected character inside braces: " + quoted_character());
  }
}

Token Lexer::lex_colon() {
  if (!saw_duration_) return fail("unexpected colon before duration in duration expression");
  if (saw_colon_) return fail("unexpected repeated colon in duration expression");
  saw_colon_ = true;
  return take(TokenType::kColon, 1);
}

Token Lexer::next_in_brackets() {
  if (at_end()) return fail("unexpected end of input in duration expression");
  const char c = peek();
  switch (c) {
    case ']':
      mode_ = Mode::kStatement;
      return take(TokenType::kRightBracket, 1);
    case ':':
      return lex_colon();
    case '(':
      ++parens_;
      return take(TokenType::kLeftParen, 1);
    case ')':
      if (--parens_ < 0) return fail("unexpected right parenthesis ')'");
      return take(TokenType::kRightParen, 1);
    case ',':
      return take(TokenType::kComma, 1);
    case '+':
      return take(TokenType::kAdd, 1);
    case '-':
      return take(TokenType::kSub, 1);
    case '*':
      return take(TokenType::kMul, 1);
    case '/':
      return take(TokenType::kDiv, 1);
    case '%':
      return take(TokenType::kMod, 1);
    case '^':
      return take(TokenType::kPow, 1);
    default:
      break;
  }
  if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
    saw_duration_ = true;
    return lex_number_or_duration();
  }
  if (is_alpha(c)) {
    const Token word = lex_word();
    if (word.type >= TokenType::kStep && word.type <= TokenType::kMaxOf) {
      saw_duration_ = true;
      return word;
    }
    position_ = start_;
  }
  return fail("unexpected character in duration expression: " + quoted_character());
}

Token Lexer::lex_word() {
  while (is_alphanumeric(peek()) || peek() == ':') ++position_;
  Token token = emit(TokenType::kIdentifier);
  if (const Keyword* keyword = find_keyword(token.text)) {
    token.type = keyword->type;
    token.aggregate = keyword->aggregate;
  } else if (token.text.find(':') != std::string_view::npos) {
    token.type = TokenType::kMetricIdentifier;
  }
  return token;
}

// Digits with single underscores between them; false behind the offender on "__" or a trailing "_".
bool Lexer::scan_digits(bool hexadecimal) {
  const auto is_wanted = [hexadecimal](char c) {
    return is_digit(c) || (hexadecimal && hex_digit(c) >= 0);
  };
  while (is_wanted(peek()) || peek() == '_') {
    const bool underscore = peek() == '_';
    ++position_;
    if (underscore && !is_wanted(peek())) return refuse_next();
  }
  return true;
}

bool Lexer::refuse_next() {
  if (!at_end()) position_ += decode_rune(text_.substr(position_)).length;
  return false;
}

bool Lexer::scan_number() {
  const bool hexadecimal = peek() == '0' && (peek(1) == 'x' || peek(1) == 'X');
  if (hexadecimal) position_ += 2;
  const std::size_t digits = position_;
  if (!scan_digits(hexadecimal)) return false;
  if (hexadecimal) return position_ > digits && peek() != '.' && !is_alphanumeric(peek());
  if (peek() == '.') {
    ++position_;
    if (peek() == '_' || peek() == '.') return refuse_next();
    if (!scan_digits(false)) return false;
    if (peek() == '.') return refuse_next();
  }
  if (peek() == 'e' || peek() == 'E') {
    ++position_;
    if (peek() == '+' || peek() == '-') ++position_;
    if (!is_digit(peek())) return refuse_next();
    if (!scan_digits(false)) return false;
  }
  return !is_alphanumeric(peek());
}

// Behind the first digits: unit (digits unit)*, units s m h d w y and ms. Which of them in which
// order is checked with the value.
bool Lexer::scan_duration() {
  const auto scan_unit = [this] {
    if (at_end() || std::string_view("smhdwy").find(peek()) == std::string_view::npos) return false;
    ++position_;
    if (peek() == 's') ++position_;
    return true;
  };
  if (!scan_unit()) return false;
  while (is_digit(peek())) {
    while (is_digit(peek())) ++position_;
    if (!scan_unit()) return false;
  }
  return is_alphanumeric(peek()) ? refuse_next() : true;
}

Token Lexer::lex_number_or_duration() {
  if (scan_number()) return emit(TokenType::kNumber);
  if (scan_duration()) return emit(TokenType::kDuration);
  return fail("bad number or duration syntax: " +
              quote_short(text_.substr(start_, position_ - start_), text_.size()));
}

// After the backslash. Octal, hexadecimal and Unicode escapes must be complete and name a
// character.
bool Lexer::lex_escape(char quote) {
  const char c = peek();
  int length = 0;
  unsigned base = 16;
  std::uint32_t max = 0;
  if (c == quote ||
      (c != '\0' && std::string_view("abfnrtv\\").find(c) != std::string_view::npos)) {
    ++position_;
    return true;
  }
  if (c >= '0' && c <= '7') {
    length = 3;
    base = 8;
    max = 255;
  } else if (c == 'x' || c == 'u' || c == 'U') {
    length = c == 'x' ? 2 : (c == 'u' ? 4 : 8);
    max = c == 'x' ? 255 : 0x10FFFF;
    ++position_;
  } else {
    error_ = at_end() ? "escape sequence not terminated"
                      : "unknown escape sequence " + unicode_name(text_.substr(position_));
    return false;
  }
  std::uint32_t value = 0;
  for (; length > 0; --length, ++position_) {
    const int digit = hex_digit(peek());
    if (digit < 0 || digit >= static_cast<int>(base)) {
      error_ = at_end() ? "escape sequence not terminated"
                        : "illegal character " + unicode_name(text_.substr(position_)) +
                              " in escape sequence";
      return false;
    }
    value = value * base + static_cast<std::uint32_t>(digit);
  }
  if (value > max || (value >= 0xD800 && value < 0xE000)) {
    error_ = "escape sequence is an invalid Unicode code point " + std::to_string(value);
    return false;
  }
  return true;
}

Token Lexer::lex_string(char quote) {
  ++position_;
  while (true) {
    if (at_end() || peek() == '\n') return fail("unterminated quoted string");
    const char c = peek();
    if (c == quote) return take(TokenType::kString, position_ + 1 - start_);
    if (c == '\\') {
      ++position_;
      if (!lex_escape(quote)) return emit(TokenType::kError);
      continue;
    }
    const Rune rune = decode_rune(text_.substr(position_));
    if (!rune.valid) return fail("invalid UTF-8 rune");
    position_ += rune.length;
  }
}

Token Lexer::lex_raw_string() {
  ++position_;
  while (!at_end()) {
    if (peek() == '`') return take(TokenType::kString, position_ + 1 - start_);
    const Rune rune = decode_rune(text_.substr(position_));
    if (!rune.valid) return fail("invalid UTF-8 rune");
    position_ += rune.length;
  }
  return fail("unterminated raw string");
}

std::string describe(const Token& token) {
  const std::string text(token.text);
  switch (token.type) {
    case TokenType::kEof:
      return "end of input";
    case TokenType::kIdentifier:
      return "identifier " + quote_short(text, text.size());
    case TokenType::kMetricIdentifier:
      return "metric identifier " + quote_short(text, text.size());
    case TokenType::kString:
      return "string " + quote_short(text, 10);
    case TokenType::kNumber:
      return "number " + quote_short(text, 10);
    case TokenType::kDuration:
      return "duration " + quote_short(text, 10);
    case TokenType::kAggregator:
      return "<aggr:" + text + ">";
    default:
      break;
  }
  if (is_operator(token.type)) return "<op:" + text + ">";
  if (is_keyword(token.type)) return "<" + text + ">";
  return quote_short(text, 10);
}

}  // namespace tocsin::promql
