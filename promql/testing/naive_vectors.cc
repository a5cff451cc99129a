// SPDX-License-Identifier: Apache-2.0
//
// Aggregations and binary operators.
#include <algorithm>
#include <cmath>
#include <map>

#include "model/histogram_buckets.h"
#include "model/value.h"
#include "promql/testing/naive_histogram.h"
#include "promql/testing/naive_parts.h"

namespace tocsin::promql::testing::naive {

namespace {

struct Group {
  model::Labels labels;
  Vector members;
};

// Groups in the order in which they are met.
std::vector<Group> grouped(const Aggregate& a, const Vector& in) {
  std::vector<Group> groups;
  for (const NaiveElement& element : in) {
    const model::Labels labels = project(element.labels, a.grouping, !a.without);
    auto it = std::find_if(groups.begin(), groups.end(),
                           [&](const Group& g) { return g.labels == labels; });
    if (it == groups.end()) it = groups.insert(it, {labels, {}});
    it->members.push_back(element);
  }
  return groups;
}

void note_ignored(const Step& step, const Expr& where, std::string_view op) {
  step.info(where, fmt::format("ignored histogram in {} aggregation", op));
}

// The sum or mean of a group in which there are histograms. They are looked at in their order: not
// added once a float was met, not at all once two did not fit.
std::optional<NaiveSample> total_histogram(const Aggregate& a, const Group& group,
                                           const Step& step) {
  bool reset = false, not_reset = false, floats = false, misfit = false;
  HistogramPtr sum;
  for (const NaiveElement& element : group.members) {
    if (misfit) break;
    if (element.sample.histogram == nullptr) {
      floats = true;
      continue;
    }
    if (floats && sum == nullptr) continue;
    const model::FloatHistogram& h = *element.sample.histogram;
    reset = reset || h.reset_hint == model::CounterResetHint::kReset;
    not_reset = not_reset || h.reset_hint == model::CounterResetHint::kNotReset;
    if (sum == nullptr) {
      sum = element.sample.histogram;
      continue;
    }
    const HistogramSum next = added(*sum, h);
    if (next.reconciled) {
      step.info(*a.inner, "mismatched custom buckets were reconciled during aggregation");
    }
    if (next.value == nullptr) {
      step.warn(*a.inner,
                "vector contains a mix of histograms with exponential and custom buckets "
                "schemas for metric name " +
                    model::go_quote(element.labels.metric_name()));
      misfit = true;
    } else {
      sum = next.value;
    }
  }
  if (floats) step.warn(*a.inner, "encountered a mix of histograms and floats for aggregation");
  if (floats || misfit) return std::nullopt;
  if (reset && not_reset) {
    step.warn(*a.inner, "conflicting counter resets during histogram aggregation");
  }
  const auto n = static_cast<double>(group.members.size());
  const double by = step.noisy(a.op == AggregateOp::kAvg ? n : 1);
  return NaiveSample{step.t, 0, noisy(by == 1 ? *sum : *divided(*sum, by), step), 0};
}

std::optional<NaiveSample> sum_or_mean(const Aggregate& a, const Group& group, const Step& step) {
  std::vector<double> floats;
  for (const NaiveElement& element : group.members) {
    if (element.sample.histogram == nullptr) floats.push_back(element.sample.value);
  }
  if (floats.size() < group.members.size()) return total_histogram(a, group, step);
  const double v = a.op == AggregateOp::kSum ? sum_of(floats, step) : mean_of(floats, step);
  return NaiveSample{step.t, v, nullptr, 0};
}

std::optional<NaiveSample> fold(const Aggregate& a, const Group& group, double parameter,
                                const Step& step) {
  const auto sample = [&](double v) { return NaiveSample{step.t, v, nullptr, 0}; };
  if (a.op == AggregateOp::kCount) return sample(static_cast<double>(group.members.size()));
  if (a.op == AggregateOp::kGroup) return sample(1);
  if (a.op == AggregateOp::kSum || a.op == AggregateOp::kAvg) return sum_or_mean(a, group, step);
  std::vector<double> floats;
  for (const NaiveElement& element : group.members) {
    if (element.sample.histogram == nullptr) {
      floats.push_back(element.sample.value);
    } else {
      note_ignored(step, *a.inner, aggregate_text(a.op));
    }
  }
  if (floats.empty()) return std::nullopt;
  const bool deviation = a.op == AggregateOp::kStdvar || a.op == AggregateOp::kStddev;
  if (deviation && step.query.before_3 && floats.size() == 1) return sample(0);
  if (a.op == AggregateOp::kStdvar) return sample(variance_of(floats, step));
  if (a.op == AggregateOp::kStddev) return sample(std::sqrt(variance_of(floats, step)));
  if (a.op == AggregateOp::kQuantile) return sample(step.noisy(quantile_of(parameter, floats)));
  double best = floats[0];
  for (const double v : floats) {
    const bool better = a.op == AggregateOp::kMax ? v > best : v < best;
    if (better || std::isnan(best)) best = v;
  }
  return sample(best);
}

std::uint64_t limit_of(double parameter) {
  return parameter < 1 ? 0 : static_cast<std::uint64_t>(std::min(parameter, 1e6));
}

// topk() and bottomk(): NaN comes last; of equal values those that come first.
Vector chosen_by_value(const Aggregate& a, const Group& group, std::uint64_t k, const Step& step) {
  struct Keyed {
    double first = 0;
    const NaiveElement* second = nullptr;
    std::uint32_t tie = 0;
  };
  std::vector<Keyed> order;
  for (const NaiveElement& element : group.members) {
    if (element.sample.histogram != nullptr) {
      continue;
    }
    const auto tie = static_cast<std::uint32_t>(step.random == nullptr ? 0 : (*step.random)());
    order.push_back({step.noisy(element.sample.value), &element, tie});
  }
  const bool top = a.op == AggregateOp::kTopk;
  std::stable_sort(order.begin(), order.end(), [&](const auto& x, const auto& y) {
    const bool nans = std::isnan(x.first) && std::isnan(y.first);
    // Before 3 a later NaN took the place of an earlier one.
    if (nans && step.query.before_3) return x.tie < y.tie;
    if (std::isnan(x.first) || std::isnan(y.first)) {
      return !std::isnan(x.first) && std::isnan(y.first);
    }
    if (x.first == y.first) return x.tie < y.tie;
    return top ? x.first > y.first : x.first < y.first;
  });
  Vector out;
  for (std::size_t i = 0; i < order.size() && i < k; ++i) out.push_back(*order[i].second);
  return out;
}

// The share of label sets that a hash of the labels puts below the ratio, or above 1 + ratio.
bool in_ratio(const model::Labels& labels, double ratio) {
  const double offset = static_cast<double>(labels.hash()) / 18446744073709551615.0;
  return ratio >= 0 ? offset < ratio : offset >= 1 + ratio;
}

// Upstream keeps some results in hash maps, so that limitk() has no order to rely on.
bool in_any_order(const Aggregate& a, const Step& step) {
  const Expr* inner = a.inner.get();
  while (const auto* paren = inner->as<Paren>()) inner = paren->inner.get();
  if (inner->as<VectorSelector>() != nullptr) return false;
  const std::string& text = step.query.text;
  return !step.single || text.find(':') != std::string::npos ||
         text.find("count_values") != std::string::npos ||
         text.find("histogram_") != std::string::npos;
}

StatusOr<NaiveValue> choose(const Aggregate& a, const Expr& expr, Vector in, const Step& step) {
  ASSIGN_OR_RETURN(const double parameter, evaluate_scalar(*a.parameter, step));
  NaiveValue out;
  const bool ratio = a.op == AggregateOp::kLimitRatio;
  if (std::isnan(parameter)) return failed_precondition("Parameter value is NaN");
  if (step.query.before_3 && !(std::fabs(parameter) < 9.2e18)) {
    return failed_precondition("Scalar value overflows int64");
  }
  if (!ratio && parameter < 1) return out;
  if (!ratio && parameter >= 9.2e18) return failed_precondition("Scalar value overflows int64");
  if (step.random != nullptr && in_any_order(a, step)) {
    std::shuffle(in.begin(), in.end(), *step.random);
  }
  for (const NaiveElement& e : in) {
    for (const model::LabelView& label : e.labels) {
      if (ratio && label.value.size() > 120) return unimplemented("naive: hash of long labels");
    }
  }
  for (const Group& group : grouped(a, in)) {
    Vector chosen;
    if (a.op == AggregateOp::kLimitk) {
      const std::size_t n = std::min(group.members.size(), limit_of(parameter));
      chosen.assign(group.members.begin(), group.members.begin() + static_cast<std::ptrdiff_t>(n));
    } else if (ratio) {
      for (const NaiveElement& e : group.members) {
        if (parameter != 0 && in_ratio(e.labels, parameter)) chosen.push_back(e);
      }
    } else {
      chosen = chosen_by_value(a, group, limit_of(parameter), step);
      for (const NaiveElement& e : group.members) {
        if (e.sample.histogram != nullptr) note_ignored(step, expr, aggregate_text(a.op));
      }
    }
    out.vector.insert(out.vector.end(), chosen.begin(), chosen.end());
  }
  if (ratio && parameter > 1) {
    step.warn(*a.parameter,
              fmt::format("ratio value should be between -1 and 1, got {}, capping to 1",
                          quantile_text(parameter)));
  }
  if (ratio && parameter < -1) {
    step.warn(*a.parameter,
              fmt::format("ratio value should be between -1 and 1, got {}, capping to -1",
                          quantile_text(parameter)));
  }
  return out;
}

StatusOr<NaiveValue> count_values(const Aggregate& a, const Vector& in, const Step& step) {
  ASSIGN_OR_RETURN(const NaiveValue name, evaluate(*a.parameter, step));
  std::map<model::Labels, double> counts;
  for (const NaiveElement& element : in) {
    model::LabelsBuilder labels(element.labels);
    labels.set(name.text, element.sample.histogram == nullptr
                              ? model::format_float_f(element.sample.value)
                              : model::to_string(*element.sample.histogram));
    std::vector<std::string> names = a.grouping;
    if (!a.without) names.push_back(name.text);
    ++counts[project(labels.build(), names, !a.without)];
  }
  NaiveValue out;
  for (const auto& [labels, n] : counts) {
    out.vector.push_back({labels, {step.t, n, nullptr, 0}, false});
  }
  return out;
}

}  // namespace

StatusOr<NaiveValue> aggregate(const Aggregate& a, const Expr& expr, const Step& step) {
  ASSIGN_OR_RETURN(const Vector in, evaluate_vector(*a.inner, step));
  if (a.op == AggregateOp::kCountValues) return count_values(a, in, step);
  if (a.op == AggregateOp::kTopk || a.op == AggregateOp::kBottomk || a.op == AggregateOp::kLimitk ||
      a.op == AggregateOp::kLimitRatio) {
    return choose(a, expr, in, step);
  }
  double parameter = 0;
  if (a.parameter != nullptr) {
    ASSIGN_OR_RETURN(parameter, evaluate_scalar(*a.parameter, step));
    if (!(parameter >= 0 && parameter <= 1)) {
      step.warn(*a.parameter,
                "quantile value should be between 0 and 1, got " + quantile_text(parameter));
    }
  }
  NaiveValue out;
  for (const Group& group : grouped(a, in)) {
    const std::optional<NaiveSample> value = fold(a, group, parameter, step);
    if (!value) continue;
    bool drops = false;
    for (const NaiveElement& element : group.members) drops = drops || element.drop_name;
    out.vector.push_back({group.labels, *value, drops});
  }
  return out;
}

namespace {

// One pair of values; nothing: no result. A comparison says whether it holds.
struct Outcome {
  NaiveSample sample;
  bool holds = true;
};

void note_types(const Step& step, const Expr& expr, BinaryOp op, bool left, bool right) {
  const auto kind = [](bool histogram) { return histogram ? "histogram" : "float"; };
  step.info(expr,
            fmt::format("incompatible sample types encountered for binary operator {}: {} {} {}",
                        model::go_quote(op_text(op)), kind(left), op_text(op), kind(right)));
}

bool compare(BinaryOp op, double a, double b) {
  if (op == BinaryOp::kEq) return a == b;
  if (op == BinaryOp::kNe) return a != b;
  if (op == BinaryOp::kLt) return a < b;
  if (op == BinaryOp::kLe) return a <= b;
  if (op == BinaryOp::kGt) return a > b;
  return a >= b;
}

std::optional<Outcome> pair_of_histograms(const Binary& b, const Expr& expr,
                                          const model::FloatHistogram& left,
                                          const model::FloatHistogram& right, const Step& step) {
  const bool plus = b.op == BinaryOp::kAdd;
  HistogramSum sum = plus ? added(left, right) : subtracted(left, right);
  if (sum.value == nullptr) {
    step.warn(expr, fmt::format("incompatible bucket layout encountered for binary operator {}",
                                op_text(b.op)));
    return std::nullopt;
  }
  const std::string_view word = plus ? "addition" : "subtraction";
  if (sum.collision) {
    step.warn(expr, fmt::format("conflicting counter resets during histogram {}", word));
  }
  if (sum.reconciled) {
    step.info(expr, fmt::format("mismatched custom buckets were reconciled during {}", word));
  }
  sum.value = noisy(*sum.value, step);
  if (!plus) sum.value = with_hint(*sum.value, model::CounterResetHint::kGauge);
  return Outcome{{step.t, 0, sum.value, 0}, true};
}

std::optional<Outcome> operate_pair(const Binary& b, const Expr& expr, const NaiveSample& left,
                                    const NaiveSample& right, const Step& step) {
  const bool lh = left.histogram != nullptr, rh = right.histogram != nullptr;
  const bool trim = b.op == BinaryOp::kTrimUpper || b.op == BinaryOp::kTrimLower;
  if (!lh && !rh && !trim) {
    if (is_comparison(b.op)) return Outcome{left, compare(b.op, left.value, right.value)};
    const double v = step.noisy(operate_numbers(b.op, left.value, right.value));
    return Outcome{{step.t, v, nullptr, 0}, true};
  }
  if (lh && rh && (b.op == BinaryOp::kAdd || b.op == BinaryOp::kSub)) {
    return pair_of_histograms(b, expr, *left.histogram, *right.histogram, step);
  }
  if (lh && rh && (b.op == BinaryOp::kEq || b.op == BinaryOp::kNe)) {
    return Outcome{left, same(*left.histogram, *right.histogram) == (b.op == BinaryOp::kEq)};
  }
  HistogramPtr h;
  if (lh && !rh && b.op == BinaryOp::kMul) h = scaled(*left.histogram, right.value);
  if (lh && !rh && b.op == BinaryOp::kDiv) h = divided(*left.histogram, right.value);
  if (!lh && rh && b.op == BinaryOp::kMul) h = scaled(*right.histogram, left.value);
  if (lh && !rh && trim) {
    h = trimmed(*left.histogram, right.value, b.op == BinaryOp::kTrimUpper);
  }
  if (h != nullptr && step.random != nullptr) h = noisy(*scaled(*h, step.noisy(1)), step);
  if (h != nullptr) return Outcome{{step.t, 0, h, 0}, true};
  note_types(step, expr, b.op, lh, rh);
  return std::nullopt;
}

bool keeps_name(const Step& step, BinaryOp op) {
  if (step.query.before_3 && op == BinaryOp::kAtan2) return true;
  return is_comparison(op) || op == BinaryOp::kTrimUpper || op == BinaryOp::kTrimLower;
}

StatusOr<NaiveValue> with_scalar(const Binary& b, const Expr& expr, const NaiveValue& left,
                                 const NaiveValue& right, const Step& step) {
  const bool swapped = left.type == ValueType::kScalar;
  NaiveValue out;
  for (NaiveElement element : swapped ? right.vector : left.vector) {
    const NaiveSample number{step.t, swapped ? left.number : right.number, nullptr, 0};
    const NaiveSample own = element.sample;
    const auto outcome = swapped ? operate_pair(b, expr, number, own, step)
                                 : operate_pair(b, expr, own, number, step);
    if (!outcome) continue;
    element.sample = is_comparison(b.op) ? own : outcome->sample;
    if (b.return_bool) element.sample = {step.t, outcome->holds ? 1.0 : 0.0, nullptr, 0};
    if (!b.return_bool && !outcome->holds) continue;
    if (b.return_bool || !keeps_name(step, b.op)) drop_name(step, &element);
    out.vector.push_back(std::move(element));
  }
  RETURN_IF_ERROR(check_unique(step, out.vector));
  return out;
}

model::Labels signature(const Binary& b, const model::Labels& labels) {
  return project(labels, b.matching->labels, b.matching->on);
}

Vector set_operation(const Binary& b, const Vector& left, const Vector& right) {
  std::set<model::Labels> in_left, in_right;
  for (const NaiveElement& e : left) in_left.insert(signature(b, e.labels));
  for (const NaiveElement& e : right) in_right.insert(signature(b, e.labels));
  Vector out;
  for (const NaiveElement& e : left) {
    const bool both = in_right.contains(signature(b, e.labels));
    if (b.op == BinaryOp::kOr || both == (b.op == BinaryOp::kAnd)) out.push_back(e);
  }
  if (b.op != BinaryOp::kOr) return out;
  for (const NaiveElement& e : right) {
    if (!in_left.contains(signature(b, e.labels))) out.push_back(e);
  }
  return out;
}

// Matching of two vectors: the "many" side and the "one" side.
class Matching {
 public:
  Matching(const Binary& b, const Expr& expr, const Step& step) : b_(b), expr_(expr), step_(step) {}

