// SPDX-License-Identifier: Apache-2.0
//
// Cuts a template into text and the tokens of its actions; comments and trimmed spaces are left
// out. Pure function.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::tmpl {

enum class TokenType {
  kError,  // text is the reason; the last token
  kEof,
  kText,
  kLeftDelim,
  kRightDelim,
  kLeftParen,
  kRightParen,
  kPipe,
  kAssign,
  kDeclare,
  kComma,
  kField,     // .name
  kVariable,  // $name
  kIdentifier,
  kString,
  kRawString,
  kCharacter,
  kNumber,
  kBool,
  // Keywords.
  kBlock,
  kBreak,
  kContinue,
  kDot,
  kDefine,
  kElse,
  kEnd,
  kIf,
  kNil,
  kRange,
  kTemplate,
  kWith,
};

struct Token {
  TokenType type = TokenType::kEof;
  std::uint32_t position = 0;
  std::uint32_t line = 1;
  std::string text;
  bool after_space = false;
};

std::vector<Token> lex_template(std::string_view text);

// How a message names it: "x", <if>, EOF.
std::string describe(const Token& token);

}  // namespace tocsin::tmpl
