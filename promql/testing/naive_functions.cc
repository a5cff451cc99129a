// SPDX-License-Identifier: Apache-2.0
//
// Functions that take no range vector.
#include <algorithm>
#include <cmath>
#include <ctime>
#include <functional>
#include <map>

#include "model/matcher.h"
#include "model/value.h"
#include "promql/testing/naive_histogram.h"
#include "promql/testing/naive_parts.h"

namespace tocsin::promql::testing::naive {

namespace {

constexpr double kPi = 3.14159265358979323846;

const Expr& bare(const Expr& expr) {
  const auto* paren = expr.as<Paren>();
  return paren == nullptr ? expr : bare(*paren->inner);
}

const std::string& text_of(const Expr& expr) { return bare(expr).as<StringLiteral>()->value; }

double sign_of(double v) { return v > 0 ? 1 : v < 0 ? -1 : v; }

// The date of a Unix time, which is cut to whole seconds.
std::optional<double> date_part(std::string_view name, double seconds) {
  // Go's conversion of what does not fit an int64 (amd64).
  const double limit = 9223372036854775808.0;
  if (!(std::fabs(seconds) < 1e11)) {
    if (std::isnan(seconds) || std::fabs(seconds) >= limit) return std::nullopt;
    return std::nullopt;
  }
  const auto whole = static_cast<std::time_t>(seconds);
  std::tm date{};
  gmtime_r(&whole, &date);
  if (name == "day_of_month") return date.tm_mday;
  if (name == "day_of_week") return date.tm_wday;
  if (name == "day_of_year") return date.tm_yday + 1;
  if (name == "hour") return date.tm_hour;
  if (name == "minute") return date.tm_min;
  if (name == "month") return date.tm_mon + 1;
  if (name == "year") return date.tm_year + 1900;
  if (name == "days_in_month") {
    const int year = date.tm_year + 1900;
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return date.tm_mon == 1 && leap ? 29 : kDays[date.tm_mon];
  }
  return std::nullopt;
}

bool is_date_function(std::string_view name) {
  return name == "day_of_month" || name == "day_of_week" || name == "day_of_year" ||
         name == "hour" || name == "minute" || name == "month" || name == "year" ||
         name == "days_in_month";
}

using Plain = double (*)(double);
Plain plain_function(std::string_view name) {
  static const auto* const all = new std::map<std::string_view, Plain>{
      {"abs", [](double v) { return std::fabs(v); }},
      {"acos", [](double v) { return std::acos(v); }},
      {"acosh", [](double v) { return std::acosh(v); }},
      {"asin", [](double v) { return std::asin(v); }},
      {"asinh", [](double v) { return std::asinh(v); }},
      {"atan", [](double v) { return std::atan(v); }},
      {"atanh", [](double v) { return std::atanh(v); }},
      {"ceil", [](double v) { return std::ceil(v); }},
      {"cos", [](double v) { return std::cos(v); }},
      {"cosh", [](double v) { return std::cosh(v); }},
      {"deg", [](double v) { return v * 180 / kPi; }},
      {"exp", [](double v) { return std::exp(v); }},
      {"floor", [](double v) { return std::floor(v); }},
      {"ln", [](double v) { return std::log(v); }},
      {"log10", [](double v) { return std::log10(v); }},
      {"log2", [](double v) { return std::log2(v); }},
      {"rad", [](double v) { return v * kPi / 180; }},
      {"sgn", sign_of},
      {"sin", [](double v) { return std::sin(v); }},
      {"sinh", [](double v) { return std::sinh(v); }},
      {"sqrt", [](double v) { return std::sqrt(v); }},
      {"tan", [](double v) { return std::tan(v); }},
      {"tanh", [](double v) { return std::tanh(v); }},
  };
  const auto found = all->find(name);
  return found == all->end() ? nullptr : found->second;
}

// Go's math.Min and math.Max: a NaN wins, but against the last word.
double least(double a, double b) {
  if (a == -HUGE_VAL || b == -HUGE_VAL) return -HUGE_VAL;
  if (std::isnan(a) || std::isnan(b)) return model::normal_nan();
  return a == b ? (std::signbit(a) ? a : b) : std::min(a, b);
}
double greatest(double a, double b) {
  if (a == HUGE_VAL || b == HUGE_VAL) return HUGE_VAL;
  if (std::isnan(a) || std::isnan(b)) return model::normal_nan();
  return a == b ? (std::signbit(a) ? b : a) : std::max(a, b);
}

// Of each float; the name goes.
StatusOr<NaiveValue> each_float(const Expr& argument, const Step& step,
                                const std::function<std::optional<double>(double)>& f) {
  ASSIGN_OR_RETURN(const Vector in, evaluate_vector(argument, step));
  NaiveValue out;
  for (NaiveElement element : in) {
    if (element.sample.histogram != nullptr) continue;
    const std::optional<double> value = f(element.sample.value);
    if (!value) return unimplemented("naive: value outside what is defined");
    element.sample.value = *value;
    drop_name(step, &element);
    out.vector.push_back(std::move(element));
  }
  RETURN_IF_ERROR(check_unique(step, out.vector));
  return out;
}

StatusOr<NaiveValue> each_histogram(const Call& call, const Step& step) {
  ASSIGN_OR_RETURN(const Vector in, evaluate_vector(*call.arguments[0], step));
  NaiveValue out;
  for (NaiveElement element : in) {
    if (element.sample.histogram == nullptr) continue;
    const model::FloatHistogram& h = *element.sample.histogram;
    const std::string_view name = call.function->name;
    double value = h.count;
    if (name == "histogram_sum") value = h.sum;
    if (name == "histogram_avg") value = step.noisy(h.sum / h.count);
    if (name == "histogram_stdvar") value = step.noisy(histogram_variance(h));
    if (name == "histogram_stddev") value = step.noisy(std::sqrt(histogram_variance(h)));
    element.sample.value = value;
    element.sample.histogram = nullptr;
    drop_name(step, &element);
    out.vector.push_back(std::move(element));
  }
  RETURN_IF_ERROR(check_unique(step, out.vector));
  return out;
}

NaiveElement one(const Step& step, double value, model::Labels labels = {}) {
  return {std::move(labels), {step.t, value, nullptr, 0}, false};
}

// What the matchers of a selector say for certain.
model::Labels labels_of_absence(const Expr& argument) {
  const Expr& expr = bare(argument);
  const VectorSelector* selector = expr.as<VectorSelector>();
  if (const auto* matrix = expr.as<MatrixSelector>())
    selector = matrix->vector->as<VectorSelector>();
  if (selector == nullptr) return {};
  std::map<std::string, int> uses;
  model::LabelsBuilder out;
  for (const model::Matcher& m : selector->matchers) {
    if (m.name() == model::kMetricName) continue;
    const bool first = uses[m.name()] == 0;
    if (m.type() == model::Matcher::Type::kEqual && first) {
      out.set(m.name(), m.value());
      ++uses[m.name()];
    } else {
      out.remove(m.name());
    }
  }
  return out.build();
}

StatusOr<NaiveValue> absent(const Call& call, const Step& step) {
  NaiveValue out;
  const Expr& argument = *call.arguments[0];
  if (call.function->name == "absent_over_time") {
    ASSIGN_OR_RETURN(const Windows windows, windows_of(argument, step));
    if (!windows.series.empty()) return out;
  } else {
    ASSIGN_OR_RETURN(const Vector in, evaluate_vector(argument, step));
    if (!in.empty()) return out;
  }
  out.vector.push_back(one(step, 1, labels_of_absence(argument)));
  return out;
}

Status relabel(const Call& call, NaiveElement* element) {
  const std::string& target = text_of(*call.arguments[1]);
  model::LabelsBuilder labels(element->labels);
  if (call.function->name == "label_replace") {
    const std::string& replacement = text_of(*call.arguments[2]);
    const std::string& source = text_of(*call.arguments[3]);
    const auto regex = model::Regex::anchored(text_of(*call.arguments[4]));
    if (!regex.ok()) return failed_precondition("invalid regular expression");
    std::string value;
    if (!regex->expand(element->labels.get(source), replacement, &value)) return ok();
    labels.set(target, value);
  } else {
    std::string joined;
    for (std::size_t i = 3; i < call.arguments.size(); ++i) {
      if (i > 3) joined += text_of(*call.arguments[2]);
      joined += element->labels.get(text_of(*call.arguments[i]));
    }
    labels.set(target, joined);
  }
  if (target == model::kMetricName) element->drop_name = false;
  element->labels = labels.build();
  return ok();
}

StatusOr<NaiveValue> relabeled(const Call& call, const Step& step) {
  NaiveValue out;
  ASSIGN_OR_RETURN(out.vector, evaluate_vector(*call.arguments[0], step));
  for (NaiveElement& element : out.vector) RETURN_IF_ERROR(relabel(call, &element));
  std::set<model::Labels> seen;
  for (const NaiveElement& element : out.vector) {
    if (!seen.insert(element.labels).second) {
      return failed_precondition("vector cannot contain metrics with the same labelset");
    }
  }
  return out;
}

// Digits compare as numbers.
bool naturally_less(const std::string& a, const std::string& b) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_number = [&](const std::string& s) {
    return !s.empty() && s.size() < 10 && std::all_of(s.begin(), s.end(), digit);
  };
  if (is_number(a) && is_number(b)) return std::stol(a) < std::stol(b);
  return a < b;
}

void order_by_value(const Step& step, bool descending, Vector* vector) {
  std::vector<std::pair<double, NaiveElement>> keyed;
  for (NaiveElement& e : *vector) keyed.emplace_back(step.noisy(e.sample.value), std::move(e));
  if (step.random != nullptr) std::shuffle(keyed.begin(), keyed.end(), *step.random);
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    if (std::isnan(a.first) || std::isnan(b.first)) {
      return !std::isnan(a.first) && std::isnan(b.first);
    }
    return descending ? a.first > b.first : a.first < b.first;
  });
  for (std::size_t i = 0; i < keyed.size(); ++i) (*vector)[i] = std::move(keyed[i].second);
}

