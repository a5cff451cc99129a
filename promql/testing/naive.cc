// SPDX-License-Identifier: Apache-2.0
#include "promql/testing/naive.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "model/timestamp.h"
#include "model/value.h"

namespace tocsin::promql::testing {

namespace {

using Samples = std::vector<std::pair<std::int64_t, double>>;
using Vector = std::map<model::Labels, double>;

struct WindowedSeries {
  model::Labels labels;
  Samples samples;
};

Status put(Vector* vector, const model::Labels& labels, double value) {
  if (vector->emplace(labels, value).second) return ok();
  return failed_precondition("vector cannot contain metrics with the same labelset");
}

bool keeps_name(std::string_view function) {
  return function == "last_over_time" || function == "first_over_time";
}

double quantile_of(double q, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const double rank = q * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(std::floor(rank));
  const std::size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (values[high] - values[low]) * (rank - std::floor(rank));
}

long double total_of(const Samples& samples) {
  long double sum = 0;
  for (const auto& [t, v] : samples) sum += v;
  return sum;
}

double increase_of(const Samples& samples, bool counter) {
  long double increase = 0;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    const double before = samples[i - 1].second;
    const double now = samples[i].second;
    increase += counter && now < before ? now : static_cast<long double>(now) - before;
  }
  return static_cast<double>(increase);
}

// The increase between first and last sample, continued to the borders as the documentation of
// rate() says.
double extrapolate(const Samples& s, std::int64_t start_ms, std::int64_t end_ms, bool counter) {
  const double change = increase_of(s, counter);
  const double covered = static_cast<double>(s.back().first - s.front().first);
  const double gap = covered / static_cast<double>(s.size() - 1);
  double before = static_cast<double>(s.front().first - start_ms);
  double after = static_cast<double>(end_ms - s.back().first);
  if (before >= 1.1 * gap) before = gap / 2;
  if (counter && change > 0 && s.front().second >= 0) {
    before = std::min(before, covered * s.front().second / change);
  }
  if (after >= 1.1 * gap) after = gap / 2;
  return change * (covered + before + after) / covered;
}

double slope_of(const Samples& s, double* mean_x, double* mean_y) {
  long double n = 0, sx = 0, sy = 0, sxy = 0, sxx = 0;
  for (const auto& [t, v] : s) {
    const long double x = static_cast<long double>(t - s[0].first) / 1000;
    n += 1;
    sx += x;
    sy += v;
    sxy += x * v;
    sxx += x * x;
  }
  *mean_x = static_cast<double>(sx / n);
  *mean_y = static_cast<double>(sy / n);
  return static_cast<double>((sxy - sx * sy / n) / (sxx - sx * sx / n));
}

struct Kernel {
  std::int64_t start_ms = 0, end_ms = 0, t = 0;
  double parameter = 0;
};

// False: no result for this window.
StatusOr<bool> apply(std::string_view f, const Samples& s, const Kernel& k, double* out) {
  const double n = static_cast<double>(s.size());
  const bool pair = s.size() >= 2;
  std::vector<double> values;
  for (const auto& [t, v] : s) values.push_back(v);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  if (f == "sum_over_time") return *out = static_cast<double>(total_of(s)), true;
  if (f == "avg_over_time") return *out = static_cast<double>(total_of(s) / n), true;
  if (f == "count_over_time") return *out = n, true;
  if (f == "min_over_time") return *out = *low, true;
  if (f == "max_over_time") return *out = *high, true;
  if (f == "last_over_time") return *out = values.back(), true;
  if (f == "first_over_time") return *out = values.front(), true;
  if (f == "present_over_time") return *out = 1, true;
  if (f == "quantile_over_time") return *out = quantile_of(k.parameter, values), true;
  if (f == "stdvar_over_time") {
    const long double mean = total_of(s) / n;
    long double squares = 0;
    for (double v : values) squares += (v - mean) * (v - mean);
    return *out = static_cast<double>(squares / n), true;
  }
  if (f == "changes" || f == "resets") {
    *out = 0;
    for (std::size_t i = 1; i < values.size(); ++i) {
      const bool hit = f == "changes" ? values[i] != values[i - 1] : values[i] < values[i - 1];
      *out += hit ? 1 : 0;
    }
    return true;
  }
  if (!pair) return false;
  const double seconds = static_cast<double>(k.end_ms - k.start_ms) / 1000;
  if (f == "increase") return *out = extrapolate(s, k.start_ms, k.end_ms, true), true;
  if (f == "rate") return *out = extrapolate(s, k.start_ms, k.end_ms, true) / seconds, true;
  if (f == "delta") return *out = extrapolate(s, k.start_ms, k.end_ms, false), true;
  const Samples last(s.end() - 2, s.end());
  const double interval = static_cast<double>(last[1].first - last[0].first) / 1000;
  if (f == "irate") return *out = increase_of(last, true) / interval, true;
  if (f == "idelta") return *out = increase_of(last, false), true;
  double mean_x = 0, mean_y = 0;
  const double slope = slope_of(s, &mean_x, &mean_y);
  if (f == "deriv") return *out = slope, true;
  if (f == "predict_linear") {
    const double x = static_cast<double>(k.t - s[0].first) / 1000 + k.parameter;
    return *out = mean_y + slope * (x - mean_x), true;
  }
  return unimplemented("naive: {}", f);
}

class Naive {
 public:
  Naive(const NaiveQuery& query, std::int64_t t) : query_(query), t_(t) {}

