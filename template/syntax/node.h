// SPDX-License-Identifier: Apache-2.0
//
// The syntax tree of templates. Values; immutable once parsed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "template/value.h"

namespace tocsin::tmpl {

struct Node;
using NodePtr = std::unique_ptr<Node>;

enum class NodeType {
  kList,    // children
  kText,    // text
  kAction,  // pipe
  kIf,      // pipe, list, else_list; so are kRange and kWith
  kRange,
  kWith,
  kTemplate,  // text is the name; pipe or null
  kBreak,
  kContinue,
  kPipe,        // names are declared variables; children are commands
  kCommand,     // children are operands
  kField,       // names: .a.b
  kVariable,    // names: $x.a.b, the first with its $
  kChain,       // child 0, then names as fields
  kIdentifier,  // text is the function
  kDot,
  kNil,
  kConstant,  // value; text as written
};

struct Node {
  NodeType type = NodeType::kList;
  std::uint32_t position = 0;
  std::string text;
  std::vector<std::string> names;
  std::vector<NodePtr> children;
  NodePtr pipe, list, else_list;
  bool assigns = false;  // of a pipe: = rather than :=
  Value value;
};

// As Go prints it in errors: canonical spacing, parentheses where the tree has them.
std::string node_text(const Node& node);
// Only spaces and definitions.
bool is_empty(const Node& node);

// One named template.
struct Definition {
  std::string name;
  std::string parse_name;                   // of the file it was in, for errors
  std::shared_ptr<const std::string> text;  // of that file
  NodePtr root;
};

}  // namespace tocsin::tmpl
