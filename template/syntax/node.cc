// SPDX-License-Identifier: Apache-2.0
#include "template/syntax/node.h"

#include <algorithm>

#include "model/labels.h"

namespace tocsin::tmpl {
namespace {

std::string join(const std::vector<NodePtr>& nodes, std::string_view separator) {
  std::string out;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (i > 0) out += separator;
    const bool nested = nodes[i]->type == NodeType::kPipe;
    out += nested ? "(" + node_text(*nodes[i]) + ")" : node_text(*nodes[i]);
  }
  return out;
}

std::string dotted(const std::vector<std::string>& names, std::string first) {
  for (const std::string& name : names) first += "." + name;
  return first;
}

std::string pipe_text(const Node& pipe) {
  std::string out;
  for (const std::string& name : pipe.names) out += (out.empty() ? "" : ", ") + name;
  if (!out.empty()) out += pipe.assigns ? " = " : " := ";
  return out + join(pipe.children, " | ");
}

std::string branch_text(std::string_view word, const Node& node) {
  std::string out =
      fmt::format("{{{{{} {}}}}}{}", word, node_text(*node.pipe), node_text(*node.list));
  if (node.else_list != nullptr) out += "{{else}}" + node_text(*node.else_list);
  return out + "{{end}}";
}

}  // namespace

std::string node_text(const Node& node) {
  switch (node.type) {
    case NodeType::kList:
      return join(node.children, "");
    case NodeType::kText:
      return node.text;
    case NodeType::kAction:
      return "{{" + node_text(*node.pipe) + "}}";
    case NodeType::kIf:
      return branch_text("if", node);
    case NodeType::kRange:
      return branch_text("range", node);
    case NodeType::kWith:
      return branch_text("with", node);
    case NodeType::kTemplate:
      return "{{template " + model::go_quote(node.text) +
             (node.pipe ? " " + node_text(*node.pipe) : "") + "}}";
    case NodeType::kBreak:
      return "{{break}}";
    case NodeType::kContinue:
      return "{{continue}}";
    case NodeType::kPipe:
      return pipe_text(node);
    case NodeType::kCommand:
      return join(node.children, " ");
    case NodeType::kField:
      return dotted(node.names, "");
    case NodeType::kVariable:
      return dotted({node.names.begin() + 1, node.names.end()}, node.names.front());
    case NodeType::kChain:
      return dotted(node.names, join(node.children, ""));
    case NodeType::kIdentifier:
    case NodeType::kConstant:
      return node.text;
    case NodeType::kDot:
      return ".";
    case NodeType::kNil:
      return "nil";
  }
  return "";
}

bool is_empty(const Node& node) {
  if (node.type == NodeType::kText)
    return node.text.find_first_not_of(" \t\r\n") == std::string::npos;
  return node.type == NodeType::kList && std::all_of(node.children.begin(), node.children.end(),
                                                     [](const NodePtr& n) { return is_empty(*n); });
}

}  // namespace tocsin::tmpl