void order_by_labels(const Call& call, Vector* vector) {
  const bool descending = call.function->name == "sort_by_label_desc";
  std::stable_sort(vector->begin(), vector->end(), [&](const auto& a, const auto& b) {
    const auto& x = descending ? b.labels : a.labels;
    const auto& y = descending ? a.labels : b.labels;
    for (std::size_t i = 1; i < call.arguments.size(); ++i) {
      const std::string& name = text_of(*call.arguments[i]);
      const std::string p(x.get(name)), q(y.get(name));
      if (p != q) return naturally_less(p, q);
    }
    return x < y;
  });
}

StatusOr<NaiveValue> sorted(const Call& call, const Expr& expr, const Step& step) {
  NaiveValue out;
  ASSIGN_OR_RETURN(const Vector in, evaluate_vector(*call.arguments[0], step));
  if (step.query.start_ms != step.query.end_ms) {
    step.warn(expr,
              "sort is ineffective for range queries since results are always ordered by labels");
  }
  const bool by_label = call.function->name.starts_with("sort_by_label");
  for (const NaiveElement& element : in) {
    if (by_label || element.sample.histogram == nullptr) out.vector.push_back(element);
  }
  if (!step.single) return out;
  if (by_label) {
    order_by_labels(call, &out.vector);
  } else {
    order_by_value(step, call.function->name == "sort_desc", &out.vector);
  }
  return out;
}

