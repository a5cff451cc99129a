// SPDX-License-Identifier: Apache-2.0
//
// Functions over the samples of one window.
#include <algorithm>
#include <cmath>

#include "model/value.h"
#include "promql/testing/naive_histogram.h"
#include "promql/testing/naive_parts.h"

namespace tocsin::promql::testing::naive {

namespace {

using Samples = std::vector<NaiveSample>;
using Result = StatusOr<std::optional<NaiveSample>>;

std::optional<NaiveSample> number(double v) { return NaiveSample{0, v, nullptr, 0}; }
std::optional<NaiveSample> histogram(HistogramPtr h) { return NaiveSample{0, 0, std::move(h), 0}; }

Samples floats_of(const Window& window) {
  Samples out;
  for (const NaiveSample& s : window.samples) {
    if (s.histogram == nullptr) out.push_back(s);
  }
  return out;
}

std::vector<double> values_of(const Samples& samples) {
  std::vector<double> out;
  for (const NaiveSample& s : samples) out.push_back(s.value);
  return out;
}

void note_mix(const RangeCall& f, const Window& window) {
  f.step.warn(*f.windows.expr, "encountered a mix of histograms and floats for metric name " +
                                   model::go_quote(window.labels.metric_name()));
}
void note_ignored(const RangeCall& f, const Window& window) {
  f.step.info(*f.call.arguments[0],
              "ignored histograms in a range containing both floats and histograms for metric "
              "name " +
                  model::go_quote(window.labels.metric_name()));
}
void note_schemas(const RangeCall& f, const Window& window) {
  f.step.warn(*f.windows.expr,
              "vector contains a mix of histograms with exponential and custom buckets schemas "
              "for metric name " +
                  model::go_quote(window.labels.metric_name()));
}

// Whether the counter began anew between the samples.
bool fell(const NaiveSample& before, const NaiveSample& now, const Step& step) {
  if (step.query.start_timestamps && started_anew(before, now)) return true;
  if ((before.histogram == nullptr) != (now.histogram == nullptr)) return true;
  if (now.histogram != nullptr) return was_reset(*now.histogram, *before.histogram);
  return now.value < before.value;
}

bool changed(const NaiveSample& before, const NaiveSample& now) {
  if ((before.histogram == nullptr) != (now.histogram == nullptr)) return true;
  if (now.histogram != nullptr) return !same(*now.histogram, *before.histogram);
  if (std::isnan(now.value) && std::isnan(before.value)) return false;
  return now.value != before.value;
}

// changes() and resets(). Anchored: from the newest sample at or before the window's begin.
std::optional<NaiveSample> count_pairs(const RangeCall& f, const Window& window) {
  std::size_t first = 0;
  if (f.windows.mode == RangeMode::kAnchored) {
    for (std::size_t i = 0; i < window.samples.size(); ++i) {
      if (window.samples[i].t <= f.windows.start_ms) first = i;
    }
    if (window.samples.back().t <= f.windows.start_ms) return std::nullopt;
  }
  double count = 0;
  for (std::size_t i = first + 1; i < window.samples.size(); ++i) {
    const NaiveSample& before = window.samples[i - 1];
    const NaiveSample& now = window.samples[i];
    const bool hit = f.name == "changes" ? changed(before, now) : fell(before, now, f.step);
    count += hit ? 1 : 0;
  }
  return number(count);
}

// The least squares line through the floats, its slope and its value at time t, from which times
// count: next to infinite values that decides.
struct Line {
  double slope = 0, at = 0;
};
Line line_through(const Samples& samples, std::int64_t t, const Step& step) {
  bool constant = true;
  for (const NaiveSample& s : samples) constant = constant && s.value == samples[0].value;
  if (constant) {
    const double v = samples[0].value;
    if (std::isinf(v)) return {model::normal_nan(), model::normal_nan()};
    return {0, v};
  }
  long double n = 0, sx = 0, sy = 0, sxy = 0, sxx = 0;
  for (const NaiveSample& s : samples) {
    const long double x = static_cast<long double>(s.t - t) / 1000 * step.noisy(1);
    const long double y = step.noisy(s.value);
    n += 1;
    sx += x;
    sy += y;
    sxy += x * y;
    sxx += x * x;
  }
  if (step.query.before_3 && !std::isfinite(sy)) return {model::normal_nan(), model::normal_nan()};
  // Far from the samples these differences lose most of their digits.
  const auto term = [&](long double v) { return step.kept(v * step.noisy(1)); };
  const long double slope = (term(sxy) - term(sx * sy / n)) / (term(sxx) - term(sx * sx / n));
  return {static_cast<double>(slope), static_cast<double>(sy / n - slope * sx / n)};
}

double smoothed_exponentially(const Samples& samples, double data, double trend) {
  double level = samples[0].value;
  double slope = samples[1].value - samples[0].value;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    const double before = level;
    level = data * samples[i].value + (1 - data) * (before + slope);
    slope = trend * (level - before) + (1 - trend) * slope;
  }
  return level;
}

Result of_floats(const RangeCall& f, const Window& window, const Samples& floats) {
  const std::vector<double> values = values_of(floats);
  const Step& step = f.step;
  if (f.name == "quantile_over_time") {
    const double q = f.parameters[0];
    if (!(q >= 0 && q <= 1)) {
      step.warn(*f.call.arguments[0],
                "quantile value should be between 0 and 1, got " + quantile_text(q));
    }
    return number(step.noisy(quantile_of(q, values)));
  }
  if (f.name == "stdvar_over_time" || f.name == "stddev_over_time") {
    double variance = variance_of(values, step);
    if (step.query.before_3 && std::isinf(variance)) variance = model::normal_nan();
    return number(f.name == "stdvar_over_time" ? variance : std::sqrt(variance));
  }
  if (f.name == "mad_over_time") {
    for (const double v : values) {
      if (std::isnan(v)) return number(v);
    }
    const double median = quantile_of(0.5, values);
    std::vector<double> far;
    for (const double v : values) far.push_back(step.noisy(std::fabs(v - median)));
    return number(quantile_of(0.5, far));
  }
  const bool largest = f.name.find("max") != std::string_view::npos;
  const bool time = f.name.starts_with("ts_of");
  NaiveSample best = floats[0];
  for (const NaiveSample& s : floats) {
    const bool better = largest ? s.value > best.value : s.value < best.value;
    const bool equal = time && s.value == best.value;
    if (better || equal || std::isnan(best.value)) best = s;
  }
  static_cast<void>(window);
  return number(time ? static_cast<double>(best.t) / 1000 : best.value);
}

// Functions for which histograms are as if they were not there.
bool takes_floats_only(std::string_view name) {
  return name == "quantile_over_time" || name == "stdvar_over_time" || name == "stddev_over_time" ||
         name == "mad_over_time" || name == "max_over_time" || name == "min_over_time" ||
         name == "ts_of_max_over_time" || name == "ts_of_min_over_time";
}

Result of_line(const RangeCall& f, const Window& window, const Samples& floats) {
  if (f.name == "double_exponential_smoothing") {
    for (const double p : f.parameters) {
      if (p <= 0 || p >= 1) return failed_precondition("invalid smoothing or trend factor");
    }
  }
  if (!floats.empty() && floats.size() < window.samples.size()) note_ignored(f, window);
  if (floats.size() < 2) return std::optional<NaiveSample>();
  if (f.name == "double_exponential_smoothing") {
    return number(f.step.noisy(smoothed_exponentially(floats, f.parameters[0], f.parameters[1])));
  }
  if (f.name == "deriv") return number(line_through(floats, floats[0].t, f.step).slope);
  const Line line = line_through(floats, f.step.t, f.step);
  return number(line.at + line.slope * f.parameters[0]);
}

// Sum or mean of histograms.
std::optional<NaiveSample> total(const RangeCall& f, const Window& window) {
  HistogramPtr sum = window.samples[0].histogram;
  bool reset = false, not_reset = false, reconciled = false;
  for (std::size_t i = 0; i < window.samples.size(); ++i) {
    const model::FloatHistogram& h = *window.samples[i].histogram;
    reset = reset || h.reset_hint == model::CounterResetHint::kReset;
    not_reset = not_reset || h.reset_hint == model::CounterResetHint::kNotReset;
    if (i == 0) continue;
    const HistogramSum next = added(*sum, h);
    if (next.value == nullptr) {
      note_schemas(f, window);
      return std::nullopt;
    }
    sum = next.value;
    reconciled = reconciled || next.reconciled;
  }
  if (reset && not_reset) {
    f.step.warn(*f.windows.expr, "conflicting counter resets during histogram aggregation");
  }
  if (reconciled) {
    f.step.info(*f.windows.expr, "mismatched custom buckets were reconciled during aggregation");
  }
  const auto n = static_cast<double>(window.samples.size());
  const double by = f.step.noisy(f.name == "avg_over_time" ? n : 1);
  return histogram(noisy(by == 1 ? *sum : *divided(*sum, by), f.step));
}

Result sum_or_mean(const RangeCall& f, const Window& window, const Samples& floats) {
  if (!floats.empty() && floats.size() < window.samples.size()) {
    note_mix(f, window);
    return std::optional<NaiveSample>();
  }
  if (floats.empty()) return total(f, window);
  const std::vector<double> values = values_of(floats);
  return number(f.name == "sum_over_time" ? sum_of(values, f.step) : mean_of(values, f.step));
}

// irate() and idelta(): of the two newest samples.
Result of_last_two(const RangeCall& f, const Window& window) {
  const Samples& s = window.samples;
  if (s.size() < 2) return std::optional<NaiveSample>();
  const NaiveSample& before = s[s.size() - 2];
  const NaiveSample& now = s.back();
  const bool rate = f.name == "irate";
  const double seconds = rate ? static_cast<double>(now.t - before.t) / 1000 : 1;
  if ((before.histogram == nullptr) != (now.histogram == nullptr)) {
    note_mix(f, window);
    return std::optional<NaiveSample>();
  }
  const bool anew = rate && fell(before, now, f.step);
  if (now.histogram == nullptr) {
    return number(f.step.noisy((anew ? now.value : now.value - before.value) / seconds));
  }
  const auto gauge = model::CounterResetHint::kGauge;
  const bool both = before.histogram->reset_hint == gauge && now.histogram->reset_hint == gauge;
  const bool any = before.histogram->reset_hint == gauge || now.histogram->reset_hint == gauge;
  const std::string metric = model::go_quote(window.labels.metric_name());
  if (rate && any) {
    f.step.warn(*f.windows.expr, "this native histogram metric is not a counter: " + metric);
  }
  if (!rate && !both) {
    f.step.warn(*f.windows.expr, "this native histogram metric is not a gauge: " + metric);
  }
  HistogramPtr h = now.histogram;
  if (!anew) {
    const HistogramSum difference = subtracted(*now.histogram, *before.histogram);
    if (difference.value == nullptr) {
      note_schemas(f, window);
      return std::optional<NaiveSample>();
    }
    if (difference.reconciled) {
      f.step.info(*f.windows.expr, "mismatched custom buckets were reconciled during subtraction");
    }
    h = difference.value;
  }
  h = with_hint(*noisy(rate ? *divided(*h, f.step.noisy(seconds)) : *h, f.step), gauge);
  return histogram(h);
}

// How much of the window the samples stand for, as a factor of the time between them: to the
// border where the next sample would be expected beyond it, else half a gap, and not before a
// counter was zero.
double reach(const RangeCall& f, const Samples& s, double first_value, double change,
             bool counter) {
  const double covered = static_cast<double>(s.back().t - s.front().t) / 1000;
  const double gap = covered / static_cast<double>(s.size() - 1);
  double before = static_cast<double>(s.front().t - f.windows.start_ms) / 1000;
  double after = static_cast<double>(f.windows.end_ms - s.back().t) / 1000;
  const bool zero_first = f.step.query.before_3;
  if (!zero_first && before >= 1.1 * gap) before = gap / 2;
  if (after >= 1.1 * gap) after = gap / 2;
  if (counter && change > 0 && first_value >= 0) {
    const double to_zero = covered * (first_value / change);
    if (to_zero < before) before = to_zero;
  }
  if (zero_first && before >= 1.1 * gap) before = gap / 2;
  return (covered + before + after) / covered;
}

// The first sample's start lies in the window: the counter was zero then.
bool starts_inside(const RangeCall& f, const NaiveSample& first, bool counter) {
  const bool known = f.step.query.start_timestamps && f.name != "delta" && counter;
  return known && first.start_ms != 0 && first.start_ms > f.windows.start_ms &&
         first.start_ms < first.t;
}

// From a start inside the window, or as reach() says; nothing: too few samples.
std::optional<double> stretch(const RangeCall& f, const Samples& s, double first_value,
                              double change, bool counter) {
  if (!starts_inside(f, s.front(), counter)) {
    if (s.size() < 2) return std::nullopt;
    return reach(f, s, first_value, change, counter);
  }
  const double covered = static_cast<double>(s.back().t - s.front().start_ms) / 1000;
  double gap = 0;
  if (s.size() > 1) {
    gap = static_cast<double>(s.back().t - s.front().t) / 1000 / static_cast<double>(s.size() - 1);
  }
  double after = static_cast<double>(f.windows.end_ms - s.back().t) / 1000;
  if (after >= 1.1 * gap) after = gap / 2;
  return covered == 0 ? 1 : (covered + after) / covered;
}

bool overlaps(const NaiveSample& before, const NaiveSample& now) {
  return now.start_ms != 0 && now.start_ms < before.t && now.start_ms != before.start_ms;
}

// rate(), increase() and delta() of floats.
std::optional<NaiveSample> float_rate(const RangeCall& f, const Samples& s) {
  const bool counter = f.name != "delta";
  // What was lost at each reset is added to the difference of the last and the first.
  const Step& step = f.step;
  long double change =
      step.kept(static_cast<long double>(step.noisy(s.back().value)) - step.noisy(s.front().value));
  for (std::size_t i = 1; i < s.size(); ++i) {
    if (!counter || !fell(s[i - 1], s[i], step)) continue;
    change = step.kept(change + step.noisy(s[i - 1].value));
  }
  if (starts_inside(f, s.front(), counter)) change += s.front().value;
  const auto factor = stretch(f, s, s.front().value, static_cast<double>(change), counter);
  if (!factor) return std::nullopt;
  const double seconds = f.name == "rate" ? f.windows.seconds : 1;
  return number(f.step.noisy(static_cast<double>(change) * (*factor / seconds)));
}

Result rates(const RangeCall& f, const Window& window, const Samples& floats) {
  if (!floats.empty() && floats.size() < window.samples.size()) {
    note_mix(f, window);
    return std::optional<NaiveSample>();
  }
  if (f.windows.mode != RangeMode::kPlain) return extended_rate(f, window);
  if (floats.empty()) return histogram_rate(f, window);
  if (f.step.query.start_timestamps && f.name != "delta") {
    for (std::size_t i = 1; i < floats.size(); ++i) {
      if (!overlaps(floats[i - 1], floats[i])) continue;
      f.step.warn(*f.windows.expr,
                  "sample has start time that overlaps with previous sample timestamp for metric " +
                      model::go_quote(window.labels.metric_name()));
      break;
    }
  }
  return float_rate(f, floats);
}

// Whether all that matter have buckets of one kind; `customs`: they are custom ones.
bool fit(const RangeCall& f, const Window& window, bool counter, bool* customs) {
  const Samples& s = window.samples;
  bool gauges = false, exponentials = false;
  for (std::size_t i = 0; i < s.size(); ++i) {
    gauges = gauges || s[i].histogram->reset_hint == model::CounterResetHint::kGauge;
    // What lies before a reset right after the first sample does not count.
    if (i == 0 && s.size() > 1 && counter && fell(s[0], s[1], f.step)) continue;
    if (!counter && i > 0 && i + 1 < s.size()) continue;
    (model::kCustomBucketsSchema == s[i].histogram->schema ? *customs : exponentials) = true;
  }
  if (counter && gauges && s.size() > 1) {
    f.step.warn(*f.windows.expr, "this native histogram metric is not a counter: " +
                                     model::go_quote(window.labels.metric_name()));
  }
  if (!*customs || !exponentials) return true;
  note_schemas(f, window);
  return false;
}

}  // namespace

