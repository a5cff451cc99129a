// SPDX-License-Identifier: Apache-2.0
#include "promql/run/explain.h"

#include <string>
#include <vector>

#include "promql/parser.h"

namespace tocsin::promql::run {

namespace {

std::string source_text(const model::Matchers& matchers) {
  std::string text;
  for (const model::Matcher& matcher : matchers) {
    text += fmt::format("{}{}{}{}", text.empty() ? "{" : ",", matcher.name(),
                        model::operator_text(matcher.type()), model::go_quote(matcher.value()));
  }
  return text.empty() ? "{}" : text + "}";
}

std::string operator_of(const plan::PlanNode& node) {
  if (node.as<plan::Number>() != nullptr) return "number";
  if (node.as<plan::Text>() != nullptr) return "string";
  if (node.as<plan::Select>() != nullptr) return "select";
  if (const auto* window = node.as<plan::Window>()) {
    return window->inner == nullptr ? "select range" : "subquery";
  }
  if (node.as<plan::Negate>() != nullptr) return "negate";
  if (node.as<plan::InfoNode>() != nullptr) return "info";
  if (const auto* binary = node.as<plan::BinaryNode>()) {
    return fmt::format("binary {}", op_text(binary->syntax->op));
  }
  if (const auto* aggregate = node.as<plan::AggregateNode>()) {
    return fmt::format("aggregate {}", aggregate_text(aggregate->syntax->op));
  }
  const auto* call = node.as<plan::CallNode>();
  return fmt::format("call {}", call == nullptr ? "" : call->function->name);
}

std::vector<const plan::PlanNode*> children_of(const plan::PlanNode& node) {
  std::vector<const plan::PlanNode*> children;
  const auto add = [&](const plan::PlanPtr& child) {
    if (child != nullptr) children.push_back(child.get());
  };
  if (const auto* window = node.as<plan::Window>()) add(window->inner);
  if (const auto* negate = node.as<plan::Negate>()) add(negate->inner);
  if (const auto* info = node.as<plan::InfoNode>()) add(info->inner);
  if (const auto* binary = node.as<plan::BinaryNode>()) {
    add(binary->left);
    add(binary->right);
  }
  if (const auto* aggregate = node.as<plan::AggregateNode>()) {
    add(aggregate->parameter);
    add(aggregate->inner);
  }
  if (const auto* call = node.as<plan::CallNode>()) {
    for (const plan::PlanPtr& argument : call->arguments) add(argument);
  }
  return children;
}

class PlanWriter {
 public:
  PlanWriter(const plan::Plan& plan, const eval::Evaluation* run, const eval::Profile* profile,
             base::JsonWriter* json)
      : plan_(plan), run_(run), profile_(profile), json_(*json) {}

  void all() {
    json_.begin_object().key("plan");
    write(*plan_.root, false);
    json_.key("sources").begin_array();
    for (std::size_t i = 0; i < plan_.sources.size(); ++i) write_source(i);
    json_.end_array().end_object();
  }

 private:
  // `hoisted`: something above is evaluated once for all steps.
  void write(const plan::PlanNode& node, bool hoisted) {
    json_.begin_object().field("operator", operator_of(node));
    json_.field("type", value_type_text(node.type()));
    json_.key("position").begin_array();
    json_.integer(node.position().start).integer(node.position().end).end_array();
    json_.field("stepInvariant", node.step_invariant);
    if (node.step_invariant && !hoisted) json_.field("hoisted", true);
    write_leaf(node);
    if (profile_ != nullptr) write_profile(profile_->find(node));
    const std::vector<const plan::PlanNode*> children = children_of(node);
    if (!children.empty()) {
      json_.key("children").begin_array();
      for (const plan::PlanNode* child : children) write(*child, hoisted || node.step_invariant);
      json_.end_array();
    }
    json_.end_object();
  }

  void write_leaf(const plan::PlanNode& node) {
    if (const auto* number = node.as<plan::Number>()) json_.key("value").number(number->value);
    if (const auto* select = node.as<plan::Select>()) write_use(select->source, select->shift);
    const auto* window = node.as<plan::Window>();
    if (window == nullptr) return;
    json_.key("rangeSeconds").number(static_cast<double>(window->range_ms) / 1000);
    if (window->inner == nullptr) return write_use(window->source, window->shift);
    json_.key("stepSeconds").number(static_cast<double>(window->inner_step_ms) / 1000);
    write_shift(window->shift);
  }

  void write_use(std::size_t source, const plan::Shift& shift) {
    json_.key("source").integer(static_cast<std::int64_t>(source));
    json_.field("shared", plan_.sources[source].uses > 1);
    write_shift(shift);
  }

  void write_shift(const plan::Shift& shift) {
    if (shift.at_ms) json_.key("atSeconds").number(static_cast<double>(*shift.at_ms) / 1000);
    if (shift.offset_ms == 0) return;
    json_.key("offsetSeconds").number(static_cast<double>(shift.offset_ms) / 1000);
  }

  void write_profile(const eval::NodeProfile* seen) {
    if (seen == nullptr) return;
    json_.key("actual").begin_object();
    json_.key("calls").integer(static_cast<std::int64_t>(seen->calls));
    json_.key("seconds").number(seen->seconds);
    json_.key("series").integer(static_cast<std::int64_t>(seen->series));
    json_.key("samples").integer(static_cast<std::int64_t>(seen->samples));
    json_.key("bytes").integer(static_cast<std::int64_t>(seen->bytes));
    json_.key("samplesRead").integer(static_cast<std::int64_t>(seen->samples_read));
    json_.end_object();
  }

  void write_source(std::size_t index) {
    const plan::Source& source = plan_.sources[index];
    json_.begin_object().field("matchers", source_text(source.matchers));
    json_.key("uses").integer(source.uses);
    json_.key("startSeconds").number(static_cast<double>(source.mint_ms) / 1000);
    json_.key("endSeconds").number(static_cast<double>(source.maxt_ms) / 1000);
    if (!source.function.empty()) json_.field("function", source.function);
    if (run_ != nullptr) {
      json_.key("series").integer(std::ssize(run_->selection(index).series()));
    }
    json_.end_object();
  }

  const plan::Plan& plan_;
  const eval::Evaluation* run_;
  const eval::Profile* profile_;
  base::JsonWriter& json_;
};

}  // namespace

void write_plan(const plan::Plan& plan, const eval::Evaluation* run, const eval::Profile* profile,
                base::JsonWriter* json) {
  PlanWriter(plan, run, profile, json).all();
}

}  // namespace tocsin::promql::run