// time(), pi() and the others that make a scalar.
StatusOr<std::optional<double>> scalar_function(const Call& call, const Step& step) {
  const std::string_view name = call.function->name;
  const NaiveQuery& q = step.query;
  const bool instant = q.start_ms == q.end_ms;
  if (name == "time") return static_cast<double>(step.t) / 1000;
  if (name == "pi") return kPi;
  if (name == "start") return static_cast<double>(q.start_ms) / 1000;
  if (name == "end") return static_cast<double>(q.end_ms) / 1000;
  if (name == "range") return static_cast<double>(q.end_ms - q.start_ms) / 1000;
  if (name == "step") return instant ? 0 : static_cast<double>(q.step_ms) / 1000;
  if (name == "max_of" || name == "min_of") {
    ASSIGN_OR_RETURN(const double a, evaluate_scalar(*call.arguments[0], step));
    ASSIGN_OR_RETURN(const double b, evaluate_scalar(*call.arguments[1], step));
    return name == "max_of" ? greatest(a, b) : least(a, b);
  }
  if (name != "scalar") return std::optional<double>();
  ASSIGN_OR_RETURN(const Vector in, evaluate_vector(*call.arguments[0], step));
  std::vector<double> floats;
  for (const NaiveElement& element : in) {
    if (element.sample.histogram == nullptr) floats.push_back(element.sample.value);
  }
  return floats.size() == 1 ? floats[0] : model::normal_nan();
}

