// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/rules/unit_test.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <memory>

#include "app/ctl/rules/alert_diff.h"
#include "app/ctl/rules/rule_check.h"
#include "app/ctl/temporary_store.h"
#include "base/executor.h"
#include "base/file_system.h"
#include "base/metrics.h"
#include "model/value.h"
#include "promql/engine.h"
#include "promql/script.h"
#include "rules/evaluator.h"
#include "storage/appender.h"

namespace tocsin::app {

namespace {

constexpr std::uint64_t kMaxRuleFile = 64ULL << 20;
constexpr std::uint64_t kMaxSamples = 10'000;  // of a query, as upstream
constexpr base::Duration kTimeout{100'000};
constexpr std::string_view kIndent = "            ";

// Nothing is scheduled in a test of rules: evaluate_once() drives them.
class NoTimers final : public base::Timers {
 public:
  Id schedule(base::SteadyTime, std::function<void()>) override { return ++last_; }
  bool cancel(Id) override { return true; }

 private:
  Id last_ = 0;
};

class CallerExecutor final : public base::Executor {
 public:
  [[nodiscard]] bool post(Work work) override {
    work();
    return true;
  }
};

// Every line but the first behind `indent`.
std::string indented(std::string_view text, std::string_view indent) {
  std::string out;
  for (char c : text) {
    out.push_back(c);
    if (c == '\n') out += indent;
  }
  return out;
}

bool before(const ExpectedAlert& a, const ExpectedAlert& b) {
  return a.labels != b.labels ? a.labels < b.labels : a.annotations < b.annotations;
}

bool same(const std::vector<ExpectedAlert>& a, const std::vector<ExpectedAlert>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.labels == y.labels && x.annotations == y.annotations;
  });
}

std::string describe(const std::vector<ExpectedAlert>& alerts) {
  if (alerts.empty()) return "[]";
  std::string text = "[";
  for (std::size_t i = 0; i < alerts.size(); ++i) {
    const std::string one = fmt::format("\nLabels:{}\nAnnotations:{}", alerts[i].labels.to_string(),
                                        alerts[i].annotations.to_string());
    text += fmt::format("{}\n{}:{}", i == 0 ? "" : ",", i, indented(one, "  "));
  }
  return text + "\n]";
}

struct GotSample {
  model::Labels labels;
  double value = 0;
  std::shared_ptr<const model::FloatHistogram> histogram;  // null: a float
};

bool by_labels(const GotSample& a, const GotSample& b) { return a.labels < b.labels; }

std::string describe(const std::vector<GotSample>& samples) {
  if (samples.empty()) return "nil";
  std::string text;
  for (const GotSample& sample : samples) {
    if (!text.empty()) text += ", ";
    std::string value;
    if (sample.histogram != nullptr) {
      value = promql::histogram_text(*sample.histogram);
    } else {
      value = model::format_float_e(sample.value);
      std::replace(value.begin(), value.end(), 'e', 'E');
    }
    text += sample.labels.to_string() + " " + value;
  }
  return text;
}

bool same_value(double a, double b, bool fuzzy) {
  if (a == b || !fuzzy) return a == b;
  constexpr double kInf = std::numeric_limits<double>::infinity();
  return std::nextafter(a, -kInf) == b || std::nextafter(a, kInf) == b;
}

bool same(const std::vector<GotSample>& a, const std::vector<GotSample>& b, bool fuzzy) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const auto& x, const auto& y) {
    if (x.labels != y.labels || (x.histogram == nullptr) != (y.histogram == nullptr)) return false;
    if (x.histogram == nullptr) return same_value(x.value, y.value, fuzzy);
    return model::same_histogram(*x.histogram, *y.histogram) &&
           x.histogram->reset_hint == y.histogram->reset_hint;
  });
}

// The input series, of which samples are appended as the test's time goes on.
class InputSeries {
 public:
  InputSeries(base::Timestamp start, base::Duration step) : start_(start), step_(step) {}

  Status parse(const std::vector<std::string>& lines) {
    for (std::size_t i = 0; i < lines.size(); ++i) {
      StatusOr<promql::SeriesLine> line = promql::parse_series_line(lines[i]);
      if (!line.ok()) return invalid_argument("{}", located(message(line.status()), i));
      series_.push_back({std::move(*line), 0, {}});
    }
    return ok();
  }

  Status append_till(storage::Appendable& store, base::Timestamp at) {
    const auto appender = store.appender();
    for (Series& series : series_) {
      while (series.next < series.line.points.size() && time(series.next) <= at) {
        RETURN_IF_ERROR(append(*appender, &series));
        ++series.next;
      }
    }
    return storage::commit_and_wait(*appender);
  }

