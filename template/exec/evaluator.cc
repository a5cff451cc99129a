// SPDX-License-Identifier: Apache-2.0
#include "template/exec/evaluator.h"

#include <algorithm>

#include "model/labels.h"
#include "template/exec/builtins.h"

namespace tocsin::tmpl {
namespace {

using Kind = Value::Kind;

// Nested statements and pipelines over all templates at work; keeps the stack small.
constexpr int kMaxDepth = 800;

class Restore {
 public:
  explicit Restore(int* value) : value_(value), old_(*value) {}
  ~Restore() { *value_ = old_; }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  int* value_;
  int old_;
};

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float64";
    case Kind::kString:
      return "string";
    case Kind::kList:
      return "[]interface {}";
    case Kind::kMap:
      return "map[string]interface {}";
    case Kind::kTime:
      return "time.Time";
    case Kind::kDuration:
      return "time.Duration";
    default:
      return "interface {}";
  }
}

bool accepts(Kind wanted, const Value& value) {
  if (wanted == Kind::kNil || value.is(wanted)) return true;
  return wanted == Kind::kFloat && value.is(Kind::kInt);
}

// Does the pipeline escape its value itself?
Escaped escaped_by(const Node& pipe) {
  const Node& first = *pipe.children.back()->children.front();
  if (first.type != NodeType::kIdentifier) return Escaped::kNo;
  if (first.text == "html") return Escaped::kHtml;
  return first.text == "urlquery" ? Escaped::kUrlQuery : Escaped::kNo;
}

}  // namespace

const FunctionSpec* find_function(std::string_view name, const FunctionMap* first,
                                  const FunctionMap* second) {
  for (const FunctionMap* functions : {first, second, &builtin_functions()}) {
    if (functions == nullptr) continue;
    const auto found = functions->find(name);
    if (found != functions->end()) return &found->second;
  }
  return nullptr;
}

Status Evaluator::located(const Status& status) const {
  const std::string_view text = std::string_view(*definition_->text).substr(0, node_->position);
  const auto line = 1 + std::count(text.begin(), text.end(), '\n');
  const std::size_t last_break = text.rfind('\n');
  const std::size_t column =
      last_break == std::string_view::npos ? text.size() : text.size() - last_break - 1;
  return make_status(
      status.code(),
      fmt::format("template: {}:{}:{}: executing {} at <{}>: {}", definition_->parse_name, line,
                  column, model::go_quote(definition_->name), node_text(*node_), message(status)));
}

Status Evaluator::enter() {
  if (++depth_ <= kMaxDepth) return ok();
  return located(resource_exhausted("exceeded maximum template depth ({})", kMaxDepth));
}

Status Evaluator::run(const Definition& definition, const Value& data) {
  definition_ = &definition;
  node_ = definition.root.get();
  variables_.assign({{"$", data}});
  RETURN_IF_ERROR(walk_list(data, *definition.root).status());
  const Status finished = sink_->finish();
  return finished.ok() ? finished : located(finished);
}

StatusOr<Evaluator::Flow> Evaluator::walk(const Value& dot, const Node& node) {
  const Restore depth(&depth_);
  node_ = &node;
  RETURN_IF_ERROR(enter());
  switch (node.type) {
    case NodeType::kText: {
      const Status written = sink_->text(node.text);
      if (!written.ok()) return located(written);
      break;
    }
    case NodeType::kAction:
      RETURN_IF_ERROR(walk_action(dot, node));
      break;
    case NodeType::kIf:
    case NodeType::kWith:
      return walk_if_or_with(dot, node);
    case NodeType::kRange:
      return walk_range(dot, node);
    case NodeType::kTemplate:
      RETURN_IF_ERROR(walk_template(dot, node));
      break;
    case NodeType::kBreak:
      return Flow::kBreak;
    case NodeType::kContinue:
      return Flow::kContinue;
    default:
      return walk_list(dot, node);
  }
  if (sink_->size() <= options_.limits.output_bytes) return Flow::kNext;
  node_ = &node;
  return located(
      resource_exhausted("output is longer than {} bytes", options_.limits.output_bytes));
}

