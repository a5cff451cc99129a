// SPDX-License-Identifier: Apache-2.0
//
// Lexer: cuts a PromQL text into tokens, one at a time, on demand.
//
// Three modes follow the brackets: statements, inside braces (only label matchers) and inside
// square brackets (duration arithmetic). A copy of a Lexer is a place to come back to, so looking
// ahead is copying. Borrows the text. Confined.
// Errors: a token of type kError whose text is the
// reason.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "promql/ast.h"

namespace tocsin::promql {

enum class TokenType {
  kEof,
  kError,
  kIdentifier,
  kMetricIdentifier,  // holds a colon
  kString,
  kNumber,
  kDuration,
  kLeftParen,
  kRightParen,
  kLeftBrace,
  kRightBrace,
  kLeftBracket,
  kRightBracket,
  kComma,
  kColon,
  kAssign,
  // Operators.
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
  kAtan2,
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kTrimUpper,
  kTrimLower,
  kRegexMatch,
  kRegexNoMatch,
  kAnd,
  kOr,
  kUnless,
  kAt,
  kAggregator,
  // Keywords.
  kBool,
  kBy,
  kWithout,
  kOn,
  kIgnoring,
  kGroupLeft,
  kGroupRight,
  kOffset,
  kAnchored,
  kSmoothed,
  kFill,
  kFillLeft,
  kFillRight,
  // Words that only mean something before a parenthesis.
  kStart,
  kEnd,
  kStep,
  kRange,
  kMinOf,
  kMaxOf,
};

struct Token {
  TokenType type = TokenType::kEof;
  std::string_view text;  // as written
  PositionRange position;
  AggregateOp aggregate = AggregateOp::kSum;  // kAggregator
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Token next();
  // The reason of the last kError token.
  const std::string& error() const { return error_; }

 private:
  enum class Mode { kStatement, kBraces, kBrackets };

  Token next_statement();
  Token next_in_braces();
  Token next_in_brackets();
  Token lex_number_or_duration();
  Token lex_word();
  Token lex_string(char quote);
  Token lex_raw_string();
  Token lex_colon();
  bool lex_escape(char quote);
  bool scan_number();
  bool scan_digits(bool hexadecimal);
  bool scan_duration();
  bool refuse_next();  // takes one more character, for the error; false
  void skip_space_and_comments();

  char peek(std::size_t ahead = 0) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }
  bool at_end() const { return position_ >= text_.size(); }
  Token take(TokenType type, std::size_t length);  // `length` bytes from the start of the token
  Token emit(TokenType type);                      // what was scanned
  Token fail(std::string reason);
  // The character at the start of the token between single quotes.
  std::string quoted_character() const;

  std::string_view text_;
  std::size_t position_ = 0;
  std::size_t start_ = 0;  // of the token being scanned
  Mode mode_ = Mode::kStatement;
  int parens_ = 0;
  bool saw_colon_ = false;  // within these brackets
  bool saw_duration_ = false;
  std::string error_;
};

// How an error message names a token: <op:+>, <by>, identifier "x", end of input.
std::string describe(const Token& token);
// Reads a string token's value; the text has been checked by the lexer.
StatusOr<std::string> unquote_string(std::string_view token_text);
// Reads a number token as Go does: 0x hexadecimal, 0 octal, underscores between digits.
StatusOr<double> parse_number(std::string_view token_text);

}  // namespace tocsin::promql