 private:
  struct Series {
    promql::SeriesLine line;
    std::size_t next;
    storage::SeriesRef ref;
  };
  using Kind = promql::SeriesLine::Item::Kind;

  // Upstream reads the series as lines behind a line of its own, and counts from that.
  static std::string located(std::string_view error, std::size_t index) {
    if (!error.starts_with("1:")) return std::string(error);
    return fmt::format("{}{}", index + 2, error.substr(1));
  }

  base::Timestamp time(std::size_t i) const {
    return start_ + static_cast<std::int64_t>(i) * step_;
  }

  Status append(storage::Appender& appender, Series* series) const {
    const promql::SeriesLine::Item& item = series->line.points[series->next];
    if (item.kind == Kind::kGap) return ok();
    const base::Timestamp t = time(series->next);
    const double value = item.kind == Kind::kStale ? model::stale_nan() : item.value;
    const auto appended =
        item.kind == Kind::kHistogram
            ? appender.append_histogram(series->ref, series->line.labels, t, *item.histogram, {})
            : appender.append(series->ref, series->line.labels, t, value, {});
    RETURN_IF_ERROR(appended.status());
    series->ref = appended->ref;
    return ok();
  }

  const base::Timestamp start_;
  const base::Duration step_;
  std::vector<Series> series_;
};

class GroupRun {
 public:
  GroupRun(const UnitTestFile& file, const TestGroup& group, const UnitTestOptions& options)
      : file_(file),
        group_(group),
        options_(options),
        engine_(engine_options(file, options), {clock_, nullptr, nullptr}),
        input_(group.start, group.interval) {}

  std::vector<std::string> run() {
    Status status = prepare();
    if (!status.ok()) {
      if (errors_.empty()) errors_.emplace_back(message(status));
      return std::move(errors_);
    }
    if (!evaluate_all()) return std::move(errors_);
    for (const ExprTest& test : group_.expr_tests) check_expression(test);
    if (options_.debug != nullptr) dump();
    return std::move(errors_);
  }

 private:
  static promql::EngineOptions engine_options(const UnitTestFile& file,
                                              const UnitTestOptions& options) {
    promql::EngineOptions engine;
    engine.max_samples = kMaxSamples;
    engine.timeout = kTimeout;
    engine.default_subquery_step = file.evaluation_interval;
    engine.delayed_name_removal = options.promql.delayed_name_removal;
    engine.use_start_timestamps = options.promql.use_start_timestamps;
    engine.parser = options.promql.parser;
    return engine;
  }

  Status prepare() {
    RETURN_IF_ERROR(input_.parse(group_.input_series));
    ASSIGN_OR_RETURN(store_, make_temporary_store());
    evaluator_ = std::make_unique<rules::Evaluator>(rules::Evaluator::Services{clock_,
                                                                               timers_,
                                                                               executor_,
                                                                               metrics_,
                                                                               engine_,
                                                                               store_->queryable(),
                                                                               store_->appendable(),
                                                                               {},
                                                                               nullptr},
                                                    rules::AlertTiming{});
    rules::RulesOptions rules;
    ASSIGN_OR_RETURN(rules.groups, load_rules());
    rules.external_labels = group_.external_labels;
    rules.external_url = group_.external_url;
    RETURN_IF_ERROR(evaluator_->apply(rules));
    evaluator_->skip_restoring();
    for (const AlertTest& test : group_.alert_tests) {
      if (!test.alertname.empty()) continue;
      const std::string where =
          group_.name.empty() ? "" : fmt::format(" (in TestGroup {})", group_.name);
      return invalid_argument(
          "an item under alert_rule_test misses required attribute alertname at eval_time {}{}",
          model::format_duration(test.eval_time), where);
    }
    return ok();
  }

  StatusOr<std::vector<rules::GroupOptions>> load_rules() {
    RuleCheckOptions check;
    check.unknown =
        options_.ignore_unknown_fields ? UnknownFields::kIgnore : UnknownFields::kRefuse;
    check.defaults.interval = group_.interval;
    check.defaults.parser = options_.promql.parser;
    std::vector<rules::GroupOptions> groups;
    for (const std::string& name : file_.rule_files) {
      ASSIGN_OR_RETURN(const std::string text,
                       base::real_file_system().read_file(name, kMaxRuleFile));
      CheckedRules checked = check_rule_text(text, name, check);
      if (!checked.errors.empty()) {
        errors_ = std::move(checked.errors);
        return invalid_argument("rules of {}", name);
      }
      std::move(checked.groups.begin(), checked.groups.end(), std::back_inserter(groups));
    }
    const auto place = [&](const rules::GroupOptions& group) {
      const auto& order = file_.group_eval_order;
      const auto found = std::find(order.begin(), order.end(), group.name);
      return found == order.end() ? 0 : found - order.begin();
    };
    std::stable_sort(groups.begin(), groups.end(),
                     [&](const auto& a, const auto& b) { return place(a) < place(b); });
    return groups;
  }