StatusOr<Evaluator::Flow> Evaluator::walk_list(const Value& dot, const Node& list) {
  for (const NodePtr& node : list.children) {
    ASSIGN_OR_RETURN(const Flow flow, walk(dot, *node));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Status Evaluator::walk_action(const Value& dot, const Node& node) {
  ASSIGN_OR_RETURN(const Value value, eval_pipe(dot, *node.pipe));
  if (!node.pipe->names.empty()) return ok();
  node_ = &node;
  const Status written = sink_->value(value, escaped_by(*node.pipe));
  return written.ok() ? written : located(written);
}

StatusOr<Evaluator::Flow> Evaluator::walk_if_or_with(const Value& dot, const Node& node) {
  const std::size_t mark = variables_.size();
  ASSIGN_OR_RETURN(const Value value, eval_pipe(dot, *node.pipe));
  StatusOr<Flow> flow = Flow::kNext;
  if (value.is_true()) {
    flow = walk_list(node.type == NodeType::kWith ? value : dot, *node.list);
  } else if (node.else_list != nullptr) {
    flow = walk_list(dot, *node.else_list);
  }
  variables_.resize(mark);
  return flow;
}

// Runs the body with the declared variables set: one is the item, two are key and item.
StatusOr<Evaluator::Flow> Evaluator::walk_iteration(const Node& node, const Value& key,
                                                    const Value& item) {
  if (++iterations_ > options_.limits.iterations) {
    node_ = &node;
    return located(resource_exhausted("more than {} iterations", options_.limits.iterations));
  }
  const std::vector<std::string>& names = node.pipe->names;
  const std::size_t mark = variables_.size();
  if (!names.empty()) *find_variable(names.back()) = item;
  if (names.size() == 2) *find_variable(names.front()) = key;
  StatusOr<Flow> flow = walk_list(item, *node.list);
  variables_.resize(mark);
  return flow;
}

StatusOr<Evaluator::Flow> Evaluator::walk_integers(const Node& node, std::int64_t count) {
  if (node.pipe->names.size() > 1) {
    return error("can't use {} to iterate over more than one variable", count);
  }
  for (std::int64_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(const Flow flow, walk_iteration(node, Value::of(i), Value::of(i)));
    if (flow == Flow::kBreak) break;
  }
  return Flow::kNext;
}

StatusOr<Evaluator::Flow> Evaluator::walk_range(const Value& dot, const Node& node) {
  const std::size_t mark = variables_.size();
  ASSIGN_OR_RETURN(const Value value, eval_pipe(dot, *node.pipe));
  node_ = &node;
  StatusOr<Flow> flow = Flow::kNext;
  bool any = false;
  switch (value.kind()) {
    case Kind::kList:
      for (const Value& item : value.list()) {
        flow = walk_iteration(node, Value::of(&item - value.list().data()), item);
        any = true;
        if (!flow.ok() || *flow == Flow::kBreak) break;
      }
      break;
    case Kind::kMap:
      for (const auto& [key, item] : value.map()) {
        flow = walk_iteration(node, Value::of(key), item);
        any = true;
        if (!flow.ok() || *flow == Flow::kBreak) break;
      }
      break;
    case Kind::kInt:
      any = value.integer() > 0;
      flow = walk_integers(node, value.integer());
      break;
    case Kind::kNil:
      break;
    default:
      return error("range can't iterate over {}", value.to_text());
  }
  if (flow.ok()) flow = Flow::kNext;
  if (!any && node.else_list != nullptr) flow = walk_list(dot, *node.else_list);
  variables_.resize(mark);
  return flow;
}

Status Evaluator::walk_template(const Value& dot, const Node& node) {
  const auto found = definitions_.find(node.text);
  if (found == definitions_.end())
    return error("template {} not defined", model::go_quote(node.text));
  const Restore templates(&templates_);
  if (++templates_ > options_.limits.template_depth) {
    return located(
        resource_exhausted("exceeded maximum template depth ({})", options_.limits.template_depth));
  }
  Value data;
  if (node.pipe != nullptr) {
    ASSIGN_OR_RETURN(data, eval_pipe(dot, *node.pipe));
  }
  const std::size_t mark = variables_.size();
  const std::size_t outer_frame = std::exchange(frame_, mark);
  const Definition* outer = std::exchange(definition_, found->second.get());
  variables_.emplace_back("$", data);
  RETURN_IF_ERROR(walk_list(data, *definition_->root).status());
  variables_.resize(mark);
  frame_ = outer_frame;
  definition_ = outer;
  return ok();
}

Value* Evaluator::find_variable(std::string_view name) {
  for (std::size_t i = variables_.size(); i > frame_; --i) {
    if (variables_[i - 1].first == name) return &variables_[i - 1].second;
  }
  return nullptr;
}

StatusOr<Value> Evaluator::eval_pipe(const Value& dot, const Node& pipe) {
  const Restore depth(&depth_);
  node_ = &pipe;
  RETURN_IF_ERROR(enter());
  Value value;
  Final final = nullptr;
  for (const NodePtr& command : pipe.children) {
    ASSIGN_OR_RETURN(Value result, eval_command(dot, *command, final));
    value = std::move(result);
    final = &value;
  }
  for (const std::string& name : pipe.names) {
    if (!pipe.assigns) {
      variables_.emplace_back(name, value);
    } else if (Value* variable = find_variable(name)) {
      *variable = value;
    } else {
      return error("undefined variable: {}", name);
    }
  }
  return value;
}

StatusOr<Value> Evaluator::eval_command(const Value& dot, const Node& command, Final final) {
  const Node& first = *command.children.front();
  const Nodes arguments = Nodes(command.children).subspan(1);
  node_ = &first;
  switch (first.type) {
    case NodeType::kField:
      return eval_fields(dot, dot, first.names, arguments, final);
    case NodeType::kChain: {
      ASSIGN_OR_RETURN(Value receiver, eval_operand(dot, *first.children.front()));
      node_ = &first;
      return eval_fields(dot, std::move(receiver), first.names, arguments, final);
    }
    case NodeType::kIdentifier:
      return eval_function(dot, first, command, final);
    case NodeType::kVariable: {
      const Value* variable = find_variable(first.names.front());
      if (variable == nullptr) return error("undefined variable: {}", first.names.front());
      if (first.names.size() > 1) {
        return eval_fields(dot, *variable, std::span(first.names).subspan(1), arguments, final);
      }
      const Value value = *variable;
      RETURN_IF_ERROR(not_a_function(arguments, final));
      return value;
    }
    case NodeType::kNil:
      RETURN_IF_ERROR(not_a_function(arguments, final));
      return error("nil is not a command");
    default:
      RETURN_IF_ERROR(not_a_function(arguments, final));
      return eval_operand(dot, first);
  }
}

Status Evaluator::not_a_function(Nodes arguments, Final final) const {
  if (arguments.empty() && final == nullptr) return ok();
  return error("can't give argument to non-function {}", node_text(*node_));
}

StatusOr<Value> Evaluator::eval_operand(const Value& dot, const Node& node) {
  node_ = &node;
  switch (node.type) {
    case NodeType::kDot:
      return dot;
    case NodeType::kNil:
      return Value();
    case NodeType::kConstant:
      return node.value;
    case NodeType::kPipe:
      return eval_pipe(dot, node);
    case NodeType::kField:
      return eval_fields(dot, dot, node.names, {}, nullptr);
    case NodeType::kIdentifier:
      return eval_function(dot, node, node, nullptr);
    case NodeType::kVariable: {
      const Value* variable = find_variable(node.names.front());
      if (variable == nullptr) return error("undefined variable: {}", node.names.front());
      return eval_fields(dot, *variable, std::span(node.names).subspan(1), {}, nullptr);
    }
    case NodeType::kChain: {
      ASSIGN_OR_RETURN(Value receiver, eval_operand(dot, *node.children.front()));
      node_ = &node;
      return eval_fields(dot, std::move(receiver), node.names, {}, nullptr);
    }
    default:
      return error("can't handle {}", node_text(node));
  }
}

// Follows `names`; the last one may be a method that takes the arguments.
StatusOr<Value> Evaluator::eval_fields(const Value& dot, Value receiver,
                                       std::span<const std::string> names, Nodes arguments,
                                       Final final) {
  const Node* node = node_;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool last = i + 1 == names.size();
    node_ = node;
    ASSIGN_OR_RETURN(Value field, eval_field(dot, names[i], receiver, last ? arguments : Nodes(),
                                             last ? final : nullptr));
    receiver = std::move(field);
  }
  return receiver;
}

StatusOr<Value> Evaluator::eval_map_entry(const std::string& name, const Value& map) const {
  const auto found = map.map().find(name);
  if (found != map.map().end()) return found->second;
  switch (options_.missing_key) {
    case MissingKey::kInvalid:
      return Value();
    case MissingKey::kZero:
      return map.type() != nullptr && map.type()->string_elements ? Value::of("") : Value();
    case MissingKey::kError:
      break;
  }
  return error("map has no entry for key {}", model::go_quote(name));
}

StatusOr<Value> Evaluator::eval_field(const Value& dot, const std::string& name,
                                      const Value& receiver, Nodes arguments, Final final) {
  if (receiver.is_nil()) {
    if (options_.missing_key == MissingKey::kError) {
      return error("nil data; no entry for key {}", model::go_quote(name));
    }
    return Value();
  }
  if (const Method* method = receiver.find_method(name)) {
    const Node* node = node_;
    ASSIGN_OR_RETURN(const std::vector<Value> values, eval_arguments(dot, arguments, final));
    node_ = node;
    return checked_result(name, (*method)(receiver, values));
  }
  const bool has_arguments = !arguments.empty() || final != nullptr;
  if (receiver.is(Kind::kMap)) {
    if (has_arguments) return error("{} is not a method but has arguments", name);
    return eval_map_entry(name, receiver);
  }
  if (receiver.is(Kind::kStruct)) {
    if (const Value* field = receiver.find_field(name)) {
      if (has_arguments) return error("{} has arguments but cannot be invoked as function", name);
      return *field;
    }
  }
  return error("can't evaluate field {} in type {}", name, receiver.type_name());
}

StatusOr<std::vector<Value>> Evaluator::eval_arguments(const Value& dot, Nodes arguments,
                                                       Final final) {
  std::vector<Value> values;
  for (const NodePtr& argument : arguments) {
    ASSIGN_OR_RETURN(Value value, eval_operand(dot, *argument));
    values.push_back(std::move(value));
  }
  if (final != nullptr) values.push_back(*final);
  return values;
}

Status Evaluator::check_arguments(std::string_view name, const FunctionSpec& spec, Nodes nodes,
                                  std::span<const Value> values) {
  const auto count = static_cast<int>(values.size());
  if (count < spec.min_arguments || (spec.max_arguments >= 0 && count > spec.max_arguments)) {
    const bool fixed = spec.min_arguments == spec.max_arguments;
    const bool too_few = count < spec.min_arguments;
    return error("wrong number of args for {}: want {}{} got {}", name,
                 fixed ? "" : (too_few ? "at least " : "at most "),
                 too_few || fixed ? spec.min_arguments : spec.max_arguments, count);
  }
  for (std::size_t i = 0; i < std::min(values.size(), spec.kinds.size()); ++i) {
    if (accepts(spec.kinds[i], values[i])) continue;
    if (i < nodes.size()) node_ = nodes[i].get();
    if (values[i].is_nil()) return error("invalid value; expected {}", kind_name(spec.kinds[i]));
    return error("wrong type for value; expected {}; got {}", kind_name(spec.kinds[i]),
                 values[i].type_name());
  }
  return ok();
}

StatusOr<Value> Evaluator::checked_result(std::string_view name, StatusOr<Value> result) const {
  if (!result.ok()) {
    return located(make_status(result.status().code(), fmt::format("error calling {}: {}", name,
                                                                   message(result.status()))));
  }
  if (result->depth() > kMaxValueDepth) {
    return located(resource_exhausted("error calling {}: value is nested more than {} levels deep",
                                      name, kMaxValueDepth));
  }
  if (result->is(Kind::kString) && result->string().size() > options_.limits.output_bytes) {
    return located(resource_exhausted("error calling {}: text is longer than {} bytes", name,
                                      options_.limits.output_bytes));
  }
  return result;
}

StatusOr<Value> Evaluator::eval_and_or(const Value& dot, bool is_or, Nodes arguments, Final final) {
  Value value;
  for (const NodePtr& argument : arguments) {
    ASSIGN_OR_RETURN(value, eval_operand(dot, *argument));
    if (value.is_true() == is_or) return value;
  }
  return final != nullptr ? *final : value;
}

StatusOr<Value> Evaluator::eval_function(const Value& dot, const Node& name, const Node& whole,
                                         Final final) {
  const Nodes arguments =
      whole.type == NodeType::kCommand ? Nodes(whole.children).subspan(1) : Nodes();
  node_ = &name;
  const FunctionSpec* spec = find_function(name.text, options_.functions, functions_);
  if (spec == nullptr) return error("{} is not a defined function", model::go_quote(name.text));
  if (!spec->call) {
    if (arguments.empty() && final == nullptr) {
      return error("wrong number of args for {}: want at least 1 got 0", name.text);
    }
    return eval_and_or(dot, name.text == "or", arguments, final);
  }
  ASSIGN_OR_RETURN(const std::vector<Value> values, eval_arguments(dot, arguments, final));
  node_ = &name;
  RETURN_IF_ERROR(check_arguments(name.text, *spec, arguments, values));
  node_ = &whole;
  return checked_result(name.text, spec->call(values));
}

}  // namespace tocsin::tmpl