  StatusOr<NaiveValue> run(const Vector& left, const Vector& right) {
    const bool swapped = b_.matching->cardinality == Cardinality::kOneToMany;
    const auto& m = *b_.matching;
    if ((left.empty() || right.empty()) && !m.fill_left && !m.fill_right) return out_;
    const Vector& many = swapped ? right : left;
    const Vector& one = swapped ? left : right;
    if (left.empty() && right.empty()) return out_;
    std::set<model::Labels> ones;
    for (const NaiveElement& e : one) {
      if (!ones.insert(signature(b_, e.labels)).second) {
        return failed_precondition("found duplicate series for the match group");
      }
    }
    for (const NaiveElement& e : many) RETURN_IF_ERROR(match(e, one));
    const std::optional<double>& fill = m.fill_left;
    for (const NaiveElement& e : one) {
      if (!fill || matched_.contains(signature(b_, e.labels))) continue;
      RETURN_IF_ERROR(add(filled(e, *fill), e));
    }
    RETURN_IF_ERROR(check_unique(step_, out_.vector));
    return out_;
  }

 private:
  Status match(const NaiveElement& e, const Vector& one) {
    for (const NaiveElement& other : one) {
      if (signature(b_, other.labels) == signature(b_, e.labels)) return add(e, other);
    }
    // The script fill-modifier.test fixes it: with group_right, fill_right is for the one side too.
    const auto& fill = b_.matching->fill_right;
    return fill ? add(e, filled(e, *fill)) : ok();
  }

