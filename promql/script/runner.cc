// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>
#include <utility>

#include "base/time.h"
#include "model/value.h"
#include "promql/parser.h"
#include "promql/script.h"
#include "promql/script/commands.h"
#include "promql/script/compare.h"
#include "promql/script/nhcb.h"

namespace tocsin::promql {

namespace {

using script::Evaluate;
using Item = SeriesLine::Item;

constexpr std::int64_t kMinuteMs = 60'000;

EngineOptions script_engine_options() {
  EngineOptions options;
  options.max_samples = 10'000;
  options.delayed_name_removal = true;
  options.use_start_timestamps = true;
  options.parser.experimental_functions = true;
  options.parser.duration_expressions = true;
  options.parser.extended_range_selectors = true;
  options.parser.fill_modifiers = true;
  return options;
}

void visit(const Expr& expr, const std::function<void(const Expr&)>& f) {
  f(expr);
  for (const Expr* child : expr.children()) visit(*child, f);
}

bool calls_any(const Expr& expr, std::initializer_list<std::string_view> names) {
  bool found = false;
  visit(expr, [&](const Expr& e) {
    const Call* call = e.as<Call>();
    if (call == nullptr) return;
    found = found || std::find(names.begin(), names.end(), call->function->name) != names.end();
  });
  return found;
}

// Pins every selector and subquery that has no fixed time, except inside a subquery that is pinned.
void pin(Expr* expr, std::int64_t at_ms) {
  auto set = [&](TimeShift* shift) {
    if (shift->at == AtKind::kTimestamp) return;
    shift->at = AtKind::kTimestamp;
    shift->at_time = model::from_ms(at_ms);
  };
  auto walk = [&](const ExprPtr& child) {
    if (child != nullptr) pin(child.get(), at_ms);
  };
  if (auto* selector = expr->as<VectorSelector>()) {
    set(&selector->shift);
  } else if (auto* subquery = expr->as<Subquery>()) {
    set(&subquery->shift);  // what is inside is pinned by it
  } else if (auto* matrix = expr->as<MatrixSelector>()) {
    walk(matrix->vector);
  } else if (auto* paren = expr->as<Paren>()) {
    walk(paren->inner);
  } else if (auto* unary = expr->as<Unary>()) {
    walk(unary->inner);
  } else if (auto* binary = expr->as<Binary>()) {
    walk(binary->left);
    walk(binary->right);
  } else if (auto* aggregate = expr->as<Aggregate>()) {
    walk(aggregate->parameter);
    walk(aggregate->inner);
  } else if (auto* call = expr->as<Call>()) {
    for (const ExprPtr& argument : call->arguments) walk(argument);
  }
}

// Whether the query names its own range or step, in a function, an @ or a duration.
bool names_the_range(std::string_view query) {
  for (std::string_view name : {"start()", "end()", "range()", "step()"}) {
    if (query.find(name) != std::string_view::npos) return true;
  }
  return false;
}

struct Form {
  std::string query;
  std::int64_t at_ms = 0;
};

// The evaluation as given, then pinned to its time and evaluated at others, where the result must
// be the same.
std::vector<Form> instant_forms(const Evaluate& eval) {
  const std::int64_t t = eval.times.start_ms;
  std::vector<Form> forms = {{eval.query, t}};
  if (calls_any(*eval.expr, {"day_of_month", "day_of_week", "day_of_year", "days_in_month", "end",
                             "hour", "minute", "month", "predict_linear", "range", "start", "step",
                             "time", "timestamp", "year"})) {
    return forms;
  }
  const ExprPtr pinned = eval.expr->clone();
  pin(pinned.get(), t);
  const std::string query = to_string(*pinned);
  const std::vector<std::int64_t> times =
      t == 0 ? std::vector<std::int64_t>{-1000, 0, 1000}
             : std::vector<std::int64_t>{-10 * t, 0, t / 5, t, 10 * t};
  for (std::int64_t at : times) forms.push_back({query, at});
  return forms;
}

class Runner {
 public:
  explicit Runner(const ScriptStoreFactory& make_store)
      : make_store_(make_store), engine_(script_engine_options(), {clock_, nullptr, nullptr}) {}

  StatusOr<ScriptResult> run(const std::vector<script::Command>& commands) {
    RETURN_IF_ERROR(clear());
    for (const script::Command& command : commands) {
      if (const auto* load_command = std::get_if<script::Load>(&command)) {
        RETURN_IF_ERROR(load(*load_command));
      } else if (const auto* eval = std::get_if<Evaluate>(&command)) {
        evaluate(*eval);
      } else {
        RETURN_IF_ERROR(clear());
      }
    }
    return std::move(result_);
  }

 private:
  Status clear() {
    store_.reset();
    ASSIGN_OR_RETURN(store_, make_store_());
    return ok();
  }

  Status load(const script::Load& load) {
    std::vector<script::LoadedSeries> converted;
    if (load.with_nhcb) {
      for (SeriesLine& line : script::make_nhcb_series(load.series)) {
        converted.push_back({std::move(line), {}});
      }
    }
    for (const Part part : {Part::kFirst, Part::kSecond}) {
      auto appender = store_->appendable().appender();
      for (const std::vector<script::LoadedSeries>* all :
           {&load.series, &std::as_const(converted)}) {
        for (const script::LoadedSeries& series : *all) {
          RETURN_IF_ERROR(append(*appender, series, part, load.step_ms));
        }
      }
      RETURN_IF_ERROR(storage::commit_and_wait(*appender));
      RETURN_IF_ERROR(part == Part::kFirst ? store_->pause() : store_->loaded());
    }
    return ok();
  }

  enum class Part { kFirst, kSecond };

