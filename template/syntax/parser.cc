// SPDX-License-Identifier: Apache-2.0
#include "template/syntax/parser.h"

#include <algorithm>
#include <utility>

#include "model/labels.h"
#include "template/syntax/constants.h"
#include "template/syntax/lexer.h"

namespace tocsin::tmpl {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{4} << 20U;
constexpr int kMaxDepth = 200;  // of blocks and parentheses

bool starts_operand(TokenType type) {
  switch (type) {
    case TokenType::kIdentifier:
    case TokenType::kDot:
    case TokenType::kNil:
    case TokenType::kVariable:
    case TokenType::kField:
    case TokenType::kBool:
    case TokenType::kCharacter:
    case TokenType::kNumber:
    case TokenType::kLeftParen:
    case TokenType::kString:
    case TokenType::kRawString:
      return true;
    default:
      return false;
  }
}

NodePtr make_node(NodeType type, std::uint32_t position, std::string text = "") {
  auto node = std::make_unique<Node>();
  node->type = type;
  node->position = position;
  node->text = std::move(text);
  return node;
}

class Parser {
 public:
  Parser(std::string_view name, std::string_view text, const HasFunction& has_function)
      : name_(name),
        text_(std::make_shared<const std::string>(text)),
        tokens_(lex_template(text)),
        has_function_(has_function) {}

  StatusOr<std::vector<Definition>> run();

 private:
  enum class End { kEof, kEnd, kElse, kElseChained };  // chained: else if, else with

  StatusOr<NodePtr> parse_list(End* end);
  StatusOr<NodePtr> parse_action();
  StatusOr<NodePtr> parse_control(NodeType type, std::string_view context);
  Status parse_else(NodeType type, Node* node, End end);
  StatusOr<NodePtr> parse_loop_exit(NodeType type, std::string_view word);
  StatusOr<NodePtr> parse_template_call();
  StatusOr<NodePtr> parse_block();
  Status parse_define();
  Status add_definition(std::string name, NodePtr root);
  StatusOr<std::string> parse_name(std::string_view context);

  StatusOr<NodePtr> parse_pipe(std::string_view context, TokenType end);
  Status parse_declarations(std::string_view context, Node* pipe);
  Status check_pipe(const Node& pipe, std::string_view context) const;
  StatusOr<NodePtr> parse_command();
  StatusOr<NodePtr> parse_operand();
  StatusOr<NodePtr> parse_term();
  StatusOr<NodePtr> parse_constant(const Token& token);

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(next_ + ahead, tokens_.size() - 1)];
  }
  const Token& take() {
    const Token& token = peek();
    line_ = token.line;
    ++next_;
    return token;
  }
  Status expect(TokenType type, std::string_view context);
  template <typename... Args>
  Status error(fmt::format_string<Args...> format, Args&&... args) const {
    return invalid_argument("template: {}:{}: {}", name_, line_,
                            fmt::format(format, std::forward<Args>(args)...));
  }
  Status unexpected(const Token& token, std::string_view context) const;

  std::string name_;
  std::shared_ptr<const std::string> text_;
  std::vector<Token> tokens_;
  const HasFunction& has_function_;
  std::size_t next_ = 0;
  std::uint32_t line_ = 1;         // of the last token
  std::uint32_t action_line_ = 0;  // where the action at hand began
  int depth_ = 0;
  int range_depth_ = 0;
  std::vector<std::string> variables_ = {"$"};
  std::vector<Definition> definitions_;
};

Status Parser::unexpected(const Token& token, std::string_view context) const {
  if (token.type != TokenType::kError)
    return error("unexpected {} in {}", describe(token), context);
  std::string extra;
  if (action_line_ != 0 && action_line_ != token.line) {
    extra = fmt::format(" started at {}:{}", name_, action_line_);
    if (!token.text.ends_with(" action")) extra.insert(0, " in action");
  }
  return error("{}{}", token.text, extra);
}

Status Parser::expect(TokenType type, std::string_view context) {
  const Token& token = take();
  return token.type == type ? ok() : unexpected(token, context);
}