  StatusOr<NaiveValue> eval(const Expr& expr) {
    if (const auto* paren = expr.as<Paren>()) return eval(*paren->inner);
    if (const auto* number = expr.as<NumberLiteral>()) return NaiveValue{true, number->value, {}};
    if (const auto* selector = expr.as<VectorSelector>()) return select(*selector);
    if (const auto* call = expr.as<Call>()) return function(*call);
    if (const auto* aggregate = expr.as<Aggregate>()) return aggregated(*aggregate);
    if (const auto* binary = expr.as<Binary>()) return operation(*binary);
    if (const auto* unary = expr.as<Unary>()) return negated(*unary);
    return unimplemented("naive: expression");
  }

 private:
  std::int64_t shifted(const TimeShift& shift) const {
    std::int64_t t = t_;
    if (shift.at == AtKind::kTimestamp) t = model::to_ms(shift.at_time);
    if (shift.at == AtKind::kStart) t = query_.start_ms;
    if (shift.at == AtKind::kEnd) t = query_.end_ms;
    return t - shift.offset.value.count();
  }

  StatusOr<NaiveValue> select(const VectorSelector& selector) const {
    const std::int64_t t = shifted(selector.shift);
    NaiveValue result;
    for (const NaiveSeries& series : query_.data) {
      if (!model::matches_all(selector.matchers, series.labels)) continue;
      const std::pair<std::int64_t, double>* newest = nullptr;
      for (const auto& sample : series.samples) {
        if (sample.first > t - query_.lookback_ms && sample.first <= t) newest = &sample;
      }
      if (newest != nullptr && !model::is_stale(newest->second)) {
        result.vector[series.labels] = newest->second;
      }
    }
    return result;
  }

  StatusOr<std::vector<WindowedSeries>> windows(const Expr& expr, Kernel* kernel) {
    if (const auto* matrix = expr.as<MatrixSelector>()) {
      const auto& selector = *matrix->vector->as<VectorSelector>();
      kernel->end_ms = shifted(selector.shift);
      kernel->start_ms = kernel->end_ms - matrix->range.value.count();
      return stored(selector, *kernel);
    }
    const auto* subquery = expr.as<Subquery>();
    if (subquery == nullptr) return unimplemented("naive: range vector");
    kernel->end_ms = shifted(subquery->shift);
    kernel->start_ms = kernel->end_ms - subquery->range.value.count();
    const std::int64_t step = subquery->has_step ? subquery->step.value.count() : 60'000;
    std::map<model::Labels, Samples> found;
    for (std::int64_t t = kernel->start_ms + 1; t <= kernel->end_ms; ++t) {
      if (t % step != 0) continue;
      ASSIGN_OR_RETURN(const NaiveValue inner, evaluate_naively(*subquery->inner, query_, t));
      for (const auto& [labels, v] : inner.vector) found[labels].emplace_back(t, v);
    }
    std::vector<WindowedSeries> out;
    for (auto& [labels, samples] : found) out.push_back({labels, samples});
    return out;
  }

  std::vector<WindowedSeries> stored(const VectorSelector& selector, const Kernel& kernel) const {
    std::vector<WindowedSeries> out;
    for (const NaiveSeries& series : query_.data) {
      if (!model::matches_all(selector.matchers, series.labels)) continue;
      WindowedSeries window{series.labels, {}};
      for (const auto& [t, v] : series.samples) {
        if (t > kernel.start_ms && t <= kernel.end_ms && !model::is_stale(v)) {
          window.samples.emplace_back(t, v);
        }
      }
      if (!window.samples.empty()) out.push_back(std::move(window));
    }
    return out;
  }

  StatusOr<NaiveValue> function(const Call& call) {
    const std::string_view name = call.function->name;
    Kernel kernel;
    kernel.t = t_;
    const Expr* range = nullptr;
    for (const ExprPtr& argument : call.arguments) {
      if (argument->type() == ValueType::kMatrix) {
        range = argument.get();
      } else if (argument->type() == ValueType::kScalar) {
        ASSIGN_OR_RETURN(const NaiveValue scalar, eval(*argument));
        kernel.parameter = scalar.number;
      }
    }
    if (range == nullptr) return elementwise(call, kernel.parameter);
    ASSIGN_OR_RETURN(const std::vector<WindowedSeries> all, windows(*range, &kernel));
    NaiveValue result;
    for (const WindowedSeries& series : all) {
      double value = 0;
      ASSIGN_OR_RETURN(const bool any, apply(name, series.samples, kernel, &value));
      if (!any) continue;
      RETURN_IF_ERROR(put(&result.vector,
                          keeps_name(name) ? series.labels : series.labels.without_metric_name(),
                          value));
    }
    return result;
  }