  NaiveElement filled(const NaiveElement& partner, double value) const {
    return {signature(b_, partner.labels), {step_.t, value, nullptr, 0}, false};
  }

  Status add(const NaiveElement& many, const NaiveElement& one) {
    const auto& m = *b_.matching;
    const bool swapped = m.cardinality == Cardinality::kOneToMany;
    const auto outcome = swapped ? operate_pair(b_, expr_, one.sample, many.sample, step_)
                                 : operate_pair(b_, expr_, many.sample, one.sample, step_);
    if (!outcome) return ok();
    const bool dropped = !outcome->holds && !b_.return_bool;
    if (dropped && step_.query.before_3) return ok();
    const bool drops = !keeps_name(step_, b_.op);
    const bool drops_now = drops || (b_.return_bool && !step_.query.delayed_names);
    model::LabelsBuilder labels(drops_now ? many.labels.without_metric_name() : many.labels);
    if (m.cardinality == Cardinality::kOneToOne) {
      for (const model::LabelView& label : many.labels) {
        const bool named =
            std::find(m.labels.begin(), m.labels.end(), label.name) != m.labels.end();
        if (named != m.on) labels.remove(label.name);
      }
    }
    for (const std::string& name : m.include) labels.set(name, one.labels.get(name));
    const model::Labels built = labels.build();
    const bool first = matched_.insert(signature(b_, many.labels)).second;
    if (m.cardinality == Cardinality::kOneToOne && !first) {
      return failed_precondition(
          "multiple matches for labels: many-to-one matching must be explicit");
    }
    if (!results_.insert({signature(b_, many.labels), built}).second) {
      return failed_precondition("multiple matches for labels: grouping labels must ensure unique");
    }
    if (dropped) return ok();
    NaiveElement element{built, outcome->sample, b_.return_bool};
    if (b_.return_bool) element.sample = {step_.t, outcome->holds ? 1.0 : 0.0, nullptr, 0};
    out_.vector.push_back(std::move(element));
    return ok();
  }

