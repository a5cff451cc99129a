// SPDX-License-Identifier: Apache-2.0
//
// info(), and what is asked of classic and native histograms.
#include <algorithm>
#include <cmath>
#include <map>

#include "model/matcher.h"
#include "model/value.h"
#include "promql/testing/naive_histogram.h"
#include "promql/testing/naive_parts.h"

namespace tocsin::promql::testing::naive {

namespace {

struct InfoSelector {
  model::Matchers names, data;
};

InfoSelector info_selector(const Call& call) {
  InfoSelector out;
  if (call.arguments.size() > 1) {
    for (const model::Matcher& m : call.arguments[1]->as<VectorSelector>()->matchers) {
      (m.name() == model::kMetricName ? out.names : out.data).push_back(m);
    }
  }
  const bool positive = std::any_of(out.names.begin(), out.names.end(), [](const auto& m) {
    return m.type() == model::Matcher::Type::kEqual || m.type() == model::Matcher::Type::kRegex;
  });
  if (out.names.empty()) {
    out.names.push_back(model::Matcher::equal(model::kMetricName, "target_info"));
  } else if (!positive) {
    out.names.push_back(
        *model::Matcher::make(model::Matcher::Type::kRegex, model::kMetricName, ".+_info"));
  }
  return out;
}

// The time that the first selector of the expression looks at, through the subqueries around it.
bool reference_shift(const Expr& expr, TimeShift* shift) {
  if (const auto* selector = expr.as<VectorSelector>()) {
    *shift = selector->shift;
    return true;
  }
  for (const Expr* child : expr.children()) {
    if (!reference_shift(*child, shift)) continue;
    const auto* subquery = expr.as<Subquery>();
    if (subquery == nullptr || shift->at != AtKind::kNone) return true;
    shift->offset.value += subquery->shift.offset.value;
    shift->at = subquery->shift.at;
    shift->at_time = subquery->shift.at_time;
    return true;
  }
  return false;
}

bool matches_name(const model::Matchers& names, const model::Labels& labels) {
  return std::all_of(names.begin(), names.end(),
                     [&](const auto& m) { return m.matches(labels.metric_name()); });
}

class InfoLabels {
 public:
  InfoLabels(const Call& call, const Step& step, Vector base)
      : selector_(info_selector(call)), base_(std::move(base)) {
    TimeShift shift;
    reference_shift(*call.arguments[0], &shift);
    const std::int64_t t = shifted(shift, step);
    for (const NaiveSeries& series : step.query.data) {
      if (!matches_name(selector_.names, series.labels)) continue;
      if (!model::matches_all(selector_.data, series.labels)) continue;
      const NaiveSample* newest = nullptr;
      for (const NaiveSample& sample : series.samples) {
        if (sample.t > t - step.query.lookback_ms && sample.t <= t) newest = &sample;
      }
      if (newest == nullptr || newest->is_stale() || !wanted(series.labels)) continue;
      found_.push_back({series.labels, *newest, false});
    }
  }

  StatusOr<Vector> run() {
    if (base_.empty()) return Vector();
    for (const NaiveElement& e : found_) {
      if (e.sample.histogram != nullptr) return failed_precondition("info sample should be float");
    }
    Vector out;
    std::set<model::Labels> seen;
    RETURN_IF_ERROR(check_conflicts());
    for (const NaiveElement& e : base_) {
      NaiveElement element = e;
      bool keep = true;
      if (!matches_name(selector_.names, e.labels)) RETURN_IF_ERROR(enrich(&element, &keep));
      if (!keep) continue;
      if (!seen.insert(element.labels).second) {
        return failed_precondition("vector cannot contain metrics with the same labelset");
      }
      out.push_back(std::move(element));
    }
    return out;
  }

 private:
  // instance and job each have a value that some base series has.
  bool wanted(const model::Labels& labels) const {
    bool any = false;
    for (const std::string_view name : {"instance", "job"}) {
      std::set<std::string_view> values;
      for (const NaiveElement& e : base_) {
        if (matches_name(selector_.names, e.labels)) continue;
        if (!e.labels.get(name).empty()) values.insert(e.labels.get(name));
      }
      if (!values.empty() && !values.contains(labels.get(name))) return false;
      any = any || !values.empty();
    }
    return any;
  }

  static model::Labels identity(const model::Labels& labels) {
    return project(labels, {"instance", "job"}, true);
  }

  // The newest info series of each name and identity.
  Status check_conflicts() {
    for (const NaiveElement& e : found_) {
      const auto [it, added] =
          newest_.try_emplace({std::string(e.labels.metric_name()), identity(e.labels)}, &e);
      if (added) continue;
      if (it->second->sample.t == e.sample.t) {
        return failed_precondition("found duplicate series for info metric");
      }
      if (it->second->sample.t < e.sample.t) it->second = &e;
    }
    return ok();
  }