StatusOr<NaiveValue> timestamps(const Call& call, const Step& step) {
  const Expr& argument = bare(*call.arguments[0]);
  const bool starts = call.function->name == "start_timestamp";
  NaiveValue out;
  if (const auto* selector = argument.as<VectorSelector>()) {
    VectorSelector plain{selector->name, selector->matchers, selector->shift, RangeMode::kPlain};
    out.vector = select(plain, argument, step);
    if (starts && !step.query.start_timestamps) out.vector.clear();
  } else {
    ASSIGN_OR_RETURN(out.vector, evaluate_vector(argument, step));
    if (starts) out.vector.clear();
    for (NaiveElement& element : out.vector) element.sample.t = step.t;
  }
  for (NaiveElement& element : out.vector) {
    const std::int64_t ms = starts ? element.sample.start_ms : element.sample.t;
    element.sample = {step.t, static_cast<double>(ms) / 1000, nullptr, 0};
    drop_name(step, &element);
  }
  RETURN_IF_ERROR(check_unique(step, out.vector));
  return out;
}

StatusOr<NaiveValue> clamped(const Call& call, const Step& step) {
  const std::string_view name = call.function->name;
  double low = -HUGE_VAL, high = HUGE_VAL;
  ASSIGN_OR_RETURN(const double first, evaluate_scalar(*call.arguments[1], step));
  (name == "clamp_max" ? high : low) = first;
  if (name == "clamp") {
    ASSIGN_OR_RETURN(high, evaluate_scalar(*call.arguments[2], step));
  }
  if (high < low) {
    RETURN_IF_ERROR(evaluate(*call.arguments[0], step).status());
    return NaiveValue();
  }
  return each_float(*call.arguments[0], step,
                    [&](double v) { return greatest(low, least(high, v)); });
}

StatusOr<NaiveValue> rounded(const Call& call, const Step& step) {
  double to = 1;
  if (call.arguments.size() > 1) {
    ASSIGN_OR_RETURN(to, evaluate_scalar(*call.arguments[1], step));
  }
  return each_float(*call.arguments[0], step, [&](double v) {
    return std::floor(step.noisy(v * (1 / to)) + 0.5) / (1 / to);
  });
}

StatusOr<NaiveValue> dates(const Call& call, const Step& step) {
  const std::string_view name = call.function->name;
  if (!call.arguments.empty()) {
    return each_float(*call.arguments[0], step, [&](double v) { return date_part(name, v); });
  }
  NaiveValue out;
  const auto value = date_part(name, static_cast<double>(step.t / 1000));
  out.vector.push_back(one(step, value.value_or(0)));
  return out;
}

