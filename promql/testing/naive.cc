// SPDX-License-Identifier: Apache-2.0
#include "promql/testing/naive.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "model/matcher.h"
#include "model/timestamp.h"
#include "model/value.h"
#include "promql/parser.h"
#include "promql/testing/naive_histogram.h"
#include "promql/testing/naive_parts.h"

namespace tocsin::promql::testing {

bool NaiveSample::is_stale() const {
  return model::is_stale(histogram != nullptr ? histogram->sum : value);
}

StatusOr<NaiveValue> evaluate_naively(const Expr& expr, const NaiveQuery& query, std::int64_t t,
                                      NaiveNames* names, NaiveNotes* notes) {
  std::mt19937 random(query.noise);
  const naive::Step step{query, t, notes, query.noise == 0 ? nullptr : &random, query.step_ms == 0};
  ASSIGN_OR_RETURN(NaiveValue value, naive::evaluate(expr, step));
  if (!query.delayed_names) return value;
  std::set<model::Labels> seen;
  for (NaiveElement& element : value.vector) {
    const bool drops = names->try_emplace(element.labels, element.drop_name).first->second;
    if (drops) element.labels = element.labels.without_metric_name();
    if (!seen.insert(element.labels).second) {
      return failed_precondition("vector cannot contain metrics with the same labelset");
    }
  }
  return value;
}

namespace naive {

void Step::note(std::string_view kind, const Expr& where, std::string_view text) const {
  if (notes == nullptr) return;
  if (const auto* paren = where.as<Paren>()) {
    note(kind, *paren->inner, text);
    return;
  }
  notes->insert(
      fmt::format("PromQL {}: {} ({})", kind, text, line_column(query.text, where.position.start)));
}

double Step::noisy(double v) const {
  if (random == nullptr || std::isnan(v)) return v;
  // Either the last bits are others, or they are gone, so that what is nearly equal becomes equal.
  if (query.noise % 2 == 0) {
    return std::bit_cast<double>((std::bit_cast<std::uint64_t>(v) + 8) & ~std::uint64_t{15});
  }
  return v * (1 + std::ldexp(static_cast<double>((*random)() % 9) - 4, -52));
}

long double Step::kept(long double v) const {
  const auto rounded = static_cast<double>(v);
  const bool exact = random == nullptr || query.noise % 2 != 0 || !std::isfinite(rounded);
  return exact ? v : rounded;
}

void drop_name(const Step& step, NaiveElement* element) {
  element->drop_name = true;
  if (!step.query.delayed_names) element->labels = element->labels.without_metric_name();
}

Status check_unique(const Step& step, const Vector& vector) {
  if (step.query.delayed_names) return ok();
  std::set<model::Labels> seen;
  for (const NaiveElement& element : vector) {
    if (!seen.insert(element.labels).second) {
      return failed_precondition("vector cannot contain metrics with the same labelset");
    }
  }
  return ok();
}

model::Labels project(const model::Labels& labels, const std::vector<std::string>& names,
                      bool keep) {
  model::LabelsBuilder out;
  for (const model::LabelView& label : labels) {
    const bool named = std::find(names.begin(), names.end(), label.name) != names.end();
    if (keep ? named : (!named && label.name != model::kMetricName)) {
      out.set(label.name, label.value);
    }
  }
  return out.build();
}

std::int64_t shifted(const TimeShift& shift, const Step& step) {
  std::int64_t t = step.t;
  if (shift.at == AtKind::kTimestamp) t = model::to_ms(shift.at_time);
  if (shift.at == AtKind::kStart) t = step.query.start_ms;
  if (shift.at == AtKind::kEnd) t = step.query.end_ms;
  return t - shift.offset.value.count();
}

namespace {

std::vector<NaiveSample> between(const NaiveSeries& series, std::int64_t after,
                                 std::int64_t until) {
  std::vector<NaiveSample> out;
  for (const NaiveSample& sample : series.samples) {
    if (sample.t > after && sample.t <= until && !sample.is_stale()) out.push_back(sample);
  }
  return out;
}

// Between two samples around t; a counter's reset begins at zero.
double line_at(const NaiveSample& a, const NaiveSample& b, std::int64_t t) {
  return a.value +
         (b.value - a.value) * static_cast<double>(t - a.t) / static_cast<double>(b.t - a.t);
}

std::optional<NaiveSample> smooth(const NaiveSeries& series, const Expr& expr, std::int64_t t,
                                  const Step& step) {
  const std::vector<NaiveSample> around =
      between(series, t - step.query.lookback_ms, t + step.query.lookback_ms);
  std::size_t histograms = 0;
  std::optional<NaiveSample> before, after;
  for (const NaiveSample& sample : around) {
    histograms += sample.histogram != nullptr ? 1 : 0;
    if (sample.t <= t) before = sample;
    if (sample.t >= t && !after) after = sample;
  }
  const std::string metric = model::go_quote(series.labels.metric_name());
  if (histograms > 0 && histograms < around.size()) {
    step.warn(expr, "encountered a mix of histograms and floats for metric name " + metric);
    return std::nullopt;
  }
  if (!before || before->t == t) return before;
  if (before->histogram == nullptr) {
    if (after) before->value = line_at(*before, *after, t);
    return before;
  }
  if (!after) {
    before->histogram = with_hint(*before->histogram, model::CounterResetHint::kUnknown);
    return before;
  }
  const auto gauge = model::CounterResetHint::kGauge;
  const bool counter =
      before->histogram->reset_hint != gauge || after->histogram->reset_hint != gauge;
  const HistogramPtr value = histogram_between(*before, *after, t, counter, expr, step);
  if (value == nullptr) {
    step.warn(expr,
              "vector contains a mix of histograms with exponential and custom buckets schemas "
              "for metric name " +
                  metric);
    return std::nullopt;
  }
  before->histogram = value;
  return before;
}

StatusOr<Windows> subquery_windows(const Subquery& subquery, const Expr& expr, const Step& step) {
  Windows out;
  out.expr = &expr;
  out.end_ms = shifted(subquery.shift, step);
  out.start_ms = out.end_ms - subquery.range.value.count();
  out.seconds = static_cast<double>(subquery.range.value.count()) / 1000;
  const std::int64_t every =
      subquery.has_step ? subquery.step.value.count() : step.query.subquery_step_ms;
  std::map<std::pair<model::Labels, bool>, std::vector<NaiveSample>> found;
  std::vector<std::pair<model::Labels, bool>> order;
  const std::int64_t begin = step.after(out.start_ms);
  std::int64_t t = begin - begin % every;
  while (t > begin) t -= every;
  while (t <= begin) t += every;
  for (; t <= out.end_ms; t += every) {
    ASSIGN_OR_RETURN(const NaiveValue inner, evaluate(*subquery.inner, step.at(t)));
    for (const NaiveElement& element : inner.vector) {
      NaiveSample sample{t, element.sample.value, element.sample.histogram, 0};
      if (sample.histogram != nullptr &&
          sample.histogram->reset_hint != model::CounterResetHint::kGauge) {
        sample.histogram = with_hint(*sample.histogram, model::CounterResetHint::kUnknown);
      }
      const std::pair<model::Labels, bool> key{element.labels, element.drop_name};
      if (!found.contains(key)) order.push_back(key);
      found[key].push_back(sample);
    }
  }
  std::sort(order.begin(), order.end());
  for (const auto& key : order) out.series.push_back({key.first, key.second, found[key]});
  return out;
}

}  // namespace

Vector select(const VectorSelector& selector, const Expr& expr, const Step& step) {
  const std::int64_t t = shifted(selector.shift, step);
  Vector out;
  for (const NaiveSeries& series : step.query.data) {
    if (!model::matches_all(selector.matchers, series.labels)) continue;
    if (selector.mode == RangeMode::kSmoothed) {
      const std::optional<NaiveSample> sample = smooth(series, expr, t, step);
      if (sample) out.push_back({series.labels, *sample, false});
      continue;
    }
    const NaiveSample* newest = nullptr;
    for (const NaiveSample& sample : series.samples) {
      if (sample.t > step.after(t - step.query.lookback_ms) && sample.t <= t) newest = &sample;
    }
    if (newest != nullptr && !newest->is_stale()) out.push_back({series.labels, *newest, false});
  }
  return out;
}

StatusOr<Windows> windows_of(const Expr& range, const Step& step) {
  if (const auto* paren = range.as<Paren>()) return windows_of(*paren->inner, step);
  if (const auto* subquery = range.as<Subquery>()) return subquery_windows(*subquery, range, step);
  const auto* matrix = range.as<MatrixSelector>();
  if (matrix == nullptr) return unimplemented("naive: range vector");
  const auto& selector = *matrix->vector->as<VectorSelector>();
  Windows out;
  out.expr = &range;
  out.mode = selector.mode;
  out.end_ms = shifted(selector.shift, step);
  out.start_ms = out.end_ms - matrix->range.value.count();
  out.seconds = static_cast<double>(matrix->range.value.count()) / 1000;
  const std::int64_t lookback = step.query.lookback_ms;
  const std::int64_t before = selector.mode == RangeMode::kPlain ? 0 : lookback;
  const std::int64_t after = selector.mode == RangeMode::kSmoothed ? lookback : 0;
  for (const NaiveSeries& series : step.query.data) {
    if (!model::matches_all(selector.matchers, series.labels)) continue;
    const std::int64_t begin = step.after(out.start_ms) - before;
    Window window{series.labels, false, between(series, begin, out.end_ms + after)};
    if (!window.samples.empty()) out.series.push_back(std::move(window));
  }
  return out;
}

namespace {

StatusOr<NaiveValue> negated(const Unary& unary, const Step& step) {
  ASSIGN_OR_RETURN(NaiveValue value, evaluate(*unary.inner, step));
  if (!unary.negate) return value;
  value.number = -value.number;
  for (NaiveElement& element : value.vector) {
    drop_name(step, &element);
    element.sample.value = -element.sample.value;
    if (element.sample.histogram != nullptr) {
      element.sample.histogram = scaled(*element.sample.histogram, -1);
    }
  }
  RETURN_IF_ERROR(check_unique(step, value.vector));
  return value;
}

}  // namespace

StatusOr<NaiveValue> evaluate(const Expr& expr, const Step& step) {
  NaiveValue out;
  if (const auto* paren = expr.as<Paren>()) return evaluate(*paren->inner, step);
  if (const auto* number = expr.as<NumberLiteral>()) {
    out.type = ValueType::kScalar;
    out.number = number->value;
    return out;
  }
  if (const auto* text = expr.as<StringLiteral>()) {
    out.type = ValueType::kString;
    out.text = text->value;
    return out;
  }
  if (const auto* selector = expr.as<VectorSelector>()) {
    out.vector = select(*selector, expr, step);
    for (NaiveElement& element : out.vector) element.sample.t = step.t;
    return out;
  }
  if (const auto* call = expr.as<Call>()) return call_function(*call, expr, step);
  if (const auto* aggregation = expr.as<Aggregate>()) return aggregate(*aggregation, expr, step);
  if (const auto* binary = expr.as<Binary>()) return operate(*binary, expr, step);
  if (const auto* unary = expr.as<Unary>()) return negated(*unary, step);
  return unimplemented("naive: expression");
}

StatusOr<Vector> evaluate_vector(const Expr& expr, const Step& step) {
  ASSIGN_OR_RETURN(NaiveValue value, evaluate(expr, step));
  return std::move(value.vector);
}

StatusOr<double> evaluate_scalar(const Expr& expr, const Step& step) {
  ASSIGN_OR_RETURN(const NaiveValue value, evaluate(expr, step));
  return value.number;
}

}  // namespace naive

}  // namespace tocsin::promql::testing
