// SPDX-License-Identifier: Apache-2.0
//
// Sums, means and quantiles; rates between the borders of anchored and smoothed windows.
#include <algorithm>
#include <cmath>

#include "model/value.h"
#include "promql/testing/naive_histogram.h"
#include "promql/testing/naive_parts.h"

namespace tocsin::promql::testing::naive {

double sum_of(const std::vector<double>& values, const Step& step) {
  long double exact = 0;
  double plain = 0;
  for (const double v : values) {
    exact = step.kept(exact + step.noisy(v));
    plain += v;
  }
  // A sum that leaves the range of a double on the way does not come back.
  return std::isfinite(plain) ? static_cast<double>(exact) : plain;
}

double mean_of(const std::vector<double>& values, const Step& step) {
  long double exact = 0;
  for (const double v : values) exact = step.kept(exact + step.noisy(v));
  return static_cast<double>(exact / static_cast<long double>(values.size()));
}

double variance_of(const std::vector<double>& values, const Step& step) {
  const double mean = mean_of(values, step);
  std::vector<double> squares;
  for (const double v : values) {
    const double far = step.noisy(v) - mean;
    squares.push_back(far * far);
  }
  return mean_of(squares, step);
}

double quantile_of(double q, std::vector<double> values) {
  if (values.empty() || std::isnan(q)) return model::normal_nan();
  if (q < 0) return -HUGE_VAL;
  if (q > 1) return HUGE_VAL;
  std::stable_sort(values.begin(), values.end(), [](double a, double b) {
    if (std::isnan(a)) return !std::isnan(b);
    return a < b;
  });
  const double rank = q * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(rank);
  const std::size_t high = std::min(low + 1, values.size() - 1);
  const double weight = rank - std::floor(rank);
  return values[low] * (1 - weight) + values[high] * weight;
}

std::string quantile_text(double q) { return model::format_float_g(q); }

namespace {

// The samples that bound a window and what lies between them, as indices.
struct Bounds {
  std::size_t first = 0, last = 0;
};

// Anchored: from the newest sample at or before the begin. Smoothed: also to the first at or after
// the end.
std::optional<Bounds> bounds_of(const RangeCall& f, const std::vector<NaiveSample>& s) {
  Bounds b{0, s.size() - 1};
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i].t <= f.windows.start_ms) b.first = i;
  }
  if (f.windows.mode == RangeMode::kSmoothed) {
    for (std::size_t i = s.size(); i-- > 0;) {
      if (s[i].t >= f.windows.end_ms) b.last = i;
    }
  }
  if (s[b.last].t <= f.windows.start_ms) return std::nullopt;
  if (f.windows.mode == RangeMode::kSmoothed && s[b.first].t > f.windows.end_ms) {
    return std::nullopt;
  }
  return b;
}

double on_line(const NaiveSample& a, const NaiveSample& b, std::int64_t t, bool counter) {
  const double from = counter && b.value < a.value ? 0 : a.value;
  return from + (b.value - from) * static_cast<double>(t - a.t) / static_cast<double>(b.t - a.t);
}

std::optional<NaiveSample> extended_floats(const RangeCall& f, const std::vector<NaiveSample>& s,
                                           const Bounds& b) {
  const bool counter = f.name != "delta";
  const bool smooth = f.windows.mode == RangeMode::kSmoothed;
  const std::int64_t begin = f.windows.start_ms, end = f.windows.end_ms;
  double left = s[b.first].value, right = s[b.last].value;
  if (smooth && s[b.first].t < begin) left = on_line(s[b.first], s[b.first + 1], begin, counter);
  if (smooth && b.last > 0 && s[b.last].t > end) {
    right = on_line(s[b.last - 1], s[b.last], end, counter);
  }
  const Step& step = f.step;
  long double lost = 0;
  double before = left;
  for (std::size_t i = 0; counter && i < s.size(); ++i) {
    const bool inside = s[i].t > begin && s[i].t < end && i >= b.first && i <= b.last;
    if (!inside) continue;
    if (s[i].value < before) lost = step.kept(lost + step.noisy(before));
    before = s[i].value;
  }
  if (counter && right < before) lost = step.kept(lost + step.noisy(before));
  const long double change =
      step.kept(static_cast<long double>(step.noisy(right)) - step.noisy(left)) + lost;
  const double seconds = f.name == "rate" ? f.windows.seconds : 1;
  return NaiveSample{0, f.step.noisy(static_cast<double>(change) / seconds), nullptr, 0};
}