bool started_anew(const NaiveSample& before, const NaiveSample& now) {
  if (now.start_ms == 0 || now.start_ms >= now.t || now.start_ms < before.t) return false;
  if (now.start_ms > before.t) return true;
  return before.start_ms != 0 && before.start_ms < before.t;
}

std::optional<NaiveSample> histogram_rate(const RangeCall& f, const Window& window) {
  const bool counter = f.name != "delta";
  const Samples& s = window.samples;
  const auto gauge = model::CounterResetHint::kGauge;
  const std::string metric = model::go_quote(window.labels.metric_name());
  HistogramPtr change;
  bool customs = false, subtraction = false, addition = false;
  if (!fit(f, window, counter, &customs)) return std::nullopt;
  if (s.size() > 1) {
    const bool anew = counter && fell(s[0], s[1], f.step);
    change = s.back().histogram;
    // What is before a reset counts as empty, with the layout of what comes after it.
    model::FloatHistogram empty;
    empty.schema = s[1].histogram->schema;
    empty.custom_values = s[1].histogram->custom_values;
    const HistogramSum difference = subtracted(*change, anew ? empty : *s[0].histogram);
    change = difference.value;
    subtraction = difference.reconciled;
    for (std::size_t i = anew ? 2 : 1; counter && i < s.size(); ++i) {
      if (!fell(s[i - 1], s[i], f.step)) continue;
      const HistogramSum sum = added(*change, *s[i - 1].histogram);
      change = sum.value;
      addition = addition || sum.reconciled;
    }
    // Everything in between sets the resolution of the result.
    for (std::size_t i = anew ? 1 : 0; counter && i < s.size(); ++i) {
      const HistogramSum sum = added(*change, *scaled(*s[i].histogram, 0));
      if (s[i].histogram->schema < change->schema && !customs) change = sum.value;
    }
  }
  if (starts_inside(f, s.front(), counter)) {
    if (change == nullptr) {
      change = s.front().histogram;
    } else {
      const HistogramSum sum = added(*change, *s.front().histogram);
      if (sum.value == nullptr) {
        note_schemas(f, window);
        return std::nullopt;
      }
      change = sum.value;
      addition = addition || sum.reconciled;
    }
  }
  if (subtraction) {
    f.step.info(*f.windows.expr, "mismatched custom buckets were reconciled during subtraction");
  }
  if (addition) {
    f.step.info(*f.windows.expr, "mismatched custom buckets were reconciled during addition");
  }
  if (!counter && s.size() > 1 &&
      (s.front().histogram->reset_hint != gauge || s.back().histogram->reset_hint != gauge)) {
    f.step.warn(*f.windows.expr, "this native histogram metric is not a gauge: " + metric);
  }
  if (change == nullptr) return std::nullopt;
  const auto factor = stretch(f, s, s.front().histogram->count, change->count, counter);
  if (!factor) return std::nullopt;
  const double seconds = f.name == "rate" ? f.windows.seconds : 1;
  const auto hint = s.size() > 1 ? gauge : change->reset_hint;
  change = noisy(*scaled(*change, f.step.noisy(*factor / seconds)), f.step);
  return histogram(with_hint(*change, hint));
}