  const Binary& b_;
  const Expr& expr_;
  const Step& step_;
  NaiveValue out_;
  std::set<model::Labels> matched_;
  std::set<std::pair<model::Labels, model::Labels>> results_;
};

}  // namespace

double operate_numbers(BinaryOp op, double a, double b) {
  if (op == BinaryOp::kAdd) return a + b;
  if (op == BinaryOp::kSub) return a - b;
  if (op == BinaryOp::kMul) return a * b;
  if (op == BinaryOp::kDiv) return a / b;
  if (op == BinaryOp::kMod) return std::fmod(a, b);
  if (op == BinaryOp::kPow) return std::pow(a, b);
  if (op == BinaryOp::kAtan2) return std::atan2(a, b);
  return compare(op, a, b) ? 1 : 0;
}

StatusOr<NaiveValue> operate(const Binary& b, const Expr& expr, const Step& step) {
  ASSIGN_OR_RETURN(const NaiveValue left, evaluate(*b.left, step));
  ASSIGN_OR_RETURN(const NaiveValue right, evaluate(*b.right, step));
  NaiveValue out;
  if (left.type == ValueType::kScalar && right.type == ValueType::kScalar) {
    out.type = ValueType::kScalar;
    out.number = step.noisy(operate_numbers(b.op, left.number, right.number));
    return out;
  }
  if (left.type == ValueType::kScalar || right.type == ValueType::kScalar) {
    return with_scalar(b, expr, left, right, step);
  }
  if (!is_set_operator(b.op)) return Matching(b, expr, step).run(left.vector, right.vector);
  out.vector = set_operation(b, left.vector, right.vector);
  RETURN_IF_ERROR(check_unique(step, out.vector));
  return out;
}

}  // namespace tocsin::promql::testing::naive
