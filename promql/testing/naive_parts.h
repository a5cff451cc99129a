// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the naive evaluator share: one step of one query, its windows and its sums.
//
// Borrows: the query and the notes. Values; confined.
#pragma once

#include <optional>
#include <string_view>

#include "promql/testing/naive.h"

namespace tocsin::promql::testing::naive {

using Vector = std::vector<NaiveElement>;

// One evaluation at one time.
struct Step {
  const NaiveQuery& query;
  std::int64_t t = 0;
  NaiveNotes* notes = nullptr;     // may be null
  std::mt19937* random = nullptr;  // set with noise
  bool single = false;             // an instant query, outside subqueries: order matters

  void warn(const Expr& where, std::string_view text) const { note("warning", where, text); }
  void info(const Expr& where, std::string_view text) const { note("info", where, text); }
  void note(std::string_view kind, const Expr& where, std::string_view text) const;
  double noisy(double v) const;
  // An intermediate result: exact, or with half of the noises what a double keeps of it.
  long double kept(long double v) const;
  // Inside a subquery.
  Step at(std::int64_t other) const { return {query, other, notes, random, false}; }
  // What a window or the lookback begins after; before 3 the begin belonged to it.
  std::int64_t after(std::int64_t begin) const { return query.before_3 ? begin - 1 : begin; }
};

// A range vector's series in one window, (start_ms, end_ms]; anchored and smoothed ones have
// samples from outside.
struct Window {
  model::Labels labels;
  bool drop_name = false;
  std::vector<NaiveSample> samples;
};
struct Windows {
  std::int64_t start_ms = 0, end_ms = 0;
  double seconds = 0;
  RangeMode mode = RangeMode::kPlain;
  const Expr* expr = nullptr;
  std::vector<Window> series;
};

StatusOr<NaiveValue> evaluate(const Expr& expr, const Step& step);
StatusOr<Vector> evaluate_vector(const Expr& expr, const Step& step);
StatusOr<double> evaluate_scalar(const Expr& expr, const Step& step);
StatusOr<NaiveValue> call_function(const Call& call, const Expr& expr, const Step& step);
StatusOr<NaiveValue> aggregate(const Aggregate& aggregate, const Expr& expr, const Step& step);
StatusOr<NaiveValue> operate(const Binary& binary, const Expr& expr, const Step& step);
StatusOr<Vector> add_info_labels(const Call& call, const Step& step);
// histogram_quantile(), histogram_quantiles() and histogram_fraction().
StatusOr<Vector> ask_histograms(const Call& call, const Step& step);

// The instant vector of a selector; smoothed ones too.
Vector select(const VectorSelector& selector, const Expr& expr, const Step& step);
StatusOr<Windows> windows_of(const Expr& range, const Step& step);
std::int64_t shifted(const TimeShift& shift, const Step& step);

// What a range function makes of one window; nothing: no result.
struct RangeCall {
  std::string_view name;
  const Call& call;
  const Windows& windows;
  std::vector<double> parameters;
  const Step& step;
};
StatusOr<std::optional<NaiveSample>> apply_range(const RangeCall& f, const Window& window);
std::optional<NaiveSample> extended_rate(const RangeCall& f, const Window& window);
std::optional<NaiveSample> histogram_rate(const RangeCall& f, const Window& window);

// Names and duplicates.
void drop_name(const Step& step, NaiveElement* element);
Status check_unique(const Step& step, const Vector& vector);
model::Labels project(const model::Labels& labels, const std::vector<std::string>& names,
                      bool keep);

// Numbers.
double sum_of(const std::vector<double>& values, const Step& step);
double mean_of(const std::vector<double>& values, const Step& step);
double variance_of(const std::vector<double>& values, const Step& step);
double quantile_of(double q, std::vector<double> values);
std::string quantile_text(double q);
// A start timestamp that says the counter began anew between the two samples.
bool started_anew(const NaiveSample& before, const NaiveSample& now);
double operate_numbers(BinaryOp op, double a, double b);

}  // namespace tocsin::promql::testing::naive