  Status enrich(NaiveElement* element, bool* keep) const {
    std::map<std::string, std::string> more;
    bool any = false;
    for (const auto& [key, info] : newest_) {
      if (key.second != identity(element->labels)) continue;
      any = true;
      for (const model::LabelView& label : info->labels) {
        if (label.name == model::kMetricName) continue;
        const bool named = std::any_of(selector_.data.begin(), selector_.data.end(),
                                       [&](const auto& m) { return m.name() == label.name; });
        if (!selector_.data.empty() && !named) continue;
        const auto it = more.find(std::string(label.name));
        if (it != more.end() && it->second != label.value) {
          return failed_precondition("conflicting label");
        }
        if (!element->labels.has(label.name)) more[std::string(label.name)] = label.value;
      }
    }
    const bool optional = std::all_of(selector_.data.begin(), selector_.data.end(),
                                      [](const auto& m) { return m.matches_empty(); });
    *keep = any || optional;
    model::LabelsBuilder labels(element->labels);
    for (const auto& [name, value] : more) labels.set(name, value);
    element->labels = labels.build();
    return ok();
  }

  const InfoSelector selector_;
  const Vector base_;
  Vector found_;
  std::map<std::pair<std::string, model::Labels>, const NaiveElement*> newest_;
};

}  // namespace

StatusOr<Vector> add_info_labels(const Call& call, const Step& step) {
  ASSIGN_OR_RETURN(Vector base, evaluate_vector(*call.arguments[0], step));
  return InfoLabels(call, step, std::move(base)).run();
}

namespace {

struct Classic {
  model::Labels labels;  // without le
  bool drop_name = false;
  std::map<double, double> buckets;  // cumulative counts by upper bound
};

struct Histograms {
  Vector native;
  std::vector<Classic> classic;
};

// Classic histograms put together from their buckets; what is both classic and native is neither.
Histograms gather(const Vector& in, const Expr& argument, const Step& step) {
  Histograms out;
  const auto named = [&](const model::Labels& labels) {
    const std::string_view metric = step.query.delayed_names ? labels.metric_name() : "";
    return metric.empty() ? std::string() : " for metric name " + model::go_quote(metric);
  };
  for (const NaiveElement& e : in) {
    if (e.sample.histogram != nullptr) continue;
    const std::string le(e.labels.get("le"));
    const StatusOr<double> bound = model::parse_float(le);
    if (!bound.ok()) {
      step.warn(argument, fmt::format("bucket label \"le\" is missing or has a malformed value of "
                                      "{}{}",
                                      model::go_quote(le), named(e.labels)));
      continue;
    }
    const model::Labels labels = model::LabelsBuilder(e.labels).remove("le").build();
    auto it = std::find_if(out.classic.begin(), out.classic.end(),
                           [&](const Classic& c) { return c.labels == labels; });
    if (it == out.classic.end()) it = out.classic.insert(it, {labels, true, {}});
    it->buckets[*bound] += step.noisy(e.sample.value);
  }
  for (const NaiveElement& e : in) {
    if (e.sample.histogram == nullptr) continue;
    const auto it = std::find_if(out.classic.begin(), out.classic.end(),
                                 [&](const Classic& c) { return c.labels == e.labels; });
    if (it == out.classic.end()) {
      out.native.push_back(e);
      continue;
    }
    step.warn(argument, "vector contains a mix of classic and native histograms" + named(e.labels));
    out.classic.erase(it);
  }
  return out;
}

bool nearly_equal(double a, double b) {
  if (std::isinf(a) || std::isinf(b)) return a == b;
  return a == b || std::fabs(a - b) <= 1e-12 * (std::fabs(a) + std::fabs(b));
}

// Counts never fall from one bucket to the next.
std::map<double, double> monotonic(const Classic& c, const Expr& argument, const Step& step) {
  std::map<double, double> out;
  double before = c.buckets.begin()->second;
  bool forced = false;
  for (const auto& [bound, count] : c.buckets) {
    if (step.query.before_3) {
      // However small a decrease is; NaN is passed over.
      if (count > before) before = count;
      out[bound] = count < before ? before : count;
      continue;
    }
    if (!nearly_equal(count, before)) {
      if (count < before) {
        forced = true;
      } else {
        before = count;
      }
    }
    // A NaN is no decrease.
    if (std::isnan(count)) before = count;
    out[bound] = before;
  }
  if (forced)
    step.info(argument,
              "input to histogram_quantile needed to be fixed for monotonicity (see https");
  return out;
}

double classic_quantile(double q, const Classic& c, const Expr& argument, const Step& step) {
  if (std::isnan(q)) return q;
  if (q < 0) return -HUGE_VAL;
  if (q > 1) return HUGE_VAL;
  if (!std::isinf(c.buckets.rbegin()->first) || c.buckets.rbegin()->first < 0) {
    return model::normal_nan();
  }
  const std::map<double, double> buckets = monotonic(c, argument, step);
  if (buckets.size() < 2 || buckets.rbegin()->second == 0) return model::normal_nan();
  const double rank = q * buckets.rbegin()->second;
  const std::vector<std::pair<double, double>> all(buckets.begin(), buckets.end());
  // By halving, which shows when counts are NaN.
  std::size_t low = 0, high = all.size() - 1;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    const bool enough = all[middle].second >= rank;
    (enough ? high : low) = enough ? middle : middle + 1;
  }
  if (low == all.size() - 1) return all[low - 1].first;
  const auto [upper, count] = all[low];
  if (low == 0 && upper <= 0) return upper;
  const double lower = low == 0 ? 0 : all[low - 1].first;
  const double below = low == 0 ? 0 : all[low - 1].second;
  return lower + (upper - lower) * ((rank - below) / (count - below));
}

// How many observations are at or below v.
double observations_below(double v, const Classic& c) {
  double lower = c.buckets.begin()->first <= 0 ? -HUGE_VAL : 0;
  double below = 0;
  for (const auto& [upper, count] : c.buckets) {
    if (v <= lower) return below;
    if (v < upper) {
      if (std::isinf(lower)) return count;
      return below + (count - below) * (v - lower) / (upper - lower);
    }
    lower = upper;
    below = count;
  }
  return c.buckets.rbegin()->second;
}

double classic_fraction(double lower, double upper, const Classic& c) {
  if (!std::isinf(c.buckets.rbegin()->first) || c.buckets.rbegin()->first < 0) {
    return model::normal_nan();
  }
  const double count = c.buckets.rbegin()->second;
  if (count == 0 || std::isnan(lower) || std::isnan(upper)) return model::normal_nan();
  if (lower >= upper) return 0;
  const double from = observations_below(lower, c), to = observations_below(upper, c);
  return ((to > count ? count : to) - (from > count ? count : from)) / count;
}

void note_nan(NanNote note, const model::Labels& labels, const Expr& argument, const Step& step) {
  const std::string_view metric = labels.metric_name();
  const std::string suffix =
      metric.empty() ? std::string() : " for metric name " + model::go_quote(metric);
  const char* text =
      note == NanNote::kResult ? "input to histogram_quantile has NaN observations, result is NaN"
      : note == NanNote::kSkew
          ? "input to histogram_quantile has NaN observations, result is skewed higher"
          : "input to histogram_fraction has NaN observations, which are excluded "
            "from all fractions";
  if (note != NanNote::kNone) step.info(argument, text + suffix);
}

class HistogramQuestion {
 public:
  HistogramQuestion(const Call& call, const Step& step) : call_(call), step_(step) {}