  Status append(storage::Appender& appender, const script::LoadedSeries& series, Part part,
                std::int64_t step_ms) {
    storage::SeriesRef ref;
    const std::vector<Item>& points = series.line.points;
    // Histograms stay together: of the first after a break a store does not know whether it is one
    // after a reset, and scripts may ask.
    const bool whole = std::any_of(points.begin(), points.end(), [](const Item& item) {
      return item.kind == Item::Kind::kHistogram;
    });
    const std::size_t middle = whole ? 0 : points.size() / 2;
    const std::size_t begin = part == Part::kFirst ? 0 : middle;
    const std::size_t end = part == Part::kFirst ? middle : points.size();
    for (std::size_t i = begin; i < end; ++i) {
      const Item& item = series.line.points[i];
      if (item.kind == Item::Kind::kGap) continue;
      const std::int64_t t = static_cast<std::int64_t>(i) * step_ms;
      storage::AppendOptions options;
      if (!series.start_offsets.empty() && series.start_offsets[i]) {
        options.start = model::from_ms(t + *series.start_offsets[i]);
      }
      const double value = item.kind == Item::Kind::kStale ? model::stale_nan() : item.value;
      auto appended =
          item.kind == Item::Kind::kHistogram
              ? appender.append_histogram(ref, series.line.labels, model::from_ms(t),
                                          *item.histogram, options)
              : appender.append(ref, series.line.labels, model::from_ms(t), value, options);
      if (!appended.ok()) {
        return annotate(appended.status(), "{}", series.line.labels.to_series_string());
      }
      ref = appended->ref;
    }
    return ok();
  }

  void evaluate(const Evaluate& eval) {
    ++result_.total;
    const std::string difference = eval.instant ? run_instant(eval) : run_range(eval);
    if (difference.empty()) {
      ++result_.passed;
    } else {
      result_.failures.push_back({eval.line, fmt::format("{}: {}", eval.query, difference)});
    }
  }

  // "" when `result` is as expected; `value` is compared unless an error was expected.
  std::string judge(const Evaluate& eval, const StatusOr<QueryResult>& result) {
    if (!result.ok()) {
      const std::string_view text = message(result.status());
      if (!eval.fail) return fmt::format("error: {}", text);
      return eval.failure.matches(text) ? "" : fmt::format("another error: {}", text);
    }
    if (eval.fail) return "expected an error";
    std::string difference = script::compare_annotations(eval, result->annotations);
    return difference.empty() ? script::compare_value(eval, result->value) : difference;
  }

  std::string run_range(const Evaluate& eval) {
    const StatusOr<QueryResult> result =
        engine_.range(store_->queryable(), eval.query, model::from_ms(eval.times.start_ms),
                      model::from_ms(eval.times.end_ms), model::Duration(eval.times.step_ms));
    std::string difference = judge(eval, result);
    if (!difference.empty() || !result.ok()) return difference;
    return script::check_order(std::get<Matrix>(result->value));
  }

  std::string run_instant(const Evaluate& eval) {
    for (const Form& form : instant_forms(eval)) {
      const StatusOr<QueryResult> result =
          engine_.instant(store_->queryable(), form.query, model::from_ms(form.at_ms));
      std::string difference = judge(eval, result);
      if (difference.empty() && result.ok()) difference = as_middle_step(eval, form, result->value);
      if (!difference.empty()) {
        return fmt::format("{} (as {} at {} ms)", difference, form.query, form.at_ms);
      }
    }
    return "";
  }

  // The same as the middle one of three steps of a range query.
  std::string as_middle_step(const Evaluate& eval, const Form& form, const Value& value) {
    const bool comparable =
        std::holds_alternative<Vector>(value) || std::holds_alternative<Scalar>(value);
    if (!comparable || names_the_range(form.query)) return "";
    const StatusOr<QueryResult> result =
        engine_.range(store_->queryable(), form.query, model::from_ms(form.at_ms - kMinuteMs),
                      model::from_ms(form.at_ms + kMinuteMs), model::Duration(kMinuteMs));
    if (!result.ok()) return fmt::format("as a range: {}", message(result.status()));
    if (eval.ordered) return "";
    const Matrix& matrix = std::get<Matrix>(result->value);
    if (std::string wrong = script::check_order(matrix); !wrong.empty()) return wrong;
    Vector middle;
    for (const Series& series : matrix) {
      for (const Point& p : series.floats) {
        if (p.time_ms == form.at_ms) middle.push_back({series.labels, p.time_ms, p.value, nullptr});
      }
      for (const HistogramPoint& p : series.histograms) {
        if (p.time_ms == form.at_ms) middle.push_back({series.labels, p.time_ms, 0, p.histogram});
      }
    }
    const bool scalar = std::holds_alternative<Scalar>(value);
    if (scalar && middle.size() != 1) return "as a range: no middle step";
    std::string difference = script::compare_value(
        eval, scalar ? Value(Scalar{form.at_ms, middle[0].value}) : Value(std::move(middle)));
    return difference.empty() ? "" : "as a range: " + difference;
  }

  const ScriptStoreFactory& make_store_;
  const base::SystemClock clock_;
  Engine engine_;
  std::unique_ptr<ScriptStore> store_;
  ScriptResult result_;
};

}  // namespace

StatusOr<ScriptResult> run_script(std::string_view text, std::string_view file,
                                  const ScriptStoreFactory& make_store) {
  const EngineOptions options = script_engine_options();
  ASSIGN_OR_RETURN(const std::vector<script::Command> commands,
                   script::parse_script(text, file, options.parser));
  return Runner(make_store).run(commands);
}

}  // namespace tocsin::promql