  // False when a rule could not be evaluated: nothing behind that counts.
  bool evaluate_all() {
    std::map<base::Duration, std::vector<const AlertTest*>> pending;
    for (const AlertTest& test : group_.alert_tests) pending[test.eval_time].push_back(&test);
    const base::Duration last = group_.last_eval_time();
    for (base::Duration now{0}; now <= last; now += file_.evaluation_interval) {
      const base::Timestamp at = group_.start + now;
      Status appended = input_.append_till(store_->appendable(), at);
      if (!appended.ok()) errors_.emplace_back(message(appended));
      evaluator_->evaluate_once(at);
      const std::vector<rules::GroupStatus> groups = evaluator_->groups();
      if (!all_evaluated(groups, at)) return false;
      while (!pending.empty() && pending.begin()->first < now + file_.evaluation_interval) {
        for (const AlertTest* test : pending.begin()->second) check_alerts(*test, groups);
        pending.erase(pending.begin());
      }
    }
    return true;
  }

  bool all_evaluated(const std::vector<rules::GroupStatus>& groups, base::Timestamp at) {
    bool good = true;
    for (const rules::GroupStatus& group : groups) {
      for (const rules::RuleStatus& rule : group.rules) {
        if (rule.last_error.empty()) continue;
        good = false;
        errors_.push_back(fmt::format("    rule: {}, time: {}, err: {}", rule.options.name,
                                      model::format_go_duration(at - base::from_ms(0)),
                                      rule.last_error));
      }
    }
    return good;
  }

  void check_alerts(const AlertTest& test, const std::vector<rules::GroupStatus>& groups) {
    std::vector<ExpectedAlert> got;
    for (const rules::GroupStatus& group : groups) {
      for (const rules::RuleStatus& rule : group.rules) {
        const bool alerting = rule.options.kind == rules::RuleOptions::Kind::kAlerting;
        if (!alerting || rule.options.name != test.alertname) continue;
        for (const rules::ActiveAlert& alert : rule.alerts) {
          if (alert.state == rules::AlertState::kFiring) {
            got.push_back({alert.labels, alert.annotations});
          }
        }
      }
    }
    std::vector<ExpectedAlert> expected = test.alerts;
    std::sort(expected.begin(), expected.end(), before);
    std::sort(got.begin(), got.end(), before);
    if (same(expected, got)) return;
    const std::string name = group_.name.empty() ? "" : fmt::format("    name: {},\n", group_.name);
    if (options_.diff) {
      const std::string shown = diff_alerts(expected, got);
      if (shown.empty()) return;
      errors_.push_back(fmt::format("{}    alertname: {}, time: {}, \n        diff: {}", name,
                                    test.alertname, model::format_duration(test.eval_time),
                                    indented(shown, kIndent)));
      return;
    }
    errors_.push_back(
        fmt::format("{}    alertname: {}, time: {}, \n        exp:{}, \n        got:{}", name,
                    test.alertname, model::format_duration(test.eval_time),
                    indented(describe(expected), kIndent), indented(describe(got), kIndent)));
  }

  void check_expression(const ExprTest& test) {
    const std::string where = fmt::format("    expr: {}, time: {},", model::go_quote(test.expr),
                                          model::format_duration(test.eval_time));
    StatusOr<std::vector<GotSample>> got = evaluate(test);
    if (!got.ok()) {
      errors_.push_back(fmt::format("{} err: {}", where, message(got.status())));
      return;
    }
    StatusOr<std::vector<GotSample>> expected = expected_samples(test);
    if (!expected.ok()) {
      errors_.push_back(fmt::format("{} err: {}", where, message(expected.status())));
      return;
    }
    std::stable_sort(got->begin(), got->end(), by_labels);
    std::stable_sort(expected->begin(), expected->end(), by_labels);
    if (same(*expected, *got, file_.fuzzy_compare)) return;
    errors_.push_back(fmt::format("{}\n        exp: {}\n        got: {}", where,
                                  describe(*expected), describe(*got)));
  }