  StatusOr<NaiveValue> elementwise(const Call& call, double parameter) {
    const std::string_view name = call.function->name;
    if (name == "time") return NaiveValue{true, static_cast<double>(t_) / 1000, {}};
    ASSIGN_OR_RETURN(const NaiveValue in, eval(*call.arguments[0]));
    NaiveValue out;
    if (name == "vector") {
      out.vector[model::Labels()] = in.number;
      return out;
    }
    if (name == "scalar") {
      return NaiveValue{true, in.vector.size() == 1 ? in.vector.begin()->second : std::nan(""), {}};
    }
    for (const auto& [labels, v] : in.vector) {
      double result = 0;
      if (name == "abs") {
        result = std::fabs(v);
      } else if (name == "clamp_max") {
        result = std::min(v, parameter);
      } else if (name == "sqrt") {
        result = std::sqrt(v);
      } else {
        return unimplemented("naive: {}", name);
      }
      RETURN_IF_ERROR(put(&out.vector, labels.without_metric_name(), result));
    }
    return out;
  }

  StatusOr<NaiveValue> negated(const Unary& unary) {
    ASSIGN_OR_RETURN(NaiveValue in, eval(*unary.inner));
    if (!unary.negate) return in;
    NaiveValue out{in.scalar, -in.number, {}};
    for (const auto& [labels, v] : in.vector) {
      RETURN_IF_ERROR(put(&out.vector, labels.without_metric_name(), -v));
    }
    return out;
  }

  static model::Labels project(const model::Labels& labels, const std::vector<std::string>& names,
                               bool keep) {
    model::LabelsBuilder out;
    for (const model::LabelView& label : labels) {
      const bool named = std::find(names.begin(), names.end(), label.name) != names.end();
      if (keep ? named : (!named && label.name != model::kMetricName))
        out.set(label.name, label.value);
    }
    return out.build();
  }

  StatusOr<NaiveValue> aggregated(const Aggregate& aggregate) {
    ASSIGN_OR_RETURN(const NaiveValue in, eval(*aggregate.inner));
    double parameter = 0;
    if (aggregate.parameter != nullptr) {
      ASSIGN_OR_RETURN(const NaiveValue p, eval(*aggregate.parameter));
      parameter = p.number;
    }
    std::map<model::Labels, std::vector<std::pair<double, model::Labels>>> groups;
    for (const auto& [labels, v] : in.vector) {
      groups[project(labels, aggregate.grouping, !aggregate.without)].emplace_back(v, labels);
    }
    NaiveValue out;
    for (auto& [labels, members] : groups) {
      if (aggregate.op == AggregateOp::kTopk || aggregate.op == AggregateOp::kBottomk) {
        const bool top = aggregate.op == AggregateOp::kTopk;
        std::stable_sort(members.begin(), members.end(), [&](const auto& a, const auto& b) {
          return top ? a.first > b.first : a.first < b.first;
        });
        for (std::size_t i = 0; i < members.size() && static_cast<double>(i) < parameter; ++i) {
          out.vector[members[i].second] = members[i].first;
        }
        continue;
      }
      ASSIGN_OR_RETURN(out.vector[labels], fold(aggregate.op, members, parameter));
    }
    return out;
  }

  static StatusOr<double> fold(AggregateOp op,
                               const std::vector<std::pair<double, model::Labels>>& members,
                               double parameter) {
    Samples samples;
    for (const auto& [v, labels] : members) samples.emplace_back(0, v);
    const char* name = op == AggregateOp::kSum        ? "sum_over_time"
                       : op == AggregateOp::kAvg      ? "avg_over_time"
                       : op == AggregateOp::kCount    ? "count_over_time"
                       : op == AggregateOp::kMin      ? "min_over_time"
                       : op == AggregateOp::kMax      ? "max_over_time"
                       : op == AggregateOp::kStdvar   ? "stdvar_over_time"
                       : op == AggregateOp::kQuantile ? "quantile_over_time"
                                                      : "none";
    double value = 0;
    Kernel kernel;
    kernel.parameter = parameter;
    RETURN_IF_ERROR(apply(name, samples, kernel, &value).status());
    return value;
  }

