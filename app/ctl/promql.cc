// SPDX-License-Identifier: Apache-2.0
//
// `tocsinctl promql`: prints and edits expressions, as promtool does.
#include <algorithm>
#include <cstdio>

#include <CLI/CLI.hpp>

#include "app/ctl/commands.h"
#include "app/ctl/promql_flags.h"
#include "app/ctl/server_call.h"
#include "promql/parser.h"

namespace tocsin::app {

namespace {

struct Given {
  std::string query, name, value;
  std::string type = "=";
  std::vector<std::string> features;
  promql::ParserOptions parser;
  bool experimental = false;
  ServerAddress server;
  std::string time, start, end, step;
};

using Edit = std::function<void(promql::VectorSelector*)>;

// Calls `edit` for every selector of the expression.
void edit_selectors(promql::Expr* expr, const Edit& edit) {
  const auto walk = [&](const promql::ExprPtr& child) {
    if (child != nullptr) edit_selectors(child.get(), edit);
  };
  if (auto* selector = expr->as<promql::VectorSelector>()) {
    edit(selector);
  } else if (auto* matrix = expr->as<promql::MatrixSelector>()) {
    walk(matrix->vector);
  } else if (auto* subquery = expr->as<promql::Subquery>()) {
    walk(subquery->inner);
  } else if (auto* paren = expr->as<promql::Paren>()) {
    walk(paren->inner);
  } else if (auto* unary = expr->as<promql::Unary>()) {
    walk(unary->inner);
  } else if (auto* binary = expr->as<promql::Binary>()) {
    walk(binary->left);
    walk(binary->right);
  } else if (auto* aggregate = expr->as<promql::Aggregate>()) {
    walk(aggregate->inner);
    walk(aggregate->parameter);
  } else if (auto* call = expr->as<promql::Call>()) {
    for (const promql::ExprPtr& argument : call->arguments) walk(argument);
  }
}

StatusOr<model::Matcher> make_matcher(const Given& given) {
  using Type = model::Matcher::Type;
  for (Type type : {Type::kEqual, Type::kNotEqual, Type::kRegex, Type::kNotRegex}) {
    if (model::operator_text(type) == given.type) {
      return model::Matcher::make(type, given.name, given.value);
    }
  }
  return invalid_argument("invalid label match type: {}", given.type);
}

StatusOr<std::string> edited(const Given& given, const Edit& edit) {
  ASSIGN_OR_RETURN(const promql::ExprPtr expr, promql::parse_expr(given.query, given.parser));
  if (edit) edit_selectors(expr.get(), edit);
  return promql::pretty_print(*expr);
}

StatusOr<std::string> set_matcher(const Given& given) {
  ASSIGN_OR_RETURN(const model::Matcher wanted, make_matcher(given));
  return edited(given, [&](promql::VectorSelector* selector) {
    bool found = false;
    for (model::Matcher& matcher : selector->matchers) {
      if (matcher.name() != given.name) continue;
      matcher = wanted;
      found = true;
    }
    if (!found) selector->matchers.push_back(wanted);
  });
}

StatusOr<std::string> delete_matcher(const Given& given) {
  return edited(given, [&](promql::VectorSelector* selector) {
    std::erase_if(selector->matchers,
                  [&](const model::Matcher& matcher) { return matcher.name() == given.name; });
  });
}

// The plan of the query on a server, which runs it when `path` is that of an analysis.
StatusOr<std::string> plan_of(const Given& given, std::string_view path) {
  Parameters parameters = {{"query", given.query}};
  for (const auto& [name, value] :
       {std::pair("time", &given.time), std::pair("start", &given.start),
        std::pair("end", &given.end), std::pair("step", &given.step)}) {
    if (!value->empty()) parameters.emplace_back(name, *value);
  }
  ASSIGN_OR_RETURN(const base::JsonValue data, ask(given.server, "POST", path, parameters));
  return json_text(data);
}

CLI::App* add_plan(CLI::App& cli, Given& given, const std::string& name, const std::string& about) {
  CLI::App* command = cli.add_subcommand(name, about);
  command->add_option("query", given.query, "PromQL query.")->required();
  command->add_option("--server", given.server.url, "URL of the server.")->required();
  command->add_option("--http.config.file", given.server.http_config_file,
                      "File with the options of the connection.");
  command->add_option("--time", given.time, "Evaluation time; now.");
  CLI::Option* start = command->add_option("--start", given.start, "Start of a range.");
  CLI::Option* end = command->add_option("--end", given.end, "End of a range.");
  CLI::Option* step = command->add_option("--step", given.step, "Step of a range.");
  step->needs(start)->needs(end);
  start->needs(step);
  end->needs(step);
  return command;
}

void add_query(CLI::App* command, Given& given) {
  command->add_option("query", given.query, "PromQL query.")->required();
}

}  // namespace

int run_promql(const std::vector<std::string>& arguments, std::FILE* out, std::FILE* err) {
  CLI::App cli{
      "Prints PromQL for people and changes its label matchers.\n\nExits with 0 on success, "
      "1 when the query is not valid, 2 for a wrong command line.",
      "tocsinctl promql"};
  Given given;
  cli.require_subcommand(1);
  cli.fallthrough();
  cli.add_flag("--experimental", given.experimental,
               "Taken for promtool's sake, which does not run without it.");
  cli.add_option("--enable-feature", given.features,
                 "Comma separated names of features of PromQL. May be repeated.")
      ->allow_extra_args(false);
  CLI::App* format = cli.add_subcommand("format", "Print a query over several lines.");
  add_query(format, given);
  CLI::App* matchers = cli.add_subcommand("label-matchers", "Change the selectors of a query.");
  matchers->require_subcommand(1);
  CLI::App* set = matchers->add_subcommand("set", "Set a matcher in every selector.");
  set->add_option("-t,--type", given.type, "=, !=, =~ or !~.")
      ->check(CLI::IsMember({"=", "!=", "=~", "!~"}))
      ->capture_default_str();
  CLI::App* remove = matchers->add_subcommand("delete", "Delete a label from every selector.");
  for (CLI::App* command : {set, remove}) {
    add_query(command, given);
    command->add_option("name", given.name, "Name of the label.")->required();
  }
  set->add_option("value", given.value, "Value of the matcher.")->required();
  CLI::App* explain = add_plan(cli, given, "explain", "Print a server's plan of a query as JSON.");
  CLI::App* analyze = add_plan(cli, given, "analyze",
                               "Run a query on a server and print what each part of it did.");
  try {
    cli.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& success) {
    return cli.exit(success);
  } catch (const CLI::Error& error) {
    fmt::print(err, "tocsinctl promql: error: {}; --help says more\n", error.what());
    return 2;
  }
  given.parser = parse_promql_flags(given.features, out).parser;
  const StatusOr<std::string> text = set->parsed()       ? set_matcher(given)
                                     : remove->parsed()  ? delete_matcher(given)
                                     : explain->parsed() ? plan_of(given, "/api/x/query_explain")
                                     : analyze->parsed() ? plan_of(given, "/api/x/query_analyze")
                                                         : edited(given, nullptr);
  if (!text.ok()) {
    fmt::print(err, "{}\n", message(text.status()));
    return 1;
  }
  fmt::print(out, "{}\n", *text);
  return 0;
}

int run_promql(const std::vector<std::string>& arguments) {
  return run_promql(arguments, stdout, stderr);
}

}  // namespace tocsin::app