// A function with a range vector: once for each series.
StatusOr<NaiveValue> over_time(const Call& call, const Expr& range, const Step& step) {
  std::vector<double> parameters;
  for (const ExprPtr& argument : call.arguments) {
    if (argument.get() == &range) continue;
    ASSIGN_OR_RETURN(const double parameter, evaluate_scalar(*argument, step));
    parameters.push_back(parameter);
  }
  ASSIGN_OR_RETURN(const Windows windows, windows_of(range, step));
  const RangeCall f{call.function->name, call, windows, std::move(parameters), step};
  const bool keeps = f.name == "last_over_time" || f.name == "first_over_time";
  NaiveValue out;
  for (const Window& window : windows.series) {
    ASSIGN_OR_RETURN(auto value, apply_range(f, window));
    if (!value) continue;
    value->t = step.t;
    NaiveElement element{window.labels, std::move(*value), window.drop_name};
    if (!keeps || window.drop_name) drop_name(step, &element);
    const std::string_view metric = window.labels.metric_name();
    const bool counted = f.name == "rate" || f.name == "increase";
    const bool named = metric.ends_with("_total") || metric.ends_with("_sum") ||
                       metric.ends_with("_count") || metric.ends_with("_bucket");
    if (counted && !metric.empty() && !named && element.sample.histogram == nullptr) {
      step.info(range,
                "metric might not be a counter, name does not end in "
                "_total/_sum/_count/_bucket: " +
                    model::go_quote(metric));
    }
    out.vector.push_back(std::move(element));
  }
  RETURN_IF_ERROR(check_unique(step, out.vector));
  return out;
}

// Anchored and smoothed ranges are for counters' functions only.
Status check_mode(std::string_view name, const Expr& range) {
  const auto* matrix = bare(range).as<MatrixSelector>();
  if (matrix == nullptr) return ok();
  const RangeMode mode = matrix->vector->as<VectorSelector>()->mode;
  const bool rates = name == "rate" || name == "increase" || name == "delta";
  const bool pairs = name == "changes" || name == "resets";
  if (mode == RangeMode::kPlain || rates || (pairs && mode == RangeMode::kAnchored)) return ok();
  return failed_precondition("modifier can only be used with other functions");
}

bool asks_histograms(std::string_view name) {
  return name == "histogram_quantile" || name == "histogram_quantiles" ||
         name == "histogram_fraction";
}

}  // namespace

StatusOr<NaiveValue> call_function(const Call& call, const Expr& expr, const Step& step) {
  const std::string_view name = call.function->name;
  NaiveValue out;
  for (const ExprPtr& argument : call.arguments) {
    if (argument->type() == ValueType::kMatrix) RETURN_IF_ERROR(check_mode(name, *argument));
  }
  if (name.starts_with("absent")) return absent(call, step);
  for (const ExprPtr& argument : call.arguments) {
    if (argument->type() == ValueType::kMatrix) return over_time(call, *argument, step);
  }
  ASSIGN_OR_RETURN(const std::optional<double> scalar, scalar_function(call, step));
  if (scalar) {
    out.type = ValueType::kScalar;
    out.number = *scalar;
    return out;
  }
  if (name == "vector") {
    ASSIGN_OR_RETURN(const double value, evaluate_scalar(*call.arguments[0], step));
    out.vector.push_back(one(step, value));
    return out;
  }
  if (is_date_function(name)) return dates(call, step);
  if (name == "timestamp" || name == "start_timestamp") return timestamps(call, step);
  if (name.starts_with("sort")) return sorted(call, expr, step);
  if (name == "label_replace" || name == "label_join") return relabeled(call, step);
  if (name.starts_with("clamp")) return clamped(call, step);
  if (name == "round") return rounded(call, step);
  if (name == "info") {
    ASSIGN_OR_RETURN(out.vector, add_info_labels(call, step));
    return out;
  }
  if (asks_histograms(name)) {
    ASSIGN_OR_RETURN(out.vector, ask_histograms(call, step));
    RETURN_IF_ERROR(check_unique(step, out.vector));
    return out;
  }
  if (name.starts_with("histogram_")) return each_histogram(call, step);
  const Plain plain = plain_function(name);
  if (plain == nullptr) return unimplemented("naive: {}", name);
  return each_float(*call.arguments[0], step, [&](double v) { return step.noisy(plain(v)); });
}

}  // namespace tocsin::promql::testing::naive