StatusOr<std::optional<NaiveSample>> apply_range(const RangeCall& f, const Window& window) {
  const Samples floats = floats_of(window);
  const Samples& all = window.samples;
  if (f.name == "rate" || f.name == "increase" || f.name == "delta") {
    return rates(f, window, floats);
  }
  if (f.name == "changes" || f.name == "resets") {
    return count_pairs(f, window);
  }
  if (f.name == "count_over_time") return number(static_cast<double>(all.size()));
  if (f.name == "present_over_time") return number(1);
  if (f.name == "last_over_time") return all.back();
  if (f.name == "first_over_time") return all.front();
  if (f.name == "ts_of_first_over_time") return number(static_cast<double>(all.front().t) / 1000);
  if (f.name == "ts_of_last_over_time") return number(static_cast<double>(all.back().t) / 1000);
  if (f.name == "irate" || f.name == "idelta") return of_last_two(f, window);
  if (f.name == "sum_over_time" || f.name == "avg_over_time") {
    return sum_or_mean(f, window, floats);
  }
  if (f.name == "deriv" || f.name == "predict_linear" || f.name == "double_exponential_smoothing") {
    return of_line(f, window, floats);
  }
  if (!takes_floats_only(f.name)) return unimplemented("naive: {}", f.name);
  if (floats.empty()) return std::optional<NaiveSample>();
  if (floats.size() < all.size()) note_ignored(f, window);
  return of_floats(f, window, floats);
}

}  // namespace tocsin::promql::testing::naive