StatusOr<std::vector<Definition>> Parser::run() {
  if (text_->size() > kMaxTextBytes) return error("longer than {} bytes", kMaxTextBytes);
  NodePtr root = make_node(NodeType::kList, 0);
  while (peek().type != TokenType::kEof) {
    if (peek().type == TokenType::kLeftDelim && peek(1).type == TokenType::kDefine) {
      RETURN_IF_ERROR(parse_define());
      continue;
    }
    End end = End::kEof;
    ASSIGN_OR_RETURN(NodePtr part, parse_list(&end));
    if (end == End::kEnd) return error("unexpected {{{{end}}}}");
    if (end != End::kEof) return error("unexpected {{{{else}}}}");
    for (NodePtr& node : part->children) root->children.push_back(std::move(node));
  }
  definitions_.insert(definitions_.begin(), Definition{name_, name_, text_, std::move(root)});
  return std::move(definitions_);
}

// Text and actions up to {{end}}, {{else}}, a definition at top level or the end of the file.
StatusOr<NodePtr> Parser::parse_list(End* end) {
  NodePtr list = make_node(NodeType::kList, peek().position);
  while (true) {
    const Token& token = take();
    action_line_ = 0;
    switch (token.type) {
      case TokenType::kEof:
        --next_;
        *end = End::kEof;
        return list;
      case TokenType::kText:
        list->children.push_back(make_node(NodeType::kText, token.position, token.text));
        continue;
      case TokenType::kLeftDelim:
        break;
      default:
        return unexpected(token, "input");
    }
    action_line_ = token.line;
    switch (peek().type) {
      case TokenType::kEnd:
        take();
        *end = End::kEnd;
        RETURN_IF_ERROR(expect(TokenType::kRightDelim, "end"));
        return list;
      case TokenType::kElse:
        take();
        *end = End::kElse;
        if (peek().type == TokenType::kIf || peek().type == TokenType::kWith) {
          *end = End::kElseChained;
          return list;
        }
        RETURN_IF_ERROR(expect(TokenType::kRightDelim, "else"));
        return list;
      case TokenType::kDefine:
        if (depth_ == 0) {
          --next_;
          *end = End::kEof;
          return list;
        }
        break;
      default:
        break;
    }
    ASSIGN_OR_RETURN(NodePtr action, parse_action());
    list->children.push_back(std::move(action));
  }
}

StatusOr<NodePtr> Parser::parse_action() {
  const std::uint32_t position = peek().position;
  switch (peek().type) {
    case TokenType::kIf:
      take();
      return parse_control(NodeType::kIf, "if");
    case TokenType::kRange:
      take();
      return parse_control(NodeType::kRange, "range");
    case TokenType::kWith:
      take();
      return parse_control(NodeType::kWith, "with");
    case TokenType::kTemplate:
      return parse_template_call();
    case TokenType::kBlock:
      return parse_block();
    case TokenType::kBreak:
      return parse_loop_exit(NodeType::kBreak, "{{break}}");
    case TokenType::kContinue:
      return parse_loop_exit(NodeType::kContinue, "{{continue}}");
    default:
      break;
  }
  NodePtr action = make_node(NodeType::kAction, position);
  ASSIGN_OR_RETURN(action->pipe, parse_pipe("command", TokenType::kRightDelim));
  return action;
}

StatusOr<NodePtr> Parser::parse_control(NodeType type, std::string_view context) {
  if (++depth_ > kMaxDepth) return error("more than {} levels deep", kMaxDepth);
  const std::size_t variables = variables_.size();
  NodePtr node = make_node(type, peek().position);
  ASSIGN_OR_RETURN(node->pipe, parse_pipe(context, TokenType::kRightDelim));
  End end = End::kEof;
  if (type == NodeType::kRange) ++range_depth_;
  ASSIGN_OR_RETURN(node->list, parse_list(&end));
  if (type == NodeType::kRange) --range_depth_;
  RETURN_IF_ERROR(parse_else(type, node.get(), end));
  variables_.resize(variables);
  --depth_;
  return node;
}

Status Parser::parse_else(NodeType type, Node* node, End end) {
  if (end == End::kEnd) return ok();
  if (end == End::kEof) return error("unexpected EOF");
  if (end == End::kElseChained) {
    // "else if" and "else with" hold the one {{end}} of the whole chain.
    const bool matches = (type == NodeType::kIf && peek().type == TokenType::kIf) ||
                         (type == NodeType::kWith && peek().type == TokenType::kWith);
    if (!matches) return unexpected(take(), "else");
    const std::uint32_t position = take().position;
    node->else_list = make_node(NodeType::kList, position);
    ASSIGN_OR_RETURN(NodePtr chained, parse_control(type, type == NodeType::kIf ? "if" : "with"));
    node->else_list->children.push_back(std::move(chained));
    return ok();
  }
  ASSIGN_OR_RETURN(node->else_list, parse_list(&end));
  if (end == End::kEof) return error("unexpected EOF");
  return end == End::kEnd ? ok() : error("expected end; found {{{{else}}}}");
}