  StatusOr<std::vector<GotSample>> evaluate(const ExprTest& test) {
    ASSIGN_OR_RETURN(promql::QueryResult result, engine_.instant(store_->queryable(), test.expr,
                                                                 group_.start + test.eval_time));
    std::vector<GotSample> samples;
    if (const auto* scalar = std::get_if<promql::Scalar>(&result.value)) {
      samples.push_back({{}, scalar->value, nullptr});
      return samples;
    }
    auto* vector = std::get_if<promql::Vector>(&result.value);
    if (vector == nullptr) return failed_precondition("rule result is not a vector or scalar");
    for (promql::Sample& sample : *vector) {
      samples.push_back({std::move(sample.labels), sample.value, sample.histogram});
    }
    return samples;
  }

  static StatusOr<std::vector<GotSample>> expected_samples(const ExprTest& test) {
    std::vector<GotSample> samples;
    for (const ExpectedSample& expected : test.samples) {
      GotSample sample;
      StatusOr<model::Labels> labels = model::Labels();
      if (!expected.labels.empty()) labels = promql::parse_metric(expected.labels);
      Status status = labels.status();
      if (status.ok() && !expected.histogram.empty()) {
        StatusOr<model::FloatHistogram> histogram = read_histogram(expected.histogram);
        status = histogram.status();
        if (histogram.ok()) {
          sample.histogram = std::make_shared<const model::FloatHistogram>(*std::move(histogram));
        }
      }
      if (!status.ok()) {
        return annotate(status, "labels {}", model::go_quote(expected.labels));
      }
      sample.labels = std::move(*labels);
      sample.value = expected.value;
      samples.push_back(std::move(sample));
    }
    return samples;
  }

  static StatusOr<model::FloatHistogram> read_histogram(const std::string& text) {
    ASSIGN_OR_RETURN(const promql::SeriesLine line, promql::parse_series_line("{} " + text));
    if (line.points.size() != 1) {
      return invalid_argument("expected 1 value, got {}", line.points.size());
    }
    if (line.points[0].histogram == nullptr) {
      return invalid_argument("expected histogram, got {}",
                              model::format_float(line.points[0].value));
    }
    return *line.points[0].histogram;
  }

  // Prints all that the store holds.
  void dump() {
    using std::chrono::seconds;
    const base::Duration until = std::chrono::floor<seconds>(group_.last_eval_time() + seconds(1));
    const std::string shown = model::format_go_duration(until);
    const std::string expr = fmt::format("{{__name__=~\".+\"}}[{}ms]", until.count());
    const StatusOr<promql::QueryResult> result =
        engine_.instant(store_->queryable(), expr, group_.start + until);
    if (!result.ok()) {
      fmt::print(options_.debug, "DEBUG: Failed query exec, expr: {}, err: {}\n",
                 model::go_quote(expr), message(result.status()));
      return;
    }
    fmt::print(options_.debug, "DEBUG: Dump of all data (input_series and rules) at {}:\n", shown);
    for (const promql::Series& series : std::get<promql::Matrix>(result->value)) {
      fmt::print(options_.debug, "{} =>\n", series.labels.to_string());
      for (const promql::Point& p : series.floats) {
        fmt::print(options_.debug, "{} @[{}]\n", model::format_float(p.value), p.time_ms);
      }
      for (const promql::HistogramPoint& p : series.histograms) {
        fmt::print(options_.debug, "{} @[{}]\n", promql::histogram_text(*p.histogram), p.time_ms);
      }
    }
  }

  const UnitTestFile& file_;
  const TestGroup& group_;
  const UnitTestOptions& options_;
  base::SystemClock clock_;
  NoTimers timers_;
  CallerExecutor executor_;
  base::Registry metrics_;
  promql::Engine engine_;
  InputSeries input_;
  std::unique_ptr<promql::ScriptStore> store_;
  std::unique_ptr<rules::Evaluator> evaluator_;
  std::vector<std::string> errors_;
};

}  // namespace

std::vector<std::string> run_test_group(const UnitTestFile& file, const TestGroup& group,
                                        const std::string& name, const UnitTestOptions& options) {
  const base::SystemClock clock;
  const base::SteadyTime begin = clock.steady_now();
  if (options.debug != nullptr) fmt::print(options.debug, "DEBUG: Starting test {}\n", name);
  std::vector<std::string> errors = GroupRun(file, group, options).run();
  if (options.debug != nullptr) {
    const auto took = std::chrono::duration_cast<base::Duration>(clock.steady_now() - begin);
    fmt::print(options.debug, "DEBUG: Test {} finished, took {}\n", name,
               model::format_go_duration(took));
  }
  return errors;
}

}  // namespace tocsin::app
