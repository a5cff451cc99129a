// SPDX-License-Identifier: Apache-2.0
//
// Anchored and smoothed range vectors with native histograms. The change of a window is the right
// border minus the left one, plus, for each reset between two samples, what was lost there; a
// smoothed left border inside such a pair has begun anew already.
#include <memory>
#include <utility>

#include "promql/functions/extended.h"
#include "promql/functions/mixed_kernels.h"
#include "promql/native/sum.h"

namespace tocsin::promql::functions {

namespace {

using model::FloatHistogram;

// The samples of a window from its left border to its right one.
class Change {
 public:
  Change(const MixedWindow& w, std::int64_t start_ms, std::int64_t end_ms, Borders borders,
         RangeMode mode)
      : w_(w), start_ms_(start_ms), end_ms_(end_ms), first_(borders.first), last_(borders.last) {
    const bool smoothed = mode == RangeMode::kSmoothed;
    left_between_ = smoothed && w.ms[first_] < start_ms;
    right_between_ = smoothed && last_ > 0 && w.ms[last_] > end_ms;
  }

  void note_hints(bool counter, HistogramNotes* notes) const {
    const auto gauge = [&](std::size_t i) {
      return w_.histogram(i).reset_hint == model::CounterResetHint::kGauge;
    };
    if (!counter && !(gauge(first_) && gauge(last_))) notes->not_gauge = true;
    for (std::size_t i = first_; counter && i <= last_; ++i) {
      if (gauge(i)) notes->not_counter = true;
    }
  }

  // False when exponential and custom buckets meet.
  bool compute(bool counter, HistogramNotes* notes, native::HistogramSum* sum) const {
    if (!one_kind(counter)) return false;
    const FloatHistogram left =
        left_between_ ? between(first_, start_ms_, counter, notes).value() : w_.histogram(first_);
    if (right_between_) *sum = between(last_ - 1, end_ms_, counter, notes);
    if (!sum->add(left, -1)) return false;
    notes->reconciled_subtraction = notes->reconciled_subtraction || sum->reconciled_last();
    for (std::size_t i = first_ + 1; counter && i <= last_; ++i) {
      if (i == first_ + 1 && left_between_) continue;
      if (!model::detect_reset(w_.histogram(i), w_.histogram(i - 1))) continue;
      if (!sum->add(w_.histogram(i - 1))) return false;
      notes->reconciled_addition = notes->reconciled_addition || sum->reconciled_last();
    }
    return true;
  }

 private:
  bool one_kind(bool counter) const {
    const bool custom = model::has_custom_buckets(w_.histogram(last_));
    for (std::size_t i = first_; i < last_; ++i) {
      const bool matters =
          counter || i == first_ || (left_between_ && i == first_ + 1) || i + 1 == last_;
      if (matters && model::has_custom_buckets(w_.histogram(i)) != custom) return false;
    }
    return true;
  }

  native::HistogramSum between(std::size_t i, std::int64_t time, bool counter,
                               HistogramNotes* notes) const {
    native::HistogramSum sum = *interpolate(
        w_.histogram(i), w_.histogram(i + 1),
        static_cast<double>(time - w_.ms[i]) / static_cast<double>(w_.ms[i + 1] - w_.ms[i]),
        counter);
    notes->reconciled_subtraction = notes->reconciled_subtraction || sum.reconciled();
    notes->reconciled_addition = notes->reconciled_addition || sum.reconciled_last();
    return sum;
  }