class ExtendedHistograms {
 public:
  ExtendedHistograms(const RangeCall& f, const Window& window, const Bounds& b)
      : f_(f), s_(window.samples), b_(b), metric_(model::go_quote(window.labels.metric_name())) {}

  std::optional<NaiveSample> run() {
    if (!fit()) return std::nullopt;
    const HistogramPtr left = border(b_.first, f_.windows.start_ms, true);
    const HistogramPtr right =
        left == nullptr ? nullptr : border(b_.last, f_.windows.end_ms, false);
    if (right == nullptr) return mixed();
    const auto gauge = model::CounterResetHint::kGauge;
    if (!counter_ && (left->reset_hint != gauge || right->reset_hint != gauge)) {
      warn("this native histogram metric is not a gauge: ");
    }
    HistogramSum sum = subtracted(*right, *left);
    if (sum.value == nullptr) return mixed();
    note(sum.reconciled, "subtraction");
    HistogramPtr change = sum.value;
    if (counter_) change = corrected(change, left, right);
    if (change == nullptr) return mixed();
    if (f_.name == "rate") change = divided(*change, f_.step.noisy(f_.windows.seconds));
    if (f_.step.random != nullptr) change = noisy(*scaled(*change, f_.step.noisy(1)), f_.step);
    return NaiveSample{0, 0, with_hint(*change, gauge), 0};
  }

 private:
  void warn(std::string_view text) const {
    f_.step.warn(*f_.windows.expr, std::string(text) + metric_);
  }
  std::optional<NaiveSample> mixed() const {
    warn(
        "vector contains a mix of histograms with exponential and custom buckets schemas for "
        "metric name ");
    return std::nullopt;
  }
  void note(bool reconciled, std::string_view operation) const {
    if (!reconciled) return;
    f_.step.info(*f_.windows.expr,
                 fmt::format("mismatched custom buckets were reconciled during {}", operation));
  }

  bool fit() const {
    const bool custom = s_[b_.first].histogram->schema == model::kCustomBucketsSchema;
    for (std::size_t i = b_.first; i <= b_.last; ++i) {
      if ((s_[i].histogram->schema == model::kCustomBucketsSchema) != custom) {
        mixed();
        return false;
      }
      if (counter_ && s_[i].histogram->reset_hint == model::CounterResetHint::kGauge) {
        warn("this native histogram metric is not a counter: ");
      }
    }
    return true;
  }

  HistogramPtr border(std::size_t i, std::int64_t t, bool left) const {
    const bool smooth = f_.windows.mode == RangeMode::kSmoothed;
    if (left && smooth && s_[i].t < t) {
      return histogram_between(s_[i], s_[i + 1], t, counter_, *f_.windows.expr, f_.step);
    }
    if (!left && smooth && i > 0 && s_[i].t > t) {
      return histogram_between(s_[i - 1], s_[i], t, counter_, *f_.windows.expr, f_.step);
    }
    return s_[i].histogram;
  }

  // Adds what was lost at each reset between the borders.
  HistogramPtr corrected(HistogramPtr change, const HistogramPtr& left, const HistogramPtr& right) {
    HistogramPtr before = left;
    std::size_t next = b_.first + 1;
    const bool smooth = f_.windows.mode == RangeMode::kSmoothed;
    if (smooth && s_[b_.first].t < f_.windows.start_ms &&
        was_reset(*s_[next].histogram, *s_[b_.first].histogram)) {
      before = s_[next].histogram;
      ++next;
    }
    if (next > b_.last) return change;
    for (; next < b_.last; ++next) {
      if (!lose(*s_[next].histogram, *before, &change)) return nullptr;
      before = s_[next].histogram;
    }
    return lose(*right, *before, &change) ? change : nullptr;
  }

  bool lose(const model::FloatHistogram& now, const model::FloatHistogram& before,
            HistogramPtr* change) const {
    if (!was_reset(now, before)) return true;
    const HistogramSum sum = added(**change, before);
    note(sum.reconciled, "addition");
    *change = sum.value;
    return sum.value != nullptr;
  }

  const RangeCall& f_;
  const std::vector<NaiveSample>& s_;
  const Bounds b_;
  const std::string metric_;
  const bool counter_ = f_.name != "delta";
};

}  // namespace

std::optional<NaiveSample> extended_rate(const RangeCall& f, const Window& window) {
  const std::optional<Bounds> b = bounds_of(f, window.samples);
  if (!b) return std::nullopt;
  if (window.samples.front().histogram == nullptr) return extended_floats(f, window.samples, *b);
  return ExtendedHistograms(f, window, *b).run();
}

}  // namespace tocsin::promql::testing::naive