  StatusOr<Vector> run() {
    const std::string_view name = call_.function->name;
    const bool many = name == "histogram_quantiles";
    const Expr& argument = *call_.arguments[many ? 0 : call_.arguments.size() - 1];
    ASSIGN_OR_RETURN(const Vector in, evaluate_vector(argument, step_));
    std::string label;
    std::vector<double> parameters;
    for (const ExprPtr& a : call_.arguments) {
      if (a.get() == &argument) continue;
      ASSIGN_OR_RETURN(const NaiveValue value, evaluate(*a, step_));
      if (value.type == ValueType::kString) {
        label = value.text;
        continue;
      }
      parameters.push_back(value.number);
      if (name != "histogram_fraction" && !(value.number >= 0 && value.number <= 1)) {
        step_.warn(*a,
                   "quantile value should be between 0 and 1, got " + quantile_text(value.number));
      }
    }
    const Histograms histograms = gather(in, argument, step_);
    if (name == "histogram_fraction") {
      answer(histograms, argument, parameters, "");
      return std::move(out_);
    }
    for (const double q : parameters) answer(histograms, argument, {q}, label);
    return std::move(out_);
  }

 private:
  void put(model::Labels labels, bool drops, double value, const std::string& label, double q) {
    NaiveElement element{std::move(labels), {step_.t, step_.noisy(value), nullptr, 0}, drops};
    drop_name(step_, &element);
    if (!label.empty()) {
      std::string text = model::format_float_g(q);
      if (text.find_first_of("e.IN") == std::string::npos) text += ".0";
      element.labels = model::LabelsBuilder(element.labels).set(label, text).build();
    }
    out_.push_back(std::move(element));
  }

  void answer(const Histograms& histograms, const Expr& argument,
              const std::vector<double>& parameters, const std::string& label) {
    const bool fraction = parameters.size() == 2;
    const double a = parameters[0];
    for (const NaiveElement& e : histograms.native) {
      NanNote note = NanNote::kNone;
      const double value = fraction
                               ? histogram_fraction(a, parameters[1], *e.sample.histogram, &note)
                               : histogram_quantile(a, *e.sample.histogram, &note);
      const model::Labels& labels = e.labels;
      note_nan(note, step_.query.delayed_names ? labels : labels.without_metric_name(), argument,
               step_);
      put(labels, true, value, label, a);
    }
    for (const Classic& c : histograms.classic) {
      const double value = fraction ? classic_fraction(a, parameters[1], c)
                                    : classic_quantile(a, c, argument, step_);
      put(c.labels, true, value, label, a);
    }
  }

  const Call& call_;
  const Step& step_;
  Vector out_;
};

}  // namespace

StatusOr<Vector> ask_histograms(const Call& call, const Step& step) {
  return HistogramQuestion(call, step).run();
}

}  // namespace tocsin::promql::testing::naive
