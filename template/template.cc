// SPDX-License-Identifier: Apache-2.0
#include "template/template.h"

#include <utility>

#include "model/labels.h"
#include "template/exec/evaluator.h"
#include "template/html/html_sink.h"
#include "template/syntax/parser.h"

namespace tocsin::tmpl {
namespace {

// Puts what a file defines into `definitions`.
void merge(std::vector<Definition> parsed, Definitions* definitions) {
  for (Definition& definition : parsed) {
    auto& place = (*definitions)[definition.name];
    if (place != nullptr && is_empty(*definition.root) && !is_empty(*place->root)) continue;
    place = std::make_shared<const Definition>(std::move(definition));
  }
}

StatusOr<std::string> run(const Definitions& definitions, const FunctionMap* functions,
                          const Definition& definition, const Value& data, const Options& options) {
  if (options.mode == Mode::kHtml) {
    HtmlSink sink;
    RETURN_IF_ERROR(Evaluator(definitions, functions, options, &sink).run(definition, data));
    return sink.take();
  }
  PlainSink sink;
  RETURN_IF_ERROR(Evaluator(definitions, functions, options, &sink).run(definition, data));
  return sink.take();
}

}  // namespace

TemplateSet::TemplateSet(std::shared_ptr<const FunctionMap> functions)
    : functions_(std::move(functions)) {}

Status TemplateSet::parse(std::string_view name, std::string_view text) {
  ASSIGN_OR_RETURN(std::vector<Definition> parsed,
                   parse_template(name, text, [this](std::string_view function) {
                     return find_function(function, nullptr, functions_.get()) != nullptr;
                   }));
  merge(std::move(parsed), &definitions_);
  return ok();
}

bool TemplateSet::has(std::string_view name) const { return definitions_.contains(name); }

std::vector<std::string> TemplateSet::names() const {
  std::vector<std::string> names;
  for (const auto& [name, definition] : definitions_) names.push_back(name);
  return names;
}

StatusOr<std::string> TemplateSet::execute(std::string_view name, const Value& data,
                                           const Options& options) const {
  const auto found = definitions_.find(name);
  if (found == definitions_.end()) {
    return invalid_argument("template: no template {} associated with template \"\"",
                            model::go_quote(name));
  }
  return run(definitions_, functions_.get(), *found->second, data, options);
}

StatusOr<std::string> TemplateSet::execute_text(std::string_view text, const Value& data,
                                                const Options& options,
                                                std::string_view name) const {
  if (text.find("{{") == std::string_view::npos && options.mode == Mode::kText)
    return std::string(text);
  ASSIGN_OR_RETURN(std::vector<Definition> parsed,
                   parse_template(name, text, [&](std::string_view function) {
                     return find_function(function, options.functions, functions_.get()) != nullptr;
                   }));
  Definitions definitions = definitions_;
  // The text is what is asked for, even when a template of the set has its name and it is empty.
  const auto root = std::make_shared<const Definition>(std::move(parsed.front()));
  parsed.erase(parsed.begin());
  merge(std::move(parsed), &definitions);
  definitions[std::string(name)] = root;
  return run(definitions, functions_.get(), *root, data, options);
}

}  // namespace tocsin::tmpl
