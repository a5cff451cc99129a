// SPDX-License-Identifier: Apache-2.0
//
// `tocsinctl check rules`: as promtool's, in output and exit codes: 1 for mistakes, 3 with
// --lint-fatal for what the linter found.
#include <cstdio>

#include <CLI/CLI.hpp>

#include "app/ctl/commands.h"
#include "app/ctl/promql_flags.h"
#include "app/ctl/rules/rule_check.h"
#include "base/file_system.h"

namespace tocsin::app {

namespace {

constexpr std::uint64_t kMaxBytes = 64ULL << 20;

struct Given {
  std::vector<std::string> files;
  std::string lint = "duplicate-rules";
  bool lint_fatal = false;
  bool ignore_unknown = false;
  std::vector<std::string> features;
};

struct Streams {
  std::FILE* out;
  std::FILE* err;
};

enum class Found { kNothing, kLint, kMistakes };

// Whether the options, separated by commas, turn the search for duplicates on.
bool wants_duplicates(std::string_view options, std::FILE* out) {
  bool wanted = false;
  while (!options.empty()) {
    const std::size_t comma = std::min(options.find(','), options.size());
    const std::string_view name = options.substr(0, comma);
    options.remove_prefix(std::min(comma + 1, options.size()));
    if (name == "all" || name == "duplicate-rules") {
      wanted = true;
    } else if (name != "none") {
      fmt::print(out, "WARNING: unknown lint option: \"{}\"\n", name);
    }
  }
  return wanted;
}

Found check_text(std::string_view text, const std::string& file, const RuleCheckOptions& options,
                 bool duplicates, Streams to) {
  const CheckedRules checked = check_rule_text(text, file, options);
  if (!checked.errors.empty()) {
    fmt::print(to.err, "  FAILED:\n");
    for (const std::string& error : checked.errors) fmt::print(to.err, "{}\n", error);
    return Found::kMistakes;
  }
  const std::string lint = duplicates ? lint_duplicates(checked.groups) : "";
  std::size_t rules = 0;
  for (const rules::GroupOptions& group : checked.groups) rules += group.rules.size();
  if (lint.empty()) {
    fmt::print(to.out, "  SUCCESS: {} rules found\n", rules);
  } else {
    fmt::print(to.err, "  FAILED:\n{}\n", lint);
  }
  fmt::print(to.out, "\n");
  return lint.empty() ? Found::kNothing : Found::kLint;
}

StatusOr<std::string> read_all(std::FILE* in) {
  std::string text;
  char buffer[1 << 16];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, in)) {
    text.append(buffer, n);
    if (text.size() > kMaxBytes) {
      return resource_exhausted("standard input is longer than {} bytes", kMaxBytes);
    }
  }
  if (std::ferror(in) != 0) return unavailable("reading standard input failed");
  return text;
}

Found unreadable(std::string_view file, const Status& status, Streams to) {
  fmt::print(to.err, "  FAILED:\n{}{}\n", file, message(status));
  return Found::kMistakes;
}

Found check_file(const std::string& file, const RuleCheckOptions& options, bool duplicates,
                 Streams to) {
  fmt::print(to.out, "Checking {}\n", file);
  std::fflush(to.out);
  const StatusOr<std::string> text = base::real_file_system().read_file(file, kMaxBytes);
  if (text.ok()) return check_text(*text, file, options, duplicates, to);
  return unreadable(file + ": ", text.status(), to);
}

int run(const Given& given, Streams to) {
  RuleCheckOptions options;
  options.unknown = given.ignore_unknown ? UnknownFields::kIgnore : UnknownFields::kRefuse;
  options.defaults.parser = parse_promql_flags(given.features, to.out).parser;
  const bool duplicates = wants_duplicates(given.lint, to.out);
  Found worst = Found::kNothing;
  if (given.files.empty()) {
    fmt::print(to.out, "Checking standard input\n");
    const StatusOr<std::string> text = read_all(stdin);
    worst = text.ok() ? check_text(*text, "", options, duplicates, to)
                      : unreadable("", text.status(), to);
  }
  for (const std::string& file : given.files) {
    worst = std::max(worst, check_file(file, options, duplicates, to));
  }
  if (worst == Found::kMistakes) return 1;
  return worst == Found::kLint && given.lint_fatal ? 3 : 0;
}

}  // namespace

int run_check_rules(const std::vector<std::string>& arguments, std::FILE* out, std::FILE* err) {
  CLI::App cli{
      "Checks rule files; all their mistakes are printed.\n\nExits with 0 on success, 1 on "
      "a mistake, 2 for a wrong command line, 3 with --lint-fatal for what was found.",
      "tocsinctl check rules"};
  Given given;
  cli.add_option("files", given.files, "Rule files; without any, standard input is read.");
  cli.add_option("--lint", given.lint, "What to look for: all, duplicate-rules, none.")
      ->capture_default_str();
  cli.add_flag("--lint-fatal", given.lint_fatal, "Exit with 3 when something is found.");
  cli.add_flag("--ignore-unknown-fields", given.ignore_unknown,
               "Accept fields that the server refuses.");
  cli.add_option("--enable-feature", given.features,
                 "Comma separated names of features of PromQL. May be repeated.")
      ->allow_extra_args(false);
  try {
    cli.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& success) {
    return cli.exit(success);
  } catch (const CLI::Error& error) {
    fmt::print(err, "tocsinctl check rules: error: {}; --help says more\n", error.what());
    return 2;
  }
  return run(given, {out, err});
}

}  // namespace tocsin::app
