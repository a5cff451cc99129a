// SPDX-License-Identifier: Apache-2.0
#include "template/syntax/lexer.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "model/labels.h"

namespace tocsin::tmpl {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

bool is_space(char c) { return kSpaces.find(c) != std::string_view::npos; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
// Bytes above ASCII are taken as letters.
bool is_word(char c) {
  return c == '_' || is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

TokenType word_type(std::string_view word) {
  static constexpr std::pair<std::string_view, TokenType> kWords[] = {
      {"block", TokenType::kBlock},
      {"break", TokenType::kBreak},
      {"continue", TokenType::kContinue},
      {"define", TokenType::kDefine},
      {"else", TokenType::kElse},
      {"end", TokenType::kEnd},
      {"if", TokenType::kIf},
      {"nil", TokenType::kNil},
      {"range", TokenType::kRange},
      {"with", TokenType::kWith},
      {"template", TokenType::kTemplate},
      {"true", TokenType::kBool},
      {"false", TokenType::kBool}};
  for (const auto& [text, type] : kWords) {
    if (text == word) return type;
  }
  return TokenType::kIdentifier;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    while (lex_text()) {
    }
    return std::move(tokens_);
  }

 private:
  bool lex_text();
  bool lex_comment();
  bool lex_action();
  bool lex_token();
  bool lex_name(TokenType type, std::size_t prefix);
  bool lex_quoted(char quote);
  bool lex_number();
  bool end_action(bool trim);

  bool has(std::string_view prefix) const {
    return text_.substr(position_, prefix.size()) == prefix;
  }
  char peek(std::size_t ahead = 0) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }
  // "-}}" after a space.
  bool at_trimming_end() const {
    return is_space(peek()) && text_.substr(position_ + 1, 3) == "-}}";
  }
  void add(TokenType type, std::size_t start, std::size_t end) {
    line_ += static_cast<std::uint32_t>(
        std::count(text_.begin() + static_cast<std::ptrdiff_t>(counted_),
                   text_.begin() + static_cast<std::ptrdiff_t>(start), '\n'));
    counted_ = start;
    tokens_.push_back({type, static_cast<std::uint32_t>(start), line_,
                       std::string(text_.substr(start, end - start)), after_space_});
    after_space_ = false;
  }
  bool fail(std::string reason, std::size_t start) {
    add(TokenType::kError, start, start);
    tokens_.back().text = std::move(reason);
    return false;
  }
  bool take(TokenType type, std::size_t length) {
    add(type, position_, position_ + length);
    position_ += length;
    return true;
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  std::size_t position_ = 0;
  std::uint32_t line_ = 1;
  std::size_t counted_ = 0;  // newlines are counted up to here
  int parens_ = 0;
  bool trim_next_ = false;
  bool after_space_ = false;
};

bool Lexer::lex_text() {
  std::size_t start = position_;
  if (trim_next_) start = std::min(text_.size(), text_.find_first_not_of(kSpaces, start));
  trim_next_ = false;
  const std::size_t open = text_.find("{{", position_);
  const bool last = open == std::string_view::npos;
  position_ = last ? text_.size() : open;
  std::size_t end = position_;
  const bool trim = !last && text_.substr(open + 2, 1) == "-" && open + 3 < text_.size() &&
                    is_space(text_[open + 3]);
  while (trim && end > start && is_space(text_[end - 1])) --end;
  if (end > start) add(TokenType::kText, start, end);
  if (last) {
    add(TokenType::kEof, position_, position_);
    return false;
  }
  const std::size_t marker = trim ? 2 : 0;
  if (text_.substr(open + 2 + marker, 2) == "/*") {
    position_ = open + 2 + marker;
    return lex_comment();
  }
  take(TokenType::kLeftDelim, 2);
  position_ += marker;
  parens_ = 0;
  return lex_action();
}

bool Lexer::lex_comment() {
  const std::size_t start = position_;
  const std::size_t close = text_.find("*/", position_ + 2);
  if (close == std::string_view::npos) return fail("unclosed comment", start);
  position_ = close + 2;
  if (at_trimming_end()) return end_action(true);
  if (has("}}")) return end_action(false);
  return fail("comment ends before closing delimiter", start);
}

bool Lexer::end_action(bool trim) {
  position_ += trim ? 4 : 2;
  trim_next_ = trim;
  return true;
}

bool Lexer::lex_action() {
  while (true) {
    const bool trim = at_trimming_end();
    if (trim || has("}}")) {
      if (parens_ != 0) return fail("unclosed left paren", position_);
      const std::size_t start = position_ + (trim ? 2 : 0);
      add(TokenType::kRightDelim, start, start + 2);
      return end_action(trim);
    }
    if (position_ >= text_.size()) return fail("unclosed action", position_);
    if (is_space(peek())) {
      after_space_ = true;
      ++position_;
      continue;
    }
    if (!lex_token()) return false;
  }
}

bool Lexer::lex_token() {
  const char c = peek();
  switch (c) {
    case '=':
      return take(TokenType::kAssign, 1);
    case ':':
      if (peek(1) == '=') return take(TokenType::kDeclare, 2);
      return fail("expected :=", position_);
    case '|':
      return take(TokenType::kPipe, 1);
    case ',':
      return take(TokenType::kComma, 1);
    case '(':
      ++parens_;
      return take(TokenType::kLeftParen, 1);
    case ')':
      if (--parens_ < 0) return fail("unexpected right paren", position_);
      return take(TokenType::kRightParen, 1);
    case '"':
    case '\'':
    case '`':
      return lex_quoted(c);
    case '$':
      return lex_name(TokenType::kVariable, 1);
    default:
      break;
  }
  if (c == '.' && !is_digit(peek(1))) {
    return is_word(peek(1)) ? lex_name(TokenType::kField, 1) : take(TokenType::kDot, 1);
  }
  if (is_digit(c) || c == '.' || c == '+' || c == '-') return lex_number();
  if (is_word(c)) return lex_name(TokenType::kIdentifier, 0);
  return fail(fmt::format("unrecognized character in action: U+{:04X} '{}'",
                          static_cast<unsigned>(static_cast<unsigned char>(c)), c),
              position_);
}

bool Lexer::lex_name(TokenType type, std::size_t prefix) {
  std::size_t length = prefix;
  while (is_word(peek(length))) ++length;
  const char after = peek(length);
  const bool ends = after == '\0' || is_space(after) ||
                    std::string_view(".,|:=()").find(after) != std::string_view::npos ||
                    text_.substr(position_ + length, 2) == "}}";
  if (!ends) {
    return fail(fmt::format("bad character U+{:04X} '{}'",
                            static_cast<unsigned>(static_cast<unsigned char>(after)), after),
                position_);
  }
  if (type == TokenType::kIdentifier) type = word_type(text_.substr(position_, length));
  return take(type, length);
}

bool Lexer::lex_quoted(char quote) {
  std::size_t length = 1;
  while (position_ + length < text_.size()) {
    const char c = peek(length++);
    if (c == quote) {
      const TokenType type = quote == '"'
                                 ? TokenType::kString
                                 : (quote == '`' ? TokenType::kRawString : TokenType::kCharacter);
      return take(type, length);
    }
    if (quote == '`') continue;
    if (c == '\n') break;
    if (c == '\\' && peek(length) != '\n') ++length;
  }
  if (quote == '`') return fail("unterminated raw quoted string", position_);
  return fail(quote == '"' ? "unterminated quoted string" : "unterminated character constant",
              position_);
}

// Takes what may be part of a number; the parser reads it.
bool Lexer::lex_number() {
  std::size_t length = peek() == '+' || peek() == '-' ? 1 : 0;
  while (is_word(peek(length)) || peek(length) == '.' ||
         ((peek(length) == '+' || peek(length) == '-') &&
          std::string_view("eEpP").find(peek(length - 1)) != std::string_view::npos)) {
    ++length;
  }
  return take(TokenType::kNumber, length == 0 ? 1 : length);
}

}  // namespace

std::vector<Token> lex_template(std::string_view text) { return Lexer(text).run(); }

std::string describe(const Token& token) {
  if (token.type == TokenType::kEof) return "EOF";
  if (token.type == TokenType::kError) return token.text;
  if (token.type >= TokenType::kBlock) return "<" + token.text + ">";
  constexpr std::size_t kShown = 10;
  if (token.text.size() > kShown) return model::go_quote(token.text.substr(0, kShown)) + "...";
  return model::go_quote(token.text);
}

}  // namespace tocsin::tmpl
