// SPDX-License-Identifier: Apache-2.0
#include "promql/testing/random_query.h"

#include <fmt/core.h>

namespace tocsin::promql::testing {

namespace {

constexpr const char* kMetrics[] = {
    "requests_total",          "errors_total", "level",  "depth", "odd", "up", "lonely",
    "requests_seconds_bucket", "target_info",  "nothing"};
constexpr const char* kHistograms[] = {"latency", "size", "custom", "mixed", "requests_seconds"};
constexpr const char* kPlain[] = {
    "abs",          "acos",        "acosh",         "asin",   "asinh", "atan",      "atanh",
    "ceil",         "cos",         "cosh",          "deg",    "exp",   "floor",     "ln",
    "log10",        "log2",        "rad",           "sgn",    "sin",   "sinh",      "sqrt",
    "tan",          "tanh",        "absent",        "sort",   "round", "year",      "hour",
    "day_of_month", "day_of_week", "days_in_month", "minute", "month", "timestamp", "sort_desc"};
constexpr const char* kOverTime[] = {"rate",
                                     "increase",
                                     "delta",
                                     "irate",
                                     "idelta",
                                     "rate",
                                     "increase",
                                     "sum_over_time",
                                     "avg_over_time",
                                     "min_over_time",
                                     "max_over_time",
                                     "count_over_time",
                                     "last_over_time",
                                     "present_over_time",
                                     "stddev_over_time",
                                     "stdvar_over_time",
                                     "changes",
                                     "resets",
                                     "deriv",
                                     "absent_over_time"};
constexpr const char* kNewOverTime[] = {"first_over_time",       "mad_over_time",
                                        "ts_of_first_over_time", "ts_of_last_over_time",
                                        "ts_of_max_over_time",   "ts_of_min_over_time"};
constexpr const char* kAggregations[] = {"sum",     "avg",          "count",   "min",    "max",
                                         "sum",     "group",        "stddev",  "stdvar", "topk",
                                         "bottomk", "count_values", "quantile"};
constexpr const char* kArithmetic[] = {"+", "-", "*", "/", "%", "^", "atan2"};
constexpr const char* kComparisons[] = {"==", "!=", "<", "<=", ">", ">="};
constexpr const char* kSets[] = {"and", "or", "unless"};
constexpr const char* kLabels[] = {"job", "instance", "mode", "le", "zone"};

bool anchors(const std::string& function) {
  return function == "rate" || function == "increase" || function == "delta" ||
         function == "changes" || function == "resets";
}

}  // namespace

std::string RandomQuery::next() {
  return chance(5) ? scalar(options_.depth) : vector(options_.depth);
}

std::string RandomQuery::number() {
  static constexpr const char* kNumbers[] = {"0",   "1",    "2",   "3",    "0.5", "-1", "10",
                                             "0.9", "-0.5", "1e3", "0x1f", "2.5", "7",  "0.25"};
  static constexpr const char* kOdd[] = {"Inf", "-Inf", "NaN", "1e308", "-0"};
  if (chance(4)) return pick(kOdd);
  if (options_.since_2_42 && chance(4)) return "1m30s";
  return pick(kNumbers);
}

std::string RandomQuery::duration() {
  static constexpr const char* kPlainOnes[] = {"30s", "1m",  "2m",  "5m", "45s",
                                               "10m", "90s", "10s", "3m", "1m1s"};
  static constexpr const char* kComputed[] = {
      "1m + 30s", "2 * 1m",           "5m - 2m",     "(1m)",    "10m / 4",
      "2m % 50s", "max_of(1m, 45s)",  "step() + 1m", "2 ^ 7",   "min_of(range(), 3m) + 30s",
      "-(-1m)",   "step() * 2 + 10s", "120",         "1m * 1.5"};
  if (options_.since_2_42 && chance(8)) return pick(kComputed);
  return pick(kPlainOnes);
}

std::string RandomQuery::offset() {
  static constexpr const char* kOffsets[] = {"1m",  "-1m", "30s", "-90s", "5m",
                                             "10s", "7s",  "2m",  "15s",  "-15s"};
  if (options_.since_2_42 && chance(10)) return " offset (1m - 15s)";
  return " offset " + pick(kOffsets);
}

std::string RandomQuery::shift() {
  static constexpr const char* kTimes[] = {"start()", "end()", "600", "0", "333.5", "1200"};
  // Whole seconds lie on the steps of subqueries, where 2.42 differs.
  static constexpr const char* kOldTimes[] = {"start()", "end()"};
  std::string at = chance(8) ? " @ " + (options_.since_2_42 ? pick(kTimes) : pick(kOldTimes)) : "";
  std::string off = chance(12) ? offset() : "";
  return chance(50) ? at + off : off + at;
}

std::string RandomQuery::matchers() {
  static constexpr const char* kMatchers[] = {
      R"(job="api")",  R"(job!="api")",       R"(instance=~"0|1")", R"(instance!~"2.*")",
      R"(mode="r")",   R"(mode="")",          R"(mode!="")",        R"(job=~".*b")",
      R"(job=~"a.+")", R"(instance=~"[12]")", R"(le="1")",          R"(nope="")",
      R"(zone!~".+")", R"(instance="2")",     R"(job=~"")"};
  std::string out = pick(kMatchers);
  if (chance(30)) out += ", " + pick(kMatchers);
  return out;
}

std::string RandomQuery::selector() {
  static constexpr const char* kByName[] = {
      R"({__name__=~"level|depth")", R"({__name__=~"(requests|errors)_total")",
      R"({__name__="level")", R"({__name__=~".*_total")",
      R"({__name__!~"requests.*|target_info|level",job="db")"};
  if (chance(6)) return pick(kByName) + (chance(30) ? "," + matchers() + "}" : "}");
  if (options_.utf8_names && chance(3)) {
    return chance(50) ? R"({"my.metric"})" : R"({"my.metric", "the.label"="c"})";
  }
  std::string out = options_.histograms && chance(35) ? pick(kHistograms) : pick(kMetrics);
  if (chance(30)) out += "{" + matchers() + "}";
  return out;
}

std::string RandomQuery::subquery(int depth) {
  static constexpr const char* kSteps[] = {"30s", "1m", "20s", "45s", "7s", "15s"};
  const std::string inner = "(" + vector(depth - 2) + ")";
  std::string step = chance(80) ? pick(kSteps) : "";
  if (options_.since_2_42 && chance(4)) step = "10s * 3";
  static constexpr const char* kRanges[] = {"1m", "2m", "5m", "90s"};
  return inner + "[" + pick(kRanges) + ":" + step + "]" + shift();
}

std::string RandomQuery::range(int depth) {
  if (depth > 1 && chance(20)) return subquery(depth);
  return selector() + "[" + duration() + "]" + shift();
}

std::string RandomQuery::range_for(const std::string& function, int depth) {
  if (!options_.experimental || !anchors(function) || !chance(12)) return range(depth);
  const bool anchored = function == "changes" || function == "resets" || chance(50);
  const std::string mode = anchored ? " anchored" : " smoothed";
  return selector() + "[" + duration() + "]" + mode + shift();
}

std::string RandomQuery::scalar(int depth) {
  static constexpr const char* kNew[] = {"start()", "end()", "range()", "step()", "max_of(1, 2)"};
  if (depth > 1 && chance(20)) return "scalar(" + vector(depth - 1) + ")";
  if (depth > 1 && chance(15)) {
    const std::string op = chance(70) ? pick(kArithmetic) : pick(kComparisons) + " bool";
    return "(" + scalar(depth - 1) + " " + op + " " + scalar(depth - 1) + ")";
  }
  if (chance(8)) return "time()";
  if (chance(3)) return "pi()";
  if (chance(3)) return "-(" + number() + ")";
  if (options_.experimental && chance(6)) return pick(kNew);
  return number();
}

std::string RandomQuery::plain_call(int depth) {
  const std::string function = pick(kPlain);
  if (function == "round") {
    return fmt::format("round({}{})", vector(depth - 1), chance(40) ? ", " + number() : "");
  }
  if (chance(10) && (function == "year" || function == "hour" || function == "minute")) {
    return function + "()";
  }
  if (chance(10)) {
    return chance(50) ? fmt::format("clamp({}, {}, {})", vector(depth - 1), number(), number())
                      : fmt::format("clamp_{}({}, {})", chance(50) ? "min" : "max",
                                    vector(depth - 1), scalar(depth - 2));
  }
  return function + "(" + vector(depth - 1) + ")";
}

std::string RandomQuery::range_call(int depth) {
  if (chance(6)) {
    return fmt::format("quantile_over_time({}, {})", scalar(depth - 2), range(depth));
  }
  if (chance(5)) return fmt::format("predict_linear({}, {})", range(depth), scalar(depth - 2));
  if (options_.experimental && chance(3)) {
    return fmt::format("double_exponential_smoothing({}, 0.3, {})", range(depth),
                       chance(90) ? "0.6" : "1");
  }
  const bool new_one = options_.since_2_42 && options_.experimental && chance(20);
  const std::string function = new_one ? pick(kNewOverTime) : pick(kOverTime);
  return function + "(" + range_for(function, depth) + ")";
}

std::string RandomQuery::label_call(int depth) {
  static constexpr const char* kReplacements[] = {
      R"x("new", "$1-x", "instance", "(.*)")x",   R"x("job", "same", "instance", "[01]")x",
      R"x("__name__", "renamed", "job", "api")x", R"x("mode", "", "job", ".*")x",
      R"x("instance", "${1}", "zone", "z(.)")x",  R"x("dup", "$1$2", "job", "(a)(.*)")x"};
  static constexpr const char* kJoins[] = {R"x("new", "-", "job", "instance")x",
                                           R"x("__name__", "_", "job")x", R"x("job", "", "nope")x",
                                           R"x("instance", "/", "mode", "job", "le")x"};
  if (chance(60))
    return fmt::format("label_replace({}, {})", vector(depth - 1), pick(kReplacements));
  return fmt::format("label_join({}, {})", vector(depth - 1), pick(kJoins));
}

std::string RandomQuery::histogram_call(int depth) {
  static constexpr const char* kNew[] = {"histogram_avg", "histogram_stddev", "histogram_stdvar"};
  static constexpr const char* kOld[] = {"histogram_count", "histogram_sum"};
  static constexpr const char* kGroupings[] = {"", "by (le)", "by (le, job)", "without (instance)"};
  std::string input =
      chance(50) && options_.histograms ? pick(kHistograms) : "requests_seconds_bucket";
  if (chance(40)) input = "rate(" + input + "[" + duration() + "])";
  if (chance(30)) input = "sum " + pick(kGroupings) + " (" + input + ")";
  if (chance(25)) input = vector(depth - 1);
  if (options_.histograms && chance(30)) {
    return (chance(50) && options_.since_2_42 ? pick(kNew) : pick(kOld)) + "(" + input + ")";
  }
  if (options_.experimental && chance(15)) {
    return fmt::format(R"(histogram_quantiles({}, "q", {}, 0.75))", input, number());
  }
  if (options_.since_2_42 && chance(30)) {
    return fmt::format("histogram_fraction({}, {}, {})", number(), number(), input);
  }
  return fmt::format("histogram_quantile({}, {})", chance(50) ? "0.9" : scalar(depth - 2), input);
}

std::string RandomQuery::special_call(int depth) {
  if (chance(30)) return "vector(" + scalar(depth - 1) + ")";
  if (!options_.experimental) return plain_call(depth);
  static constexpr const char* kInfo[] = {"",
                                          R"(, {version="1.0"})",
                                          R"(, {zone=~".*"})",
                                          R"(, {__name__="build_info"})",
                                          R"(, {__name__=~".*_info"})",
                                          R"(, {version=~".+"})",
                                          R"(, {__name__!="build_info"})"};
  if (chance(50)) return fmt::format("info({}{})", vector(depth - 1), pick(kInfo));
  if (chance(40)) return fmt::format(R"(sort_by_label({}, "job", "instance"))", vector(depth - 1));
  if (chance(50)) return fmt::format(R"(sort_by_label_desc({}, "le"))", vector(depth - 1));
  return fmt::format("start_timestamp({})", chance(80) ? selector() : vector(depth - 1));
}

std::string RandomQuery::labels_list() {
  std::string out;
  for (std::size_t n = below(3); n > 0; --n) out += (out.empty() ? "" : ", ") + pick(kLabels);
  return out;
}

std::string RandomQuery::grouping() {
  if (chance(35)) return "";
  if (chance(3)) return "by (__name__)";
  if (options_.utf8_names && chance(3)) return R"(by ("the.label"))";
  return (chance(60) ? "by (" : "without (") + labels_list() + ")";
}

std::string RandomQuery::aggregation(int depth) {
  std::string op = pick(kAggregations);
  if (options_.experimental && chance(10)) op = chance(50) ? "limitk" : "limit_ratio";
  std::string parameter;
  if (op == "topk" || op == "bottomk" || op == "limitk") {
    parameter = chance(85) ? std::to_string(below(4)) + ", " : scalar(depth - 2) + ", ";
  } else if (op == "limit_ratio") {
    parameter = chance(50) ? "0.5, " : "-0.3, ";
  } else if (op == "quantile") {
    parameter = chance(70) ? "0.4, " : scalar(depth - 2) + ", ";
  } else if (op == "count_values") {
    parameter = chance(80) ? R"("value", )" : R"("job", )";
  }
  const std::string inner = "(" + parameter + vector(depth - 1) + ")";
  const std::string by = grouping();
  return chance(70) ? op + " " + by + " " + inner : op + inner + " " + by;
}

std::string RandomQuery::matching(bool set, bool comparison) {
  std::string out = comparison && chance(40) ? " bool" : "";
  if (chance(35)) return out;
  const bool on = chance(50);
  if (on) {
    out += " on (" + labels_list() + ")";
  } else {
    out += " ignoring (" + (chance(60) ? "mode, le, version, zone, commit" : labels_list()) + ")";
  }
  if (!set && chance(30)) {
    out += chance(50) ? " group_left (" : " group_right (";
    out += chance(70) ? ")" : (on ? "version" : pick(kLabels)) + std::string(")");
  }
  if (!set && options_.experimental && chance(12)) {
    static constexpr const char* kFills[] = {" fill (0)", " fill_left (1)", " fill_right (23)",
                                             " fill_left (-1) fill_right (NaN)"};
    out += pick(kFills);
  }
  return out;
}

std::string RandomQuery::binary(int depth) {
  const bool set = chance(25);
  const bool comparison = !set && chance(35);
  std::string op = set ? pick(kSets) : comparison ? pick(kComparisons) : pick(kArithmetic);
  if (options_.histograms && options_.since_2_42 && !set && !comparison && chance(10)) {
    op = chance(50) ? "</" : ">/";
  }
  const auto part = [&](const std::string& text) { return "(" + text + ")"; };
  if (!set && chance(30)) {
    const std::string modifier = comparison && chance(40) ? " bool" : "";
    const bool trim = op == "</" || op == ">/";
    if (trim || chance(50)) {
      return part(vector(depth - 1)) + " " + op + modifier + " " + scalar(depth - 1);
    }
    return scalar(depth - 1) + " " + op + modifier + " " + part(vector(depth - 1));
  }
  std::string left = vector(depth - 1), right = vector(depth - 1);
  if (chance(25)) right = left;
  return part(left) + " " + op + matching(set, comparison) + " " + part(right);
}

std::string RandomQuery::vector(int depth) {
  if (depth <= 0 || chance(14)) {
    const bool smooth = options_.experimental && chance(3);
    return selector() + (smooth ? " smoothed" : "") + shift();
  }
  const std::size_t kind = below(100);
  if (kind < 27) return range_call(depth);
  if (kind < 40) return plain_call(depth);
  if (kind < 47) return histogram_call(depth);
  if (kind < 51) return label_call(depth);
  if (kind < 56) return special_call(depth);
  if (kind < 76) return aggregation(depth);
  if (kind < 78) return "-(" + vector(depth - 1) + ")";
  if (kind < 79) return "+(" + vector(depth - 1) + ")";
  return binary(depth);
}

}  // namespace tocsin::promql::testing