  const MixedWindow& w_;
  const std::int64_t start_ms_, end_ms_;
  const std::size_t first_, last_;
  bool left_between_, right_between_;
};

// Runs a float kernel over one window without histograms.
void floats_of_one(RangeKernel kernel, const MixedWindow& w, const KernelArgs& args,
                   std::size_t step, eval::Column* out) {
  const std::uint32_t begin[] = {0};
  const std::uint32_t end[] = {static_cast<std::uint32_t>(w.ms.size())};
  const KernelArgs one{
      args.range_end.subspan(step, 1), args.eval_time.subspan(step, 1), args.range_ms, {}, {}};
  eval::Column result(1);
  kernel({w.ms, w.values, begin, end}, one, &result);
  if (result.present.test(0)) out->put_float(step, result.values[0]);
}

template <RangeMode kMode, bool kCounter, bool kPerSecond>
void change_mixed(const MixedWindow& w, const KernelArgs& args, std::size_t step,
                  HistogramNotes* notes, eval::Column* out) {
  out->present.clear(step);
  // Also what lies before the anchor counts.
  if (w.float_count() > 0 && w.float_count() < w.ms.size()) {
    notes->mixed_types = true;
    return;
  }
  const std::int64_t end_ms = args.range_end[step];
  const std::int64_t start_ms = end_ms - args.range_ms;
  const std::optional<Borders> borders = borders_of(w.ms, start_ms, end_ms, kMode);
  if (!borders) return;
  const std::size_t count = borders->last - borders->first + 1;
  std::size_t histograms = 0;
  for (std::size_t i = borders->first; i <= borders->last; ++i) {
    if (w.histograms[i] != nullptr) ++histograms;
  }
  if (histograms == 0) {
    const MixedWindow part{
        w.ms.subspan(borders->first, count), w.values.subspan(borders->first, count), {}, 0};
    constexpr std::string_view kName = kPerSecond ? "rate" : kCounter ? "increase" : "delta";
    floats_of_one(find_extended_kernel(kName, kMode), part, args, step, out);
    return;
  }
  if (histograms < count) {
    notes->mixed_types = true;
    return;
  }
  const Change change(w, start_ms, end_ms, *borders, kMode);
  change.note_hints(kCounter, notes);
  native::HistogramSum sum(w.histogram(borders->last));
  if (!change.compute(kCounter, notes, &sum)) {
    notes->mixed_schemas = true;
    return;
  }
  if (kPerSecond) sum.divide(static_cast<double>(args.range_ms) / 1000);
  FloatHistogram result = sum.value();
  result.reset_hint = model::CounterResetHint::kGauge;
  out->put(step, std::make_shared<const FloatHistogram>(std::move(result)));
}

// resets and changes, from the anchor on.
template <MixedKernel kPlain>
void count_mixed_from_anchor(const MixedWindow& w, const KernelArgs& args, std::size_t step,
                             HistogramNotes* notes, eval::Column* out) {
  out->present.clear(step);
  const std::int64_t start_ms = args.range_end[step] - args.range_ms;
  if (w.ms.back() <= start_ms) return;
  const std::size_t first = left_sample(w.ms, start_ms);
  MixedWindow part{w.ms.subspan(first), w.values.subspan(first), w.histograms.subspan(first),
                   w.histogram_count};
  if (!w.starts.empty()) part.starts = w.starts.subspan(first);
  kPlain(part, args, step, notes, out);
}

template <RangeMode kMode>
MixedKernel change_kernel(std::string_view function) {
  if (function == "rate") return change_mixed<kMode, true, true>;
  if (function == "increase") return change_mixed<kMode, true, false>;
  return change_mixed<kMode, false, false>;
}

}  // namespace

MixedKernel find_extended_mixed(std::string_view function, RangeMode mode) {
  if (function == "resets") return count_mixed_from_anchor<resets_mixed>;
  if (function == "changes") return count_mixed_from_anchor<changes_mixed>;
  return mode == RangeMode::kAnchored ? change_kernel<RangeMode::kAnchored>(function)
                                      : change_kernel<RangeMode::kSmoothed>(function);
}

std::optional<native::HistogramSum> interpolate(const FloatHistogram& from,
                                                const FloatHistogram& to, double part,
                                                bool counter) {
  native::HistogramSum sum(to);
  if (model::has_custom_buckets(to) != model::has_custom_buckets(from)) return std::nullopt;
  if (counter && model::detect_reset(to, from)) {
    sum.multiply(part);
    return sum;
  }
  if (!sum.add(from, -1)) return std::nullopt;
  sum.multiply(part);
  if (!sum.add(from)) return std::nullopt;
  return sum;
}

}  // namespace tocsin::promql::functions
