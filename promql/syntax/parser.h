// SPDX-License-Identifier: Apache-2.0
//
// Parser: recursive descent over the Lexer's tokens, with precedence climbing for binary operators.
//
// It checks shape only; check_types() follows. The first error ends the parse. Nesting is limited
// by ParserOptions::max_depth, and so is the height of the tree, since every later pass recurses
// over it: chains such as a + b + c are high to the left. Borrows the text. Confined.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "promql/parser.h"
#include "promql/syntax/lexer.h"

namespace tocsin::promql {

class Parser {
 public:
  Parser(std::string_view text, const ParserOptions& options);

  StatusOr<ExprPtr> parse_whole_expr();
  // Only "name{...}".
  StatusOr<ExprPtr> parse_whole_selector();
  StatusOr<model::Labels> parse_whole_metric();

 private:
  using DurationPtr = std::shared_ptr<const DurationExpr>;
  struct BinaryModifiers {
    bool return_bool = false;
    VectorMatching matching;
  };

  // parser.cc: expressions.
  StatusOr<ExprPtr> parse_expr(int min_precedence);
  StatusOr<ExprPtr> parse_unary();
  StatusOr<ExprPtr> parse_primary();
  StatusOr<ExprPtr> parse_literal();
  StatusOr<ExprPtr> parse_paren();
  StatusOr<ExprPtr> parse_word();
  StatusOr<ExprPtr> parse_call(const Token& name);
  StatusOr<ExprPtr> parse_aggregate(const Token& name);
  StatusOr<std::vector<ExprPtr>> parse_arguments();
  StatusOr<BinaryModifiers> parse_binary_modifiers();
  Status parse_fill(VectorMatching* matching);
  StatusOr<double> parse_fill_value();
  StatusOr<std::vector<std::string>> parse_grouping();
  StatusOr<std::string> parse_grouping_label();

  // selectors.cc: matchers and what may follow an operand.
  StatusOr<ExprPtr> parse_selector(const Token* name);
  Status parse_matchers(VectorSelector* selector);
  Status parse_matcher(VectorSelector* selector);
  StatusOr<std::string> parse_label_name(std::string_view context);
  StatusOr<ExprPtr> parse_postfix(ExprPtr expr);
  Status parse_offset(Expr* expr);
  Status parse_at(Expr* expr);
  StatusOr<model::Timestamp> parse_at_time();
  Status parse_range_mode(Expr* expr);
  StatusOr<ExprPtr> parse_brackets(ExprPtr expr);
  StatusOr<std::pair<std::string, std::string>> parse_label_pair();

  // duration_parser.cc: duration arithmetic.
  StatusOr<DurationValue> parse_positive_duration();
  StatusOr<DurationValue> parse_offset_duration();
  StatusOr<DurationValue> finish_duration(DurationPtr expr);
  StatusOr<DurationPtr> parse_duration_expr(int min_precedence);
  StatusOr<DurationPtr> parse_duration_unary(bool whole_operand);
  StatusOr<DurationPtr> parse_duration_primary();
  StatusOr<DurationPtr> parse_duration_literal();
  StatusOr<DurationPtr> parse_duration_call();

  // Tokens.
  void advance();
  bool at(TokenType type) const { return token_.type == type; }
  Token peek_next() const;
  Status expect(TokenType type, std::string_view context, std::string_view expected);
  Status unexpected(std::string_view context, std::string_view expected) const;
  template <typename... Args>
  Status error_at(std::uint32_t offset, fmt::format_string<Args...> format, Args&&... args) const {
    return invalid_argument("{}: parse error: {}", line_column(text_, offset),
                            fmt::format(format, std::forward<Args>(args)...));
  }
  // Reads the number or duration token at hand.
  StatusOr<double> number_value() const;
  Status check_depth() const;
  // Counts parts of the tree at `start`.
  Status count_parts(std::size_t parts, std::uint32_t start);
  StatusOr<ExprPtr> finish(Expr::Node node, std::uint32_t start, int height);

  std::string_view text_;
  const ParserOptions& options_;
  Lexer lexer_;
  Token token_;                        // at hand, not consumed
  std::uint32_t last_end_ = 0;         // of the last consumed token
  int depth_ = 0;                      // of calls
  int height_ = 0;                     // of the expression that the last parse_... returned
  std::size_t parts_ = 0;              // of the tree, made so far
  int duration_nodes_ = 0;             // in the duration at hand
  std::string_view duration_context_;  // what the duration is part of, for errors
};

// Checks types and argument counts, and completes vector matching.
Status check_types(Expr* expr, std::string_view text);

}  // namespace tocsin::promql
