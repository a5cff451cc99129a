// SPDX-License-Identifier: Apache-2.0
//
// Evaluator: walks one execution of a template.
//
// Borrows everything it is given. Confined; one execution each.
// Errors: see template.h.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "template/exec/sink.h"
#include "template/syntax/node.h"
#include "template/template.h"

namespace tocsin::tmpl {

using Definitions = std::map<std::string, std::shared_ptr<const Definition>, std::less<>>;

// First match in: the execution's, the set's, the built-in functions. Null when none has it.
const FunctionSpec* find_function(std::string_view name, const FunctionMap* first,
                                  const FunctionMap* second);

class Evaluator {
 public:
  Evaluator(const Definitions& definitions, const FunctionMap* functions, const Options& options,
            Sink* sink)
      : definitions_(definitions), functions_(functions), options_(options), sink_(sink) {}

  Status run(const Definition& definition, const Value& data);

 private:
  enum class Flow { kNext, kBreak, kContinue };
  using Nodes = std::span<const NodePtr>;
  using Final = const Value*;  // the value piped in; null without

  // Statements.
  StatusOr<Flow> walk(const Value& dot, const Node& node);
  StatusOr<Flow> walk_list(const Value& dot, const Node& list);
  StatusOr<Flow> walk_if_or_with(const Value& dot, const Node& node);
  StatusOr<Flow> walk_range(const Value& dot, const Node& node);
  StatusOr<Flow> walk_iteration(const Node& node, const Value& key, const Value& item);
  StatusOr<Flow> walk_integers(const Node& node, std::int64_t count);
  Status walk_action(const Value& dot, const Node& node);
  Status walk_template(const Value& dot, const Node& node);

  // Expressions.
  StatusOr<Value> eval_pipe(const Value& dot, const Node& pipe);
  StatusOr<Value> eval_command(const Value& dot, const Node& command, Final final);
  StatusOr<Value> eval_operand(const Value& dot, const Node& node);
  StatusOr<Value> eval_fields(const Value& dot, Value receiver, std::span<const std::string> names,
                              Nodes arguments, Final final);
  StatusOr<Value> eval_field(const Value& dot, const std::string& name, const Value& receiver,
                             Nodes arguments, Final final);
  StatusOr<Value> eval_map_entry(const std::string& name, const Value& map) const;
  // `whole` is the command that `name` begins, or `name` itself where it is an operand.
  StatusOr<Value> eval_function(const Value& dot, const Node& name, const Node& whole, Final final);
  StatusOr<Value> eval_and_or(const Value& dot, bool is_or, Nodes arguments, Final final);
  StatusOr<std::vector<Value>> eval_arguments(const Value& dot, Nodes arguments, Final final);
  Status check_arguments(std::string_view name, const FunctionSpec& spec, Nodes nodes,
                         std::span<const Value> values);
  StatusOr<Value> checked_result(std::string_view name, StatusOr<Value> result) const;
  Status not_a_function(Nodes arguments, Final final) const;

  // Variables.
  Value* find_variable(std::string_view name);

  Status enter();
  template <typename... Args>
  Status error(fmt::format_string<Args...> format, Args&&... args) const {
    return located(invalid_argument("{}", fmt::format(format, std::forward<Args>(args)...)));
  }
  // Puts where this happened before the message.
  Status located(const Status& status) const;

  const Definitions& definitions_;
  const FunctionMap* functions_;
  const Options& options_;
  Sink* sink_;
  const Definition* definition_ = nullptr;  // being executed
  const Node* node_ = nullptr;              // at hand, for errors
  std::vector<std::pair<std::string, Value>> variables_;
  std::size_t frame_ = 0;  // the first variable of this template
  int depth_ = 0;          // of walk and eval_pipe
  int templates_ = 0;
  int iterations_ = 0;
};

}  // namespace tocsin::tmpl