StatusOr<NodePtr> Parser::parse_loop_exit(NodeType type, std::string_view word) {
  NodePtr node = make_node(type, take().position);
  RETURN_IF_ERROR(expect(TokenType::kRightDelim, word));
  if (range_depth_ == 0) return error("{} outside {{{{range}}}}", word);
  return node;
}

StatusOr<std::string> Parser::parse_name(std::string_view context) {
  const Token& token = take();
  if (token.type != TokenType::kString && token.type != TokenType::kRawString)
    return unexpected(token, context);
  StatusOr<std::string> name = unquote(token.text);
  if (!name.ok()) return error("{}", message(name.status()));
  return name;
}

StatusOr<NodePtr> Parser::parse_template_call() {
  take();
  NodePtr node = make_node(NodeType::kTemplate, peek().position);
  ASSIGN_OR_RETURN(node->text, parse_name("template clause"));
  if (peek().type == TokenType::kRightDelim) {
    take();
    return node;
  }
  ASSIGN_OR_RETURN(node->pipe, parse_pipe("template clause", TokenType::kRightDelim));
  return node;
}

Status Parser::add_definition(std::string name, NodePtr root) {
  for (Definition& other : definitions_) {
    if (other.name != name) continue;
    if (is_empty(*root)) return ok();
    if (!is_empty(*other.root))
      return error("template: multiple definition of template {}", model::go_quote(name));
    other.root = std::move(root);
    return ok();
  }
  definitions_.push_back(Definition{std::move(name), name_, text_, std::move(root)});
  return ok();
}

// A definition and a call of it.
StatusOr<NodePtr> Parser::parse_block() {
  take();
  NodePtr node = make_node(NodeType::kTemplate, peek().position);
  ASSIGN_OR_RETURN(node->text, parse_name("block clause"));
  ASSIGN_OR_RETURN(node->pipe, parse_pipe("block clause", TokenType::kRightDelim));
  if (++depth_ > kMaxDepth) return error("more than {} levels deep", kMaxDepth);
  std::vector<std::string> outer = std::exchange(variables_, {"$"});
  const int outer_ranges = std::exchange(range_depth_, 0);
  End end = End::kEof;
  ASSIGN_OR_RETURN(NodePtr root, parse_list(&end));
  if (end == End::kEof) return error("unexpected EOF");
  if (end != End::kEnd) return error("unexpected {{{{else}}}} in block clause");
  variables_ = std::move(outer);
  range_depth_ = outer_ranges;
  --depth_;
  RETURN_IF_ERROR(add_definition(node->text, std::move(root)));
  return node;
}

Status Parser::parse_define() {
  action_line_ = take().line;
  take();
  ASSIGN_OR_RETURN(std::string name, parse_name("define clause"));
  RETURN_IF_ERROR(expect(TokenType::kRightDelim, "define clause"));
  variables_ = {"$"};
  ++depth_;
  End end = End::kEof;
  ASSIGN_OR_RETURN(NodePtr root, parse_list(&end));
  --depth_;
  if (end == End::kEof) return error("unexpected EOF");
  if (end != End::kEnd) return error("unexpected {{{{else}}}} in define clause");
  return add_definition(std::move(name), std::move(root));
}

StatusOr<NodePtr> Parser::parse_pipe(std::string_view context, TokenType end) {
  NodePtr pipe = make_node(NodeType::kPipe, peek().position);
  RETURN_IF_ERROR(parse_declarations(context, pipe.get()));
  while (true) {
    const Token& token = peek();
    if (token.type == end) {
      take();
      RETURN_IF_ERROR(check_pipe(*pipe, context));
      return pipe;
    }
    if (!starts_operand(token.type)) return unexpected(take(), context);
    ASSIGN_OR_RETURN(NodePtr command, parse_command());
    pipe->children.push_back(std::move(command));
  }
}