  static double number(BinaryOp op, double a, double b) {
    switch (op) {
      case BinaryOp::kAdd:
        return a + b;
      case BinaryOp::kSub:
        return a - b;
      case BinaryOp::kMul:
        return a * b;
      case BinaryOp::kDiv:
        return a / b;
      case BinaryOp::kGt:
        return a > b ? 1 : 0;
      case BinaryOp::kLt:
        return a < b ? 1 : 0;
      case BinaryOp::kEq:
        return a == b ? 1 : 0;
      default:
        return std::nan("");
    }
  }

  StatusOr<NaiveValue> operation(const Binary& binary) {
    ASSIGN_OR_RETURN(const NaiveValue left, eval(*binary.left));
    ASSIGN_OR_RETURN(const NaiveValue right, eval(*binary.right));
    if (left.scalar && right.scalar) {
      return NaiveValue{true, number(binary.op, left.number, right.number), {}};
    }
    if (!left.scalar && !right.scalar) {
      return is_set_operator(binary.op) ? set_operation(binary, left.vector, right.vector)
                                        : matched(binary, left.vector, right.vector);
    }
    const bool comparison = is_comparison(binary.op);
    NaiveValue out;
    for (const auto& [labels, v] : left.scalar ? right.vector : left.vector) {
      const double result =
          left.scalar ? number(binary.op, left.number, v) : number(binary.op, v, right.number);
      if (comparison && !binary.return_bool) {
        if (result == 1) out.vector[labels] = v;
        continue;
      }
      RETURN_IF_ERROR(put(&out.vector, labels.without_metric_name(), result));
    }
    return out;
  }

  static model::Labels signature(const Binary& binary, const model::Labels& labels) {
    return project(labels, binary.matching->labels, binary.matching->on);
  }

  static NaiveValue set_operation(const Binary& binary, const Vector& left, const Vector& right) {
    std::set<model::Labels> in_left, in_right;
    for (const auto& [labels, v] : left) in_left.insert(signature(binary, labels));
    for (const auto& [labels, v] : right) in_right.insert(signature(binary, labels));
    NaiveValue out;
    for (const auto& [labels, v] : left) {
      const bool both = in_right.contains(signature(binary, labels));
      if (binary.op == BinaryOp::kOr || both == (binary.op == BinaryOp::kAnd))
        out.vector[labels] = v;
    }
    if (binary.op != BinaryOp::kOr) return out;
    for (const auto& [labels, v] : right) {
      if (!in_left.contains(signature(binary, labels))) out.vector[labels] = v;
    }
    return out;
  }

  static StatusOr<NaiveValue> matched(const Binary& binary, const Vector& left,
                                      const Vector& right) {
    const Cardinality card = binary.matching->cardinality;
    NaiveValue out;
    std::set<model::Labels> used;
    if (left.empty() || right.empty()) return out;
    const Vector& many = card == Cardinality::kOneToMany ? right : left;
    const Vector& one = card == Cardinality::kOneToMany ? left : right;
    for (const auto& [a, va] : one) {
      for (const auto& [b, vb] : one) {
        if (a != b && signature(binary, a) == signature(binary, b))
          return failed_precondition("duplicates");
      }
    }
    for (const auto& [labels, v] : many) {
      for (const auto& [other, w] : one) {
        if (signature(binary, labels) != signature(binary, other)) continue;
        if (card == Cardinality::kOneToOne && !used.insert(signature(binary, labels)).second) {
          return failed_precondition("multiple matches");
        }
        RETURN_IF_ERROR(add_match(binary, {labels, v}, {other, w}, &out.vector));
      }
    }
    return out;
  }

  static Status add_match(const Binary& binary, const std::pair<model::Labels, double>& many,
                          const std::pair<model::Labels, double>& one, Vector* out) {
    const bool swapped = binary.matching->cardinality == Cardinality::kOneToMany;
    const double a = swapped ? one.second : many.second;
    const double b = swapped ? many.second : one.second;
    const bool filter = is_comparison(binary.op) && !binary.return_bool;
    const double result = number(binary.op, a, b);
    model::LabelsBuilder labels(filter ? many.first : many.first.without_metric_name());
    if (binary.matching->cardinality == Cardinality::kOneToOne) {
      for (const model::LabelView& label : many.first) {
        const auto& names = binary.matching->labels;
        const bool named = std::find(names.begin(), names.end(), label.name) != names.end();
        if (named != binary.matching->on) labels.remove(label.name);
      }
    }
    for (const std::string& name : binary.matching->include) labels.set(name, one.first.get(name));
    if (filter && result != 1) return ok();
    return put(out, labels.build(), filter ? a : result);
  }

  const NaiveQuery& query_;
  const std::int64_t t_;
};

}  // namespace

StatusOr<NaiveValue> evaluate_naively(const Expr& expr, const NaiveQuery& query, std::int64_t t) {
  return Naive(query, t).eval(expr);
}

}  // namespace tocsin::promql::testing
