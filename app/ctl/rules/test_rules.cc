// SPDX-License-Identifier: Apache-2.0
//
// `tocsinctl test rules`: as promtool's, in output and exit codes.
#include <cstdio>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>

#include "app/ctl/commands.h"
#include "app/ctl/promql_flags.h"
#include "app/ctl/rules/unit_test.h"
#include "base/escape.h"
#include "base/file_system.h"
#include "base/log.h"
#include "model/matcher.h"

namespace tocsin::app {

namespace {

constexpr std::uint64_t kMaxBytes = 64ULL << 20;

struct Given {
  std::vector<std::string> files;
  std::vector<std::string> run;
  std::vector<std::string> features;
  std::string junit;
  bool debug = false;
  bool diff = false;
  bool ignore_unknown = false;
};

struct Streams {
  std::FILE* out;
  std::FILE* err;
};

// What a file's tests came to, for JUnit.
struct Case {
  std::string name;
  std::vector<std::string> failures;
  std::string error;
};
struct Suite {
  std::string name;
  std::string started;
  std::vector<Case> cases;
  std::size_t tests = 0;
  std::size_t errors = 0;
};

std::string xml_escaped(std::string_view text) {
  std::string out;
  for (const char c : base::markup_escaped(text)) {
    if (c == '\t' || c == '\n' || c == '\r') {  // which attributes would not keep
      out += fmt::format("&#x{:X};", c);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string to_xml(const std::vector<Suite>& suites) {
  std::string xml = "<testsuites>";
  for (const Suite& suite : suites) {
    std::size_t failures = 0;
    for (const Case& one : suite.cases) failures += one.failures.size();
    xml += fmt::format(
        "<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"0\" "
        "timestamp=\"{}\">",
        xml_escaped(suite.name), suite.tests, failures, suite.errors, suite.started);
    for (const Case& one : suite.cases) {
      xml += fmt::format("<testcase name=\"{}\">", xml_escaped(one.name));
      for (const std::string& failure : one.failures) {
        xml += fmt::format("<failure>{}</failure>", xml_escaped(failure));
      }
      if (!one.error.empty()) xml += fmt::format("<error>{}</error>", xml_escaped(one.error));
      xml += "</testcase>";
    }
    xml += "</testsuite>";
  }
  return xml + "</testsuites>";
}

class Tests {
 public:
  Tests(const Given& given, const PromqlFlags& promql, std::optional<model::Regex> run, Streams to)
      : run_(std::move(run)), to_(to) {
    options_.promql = promql;
    options_.ignore_unknown_fields = given.ignore_unknown;
    options_.diff = given.diff;
    options_.debug = given.debug ? to.err : nullptr;
  }

  // Whether all tests of the file passed.
  bool file(const std::string& name) {
    suites_.push_back({name, "", {}, 0, 0});
    const std::vector<std::string> errors = errors_of(name);
    if (errors.empty()) {
      fmt::print(to_.out, "  SUCCESS\n");
    } else {
      fmt::print(to_.err, "  FAILED:\n");
      for (const std::string& error : errors) {
        fmt::print(to_.err, "{}\n", error);
        fmt::print(to_.out, "\n");
      }
    }
    fmt::print(to_.out, "\n");
    return errors.empty();
  }
  const std::vector<Suite>& suites() const { return suites_; }

 private:
  std::vector<std::string> errors_of(const std::string& name) {
    Suite& suite = suites_.back();
    StatusOr<UnitTestFile> tests = read(name);
    if (!tests.ok()) {
      std::string error(message(tests.status()));
      suite.errors = 1;
      suite.tests = 1;
      suite.cases.push_back({"unknown", {}, error});
      return {std::move(error)};
    }
    for (const std::string& pattern : tests->unmatched) {
      fmt::print(to_.err, "  WARNING: no file match pattern {}\n", pattern);
    }
    constexpr std::size_t kToTheSecond = 19;
    suite.started = model::format_rfc3339(base::SystemClock().now()).substr(0, kToTheSecond);
    std::vector<std::string> all;
    for (std::size_t i = 0; i < tests->tests.size(); ++i) {
      const TestGroup& group = tests->tests[i];
      if (run_ && !run_->matches(group.name)) continue;
      const std::string title = group.name.empty() ? fmt::format("unnamed#{}", i) : group.name;
      std::vector<std::string> errors = run_test_group(*tests, group, title, options_);
      ++suite.tests;
      suite.cases.push_back({title, errors, ""});
      std::move(errors.begin(), errors.end(), std::back_inserter(all));
    }
    return all;
  }

  static StatusOr<UnitTestFile> read(const std::string& name) {
    ASSIGN_OR_RETURN(const std::string text, base::real_file_system().read_file(name, kMaxBytes));
    return parse_unit_test_file(text, name);
  }

  const std::optional<model::Regex> run_;
  const Streams to_;
  UnitTestOptions options_;
  std::vector<Suite> suites_;
};

// Any of the expressions, anywhere in a name.
StatusOr<std::optional<model::Regex>> name_filter(const std::vector<std::string>& expressions) {
  if (expressions.empty()) return std::optional<model::Regex>();
  std::string any;
  for (const std::string& expression : expressions) {
    if (!any.empty()) any.push_back('|');
    any += expression;
  }
  ASSIGN_OR_RETURN(model::Regex regex, model::Regex::anchored("(?s:.*)(?:" + any + ")(?s:.*)"));
  return std::optional<model::Regex>(std::move(regex));
}

int run(const Given& given, Streams to) {
  base::log::configure({.level = base::log::Level::kError, .format = base::log::Format::kLogfmt});
  StatusOr<std::optional<model::Regex>> filter = name_filter(given.run);
  if (!filter.ok()) {
    fmt::print(to.err, "tocsinctl test rules: error: --run: {}\n", message(filter.status()));
    return 1;
  }
  Tests tests(given, parse_promql_flags(given.features, to.out), std::move(*filter), to);
  bool passed = true;
  for (const std::string& file : given.files) passed = tests.file(file) && passed;
  if (!given.junit.empty()) {
    const Status written =
        base::write_file_atomically(base::real_file_system(), given.junit, to_xml(tests.suites()));
    if (!written.ok()) {
      fmt::print(to.err, "failed to write JUnit XML: {}\n", message(written));
    }
  }
  return passed ? 0 : 1;
}

}  // namespace

int run_test(const std::vector<std::string>& arguments, std::FILE* out, std::FILE* err) {
  CLI::App cli{
      "Runs unit tests.\n\nExits with 0 when all passed, 1 when one failed, 2 for a wrong "
      "command line.",
      "tocsinctl test"};
  Given given;
  cli.require_subcommand(1);
  cli.fallthrough();
  cli.add_option("--junit", given.junit, "Write the results as JUnit XML to this file.");
  cli.add_option("--enable-feature", given.features,
                 "Comma separated names of features of PromQL. May be repeated.")
      ->allow_extra_args(false);
  CLI::App* rules = cli.add_subcommand("rules", "Unit tests of alerting and recording rules.");
  rules->add_option("files", given.files, "Files of tests.")->required();
  rules->add_option("--run", given.run, "Only groups whose names match. May be repeated.")
      ->allow_extra_args(false);
  rules->add_flag("--debug", given.debug, "Print what each test does and all its data.");
  rules->add_flag("--diff", given.diff, "Print alerts as a difference.");
  rules->add_flag("--ignore-unknown-fields", given.ignore_unknown,
                  "Accept fields of rules that the server refuses.");
  try {
    cli.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& success) {
    return cli.exit(success);
  } catch (const CLI::Error& error) {
    fmt::print(err, "tocsinctl test: error: {}; --help says more\n", error.what());
    return 2;
  }
  return run(given, {out, err});
}

int run_test(const std::vector<std::string>& arguments) {
  return run_test(arguments, stdout, stderr);
}

}  // namespace tocsin::app