Status Parser::parse_declarations(std::string_view context, Node* pipe) {
  while (peek().type == TokenType::kVariable) {
    const TokenType after = peek(1).type;
    if (after != TokenType::kAssign && after != TokenType::kDeclare && after != TokenType::kComma)
      return ok();
    pipe->names.push_back(take().text);
    take();
    if (after != TokenType::kComma) {
      pipe->assigns = after == TokenType::kAssign;
      for (const std::string& name : pipe->names) {
        const bool known =
            std::find(variables_.begin(), variables_.end(), name) != variables_.end();
        if (pipe->assigns && !known) return error("undefined variable {}", model::go_quote(name));
        if (!pipe->assigns) variables_.push_back(name);
      }
      return ok();
    }
    if (context != "range" || pipe->names.size() >= 2)
      return error("too many declarations in {}", context);
    if (peek().type != TokenType::kVariable) return error("range can only initialize variables");
  }
  return ok();
}

Status Parser::check_pipe(const Node& pipe, std::string_view context) const {
  if (pipe.children.empty()) return error("missing value for {}", context);
  for (std::size_t i = 1; i < pipe.children.size(); ++i) {
    switch (pipe.children[i]->children.front()->type) {
      case NodeType::kConstant:
      case NodeType::kDot:
      case NodeType::kNil:
        return error("non executable command in pipeline stage {}", i + 1);
      default:
        break;
    }
  }
  return ok();
}

StatusOr<NodePtr> Parser::parse_command() {
  NodePtr command = make_node(NodeType::kCommand, peek().position);
  while (true) {
    ASSIGN_OR_RETURN(NodePtr operand, parse_operand());
    command->children.push_back(std::move(operand));
    const Token& token = peek();
    if (token.type == TokenType::kRightDelim || token.type == TokenType::kRightParen)
      return command;
    if (token.type == TokenType::kPipe) {
      take();
      // Something must follow.
      if (!starts_operand(peek().type)) return unexpected(take(), "command");
      return command;
    }
    if (!token.after_space || !starts_operand(token.type)) return unexpected(take(), "operand");
  }
}

// A term and the fields that follow it without a space.
StatusOr<NodePtr> Parser::parse_operand() {
  ASSIGN_OR_RETURN(NodePtr node, parse_term());
  if (peek().type != TokenType::kField || peek().after_space) return node;
  switch (node->type) {
    case NodeType::kField:
    case NodeType::kVariable:
      node->position = peek().position;
      break;
    case NodeType::kConstant:
    case NodeType::kNil:
    case NodeType::kDot:
      return error("unexpected . after term {}", model::go_quote(node_text(*node)));
    default: {
      NodePtr chain = make_node(NodeType::kChain, peek().position);
      chain->children.push_back(std::move(node));
      node = std::move(chain);
      break;
    }
  }
  while (peek().type == TokenType::kField && !peek().after_space)
    node->names.push_back(take().text.substr(1));
  return node;
}

StatusOr<NodePtr> Parser::parse_term() {
  const Token& token = take();
  switch (token.type) {
    case TokenType::kIdentifier:
      if (!has_function_(token.text))
        return error("function {} not defined", model::go_quote(token.text));
      return make_node(NodeType::kIdentifier, token.position, token.text);
    case TokenType::kDot:
      return make_node(NodeType::kDot, token.position, token.text);
    case TokenType::kNil:
      return make_node(NodeType::kNil, token.position, token.text);
    case TokenType::kVariable: {
      if (std::find(variables_.begin(), variables_.end(), token.text) == variables_.end()) {
        return error("undefined variable {}", model::go_quote(token.text));
      }
      NodePtr node = make_node(NodeType::kVariable, token.position);
      node->names.push_back(token.text);
      return node;
    }
    case TokenType::kField: {
      NodePtr node = make_node(NodeType::kField, token.position);
      node->names.push_back(token.text.substr(1));
      return node;
    }
    case TokenType::kLeftParen: {
      if (++depth_ > kMaxDepth) return error("more than {} levels deep", kMaxDepth);
      ASSIGN_OR_RETURN(NodePtr pipe, parse_pipe("parenthesized pipeline", TokenType::kRightParen));
      --depth_;
      return pipe;
    }
    default:
      return parse_constant(token);
  }
}

StatusOr<NodePtr> Parser::parse_constant(const Token& token) {
  NodePtr node = make_node(NodeType::kConstant, token.position, token.text);
  StatusOr<Value> value = constant_value(token);
  if (!value.ok()) return error("{}", message(value.status()));
  node->value = *std::move(value);
  return node;
}

}  // namespace

StatusOr<std::vector<Definition>> parse_template(std::string_view name, std::string_view text,
                                                 const HasFunction& has_function) {
  return Parser(name, text, has_function).run();
}

}  // namespace tocsin::tmpl
