// SPDX-License-Identifier: Apache-2.0
//
// TemplateSet: named templates in the language of Go's text/template, and their execution.
//
// The whole language: pipelines, variables, if/else if, range (lists, maps by key, integers; break,
// continue), with, define, template, block, comments, trim markers and the built-in functions. In
// HTML mode values are escaped for where they stand: text, attributes, URLs; actions in scripts,
// styles and tags are "not supported yet: ...".
// Hides: lexer, parser, evaluator, escaper. Bounds:
// Limits. Owns what it parsed; functions are shared.
// Threads: parse() needs exclusive use;
// executing is const and may happen from several threads.
// Errors: kInvalidArgument in Go's style:
// `template: NAME:LINE: REASON` when parsing, `template: NAME:LINE:COLUMN: executing "NAME" at
// <.Foo>: REASON` when executing; kResourceExhausted at a limit.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "template/value.h"

namespace tocsin::tmpl {

enum class Mode { kText, kHtml };
// What an absent key of a map is: nothing ("<no value>"), the zero value of the map's elements, or
// an error.
enum class MissingKey { kInvalid, kZero, kError };

struct Limits {
  std::size_t output_bytes = std::size_t{1} << 20U;
  int template_depth = 100;
  int iterations = 1000000;  // of all ranges together
};

struct Options {
  Mode mode = Mode::kText;
  MissingKey missing_key = MissingKey::kInvalid;
  Limits limits;
  // Functions of this execution, before those of the set; borrowed.
  const FunctionMap* functions = nullptr;
};

struct Definition;

class TemplateSet {
 public:
  // `functions` besides the built-in ones; a template that names another does not parse.
  explicit TemplateSet(std::shared_ptr<const FunctionMap> functions = nullptr);

  // Adds the template `name` and all it defines, over earlier ones of the same names; an empty
  // template does not replace another. On error nothing changes.
  Status parse(std::string_view name, std::string_view text);
  bool has(std::string_view name) const;
  std::vector<std::string> names() const;

  StatusOr<std::string> execute(std::string_view name, const Value& data,
                                const Options& options = {}) const;
  // Parses `text` as a template called `name` beside those of the set and executes it.
  StatusOr<std::string> execute_text(std::string_view text, const Value& data,
                                     const Options& options = {}, std::string_view name = "") const;

 private:
  using Definitions = std::map<std::string, std::shared_ptr<const Definition>, std::less<>>;

  std::shared_ptr<const FunctionMap> functions_;
  Definitions definitions_;
};

}  // namespace tocsin::tmpl
