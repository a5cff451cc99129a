// SPDX-License-Identifier: Apache-2.0
//
// Rates of native histograms: the last histogram of a window minus the first, plus what each reset
// took away, stretched as the count demands.
#include <memory>
#include <utility>

#include "promql/functions/rate.h"
#include "promql/functions/start_times.h"
#include "promql/native/sum.h"

namespace tocsin::promql::functions {

namespace {

using model::CounterResetHint;
using model::FloatHistogram;

bool is_gauge(const FloatHistogram& h) { return h.reset_hint == CounterResetHint::kGauge; }

eval::HistogramPtr as_gauge(const native::HistogramSum& sum) {
  FloatHistogram h = sum.value();
  h.reset_hint = CounterResetHint::kGauge;
  return std::make_shared<const FloatHistogram>(std::move(h));
}

// Whether all that matter are of one kind; a first histogram that a reset follows does not.
bool one_kind(const MixedWindow& w, bool counter, bool first_matters) {
  const bool custom = model::has_custom_buckets(w.histogram(w.ms.size() - 1));
  if (first_matters && model::has_custom_buckets(w.histogram(0)) != custom) return false;
  for (std::size_t i = 1; counter && i + 1 < w.ms.size(); ++i) {
    if (model::has_custom_buckets(w.histogram(i)) != custom) return false;
  }
  return true;
}

void note_hints(const MixedWindow& w, bool counter, HistogramNotes* notes) {
  const std::size_t last = w.ms.size() - 1;
  if (!counter) {
    notes->not_gauge =
        notes->not_gauge || !is_gauge(w.histogram(0)) || !is_gauge(w.histogram(last));
    return;
  }
  for (std::size_t i = 0; i <= last; ++i) {
    notes->not_counter = notes->not_counter || is_gauge(w.histogram(i));
  }
}

// Whether histogram i does not go on counting where the one before stopped.
bool resets(const MixedWindow& w, std::size_t i) {
  return starts_anew(w.ms, w.starts, i) || model::detect_reset(w.histogram(i), w.histogram(i - 1));
}

// The change over the window of at least two; false when the buckets do not fit each other.
bool difference(const MixedWindow& w, bool counter, HistogramNotes* notes,
                native::HistogramSum* sum) {
  const std::size_t count = w.ms.size();
  const bool reset_first = counter && resets(w, 1);
  if (!one_kind(w, counter, !reset_first)) return false;
  if (!reset_first) {
    sum->add(w.histogram(0), -1);
  } else {
    // Nothing, in the layout of what came after the reset.
    FloatHistogram nothing;
    nothing.schema = w.histogram(1).schema;
    nothing.custom_values = w.histogram(1).custom_values;
    sum->add(nothing, -1);
  }
  notes->reconciled_subtraction = notes->reconciled_subtraction || sum->reconciled_last();
  if (!counter) return true;
  // The lowest schema of all decides, whether or not the histogram is added.
  for (std::size_t i = 1; i + 1 < count; ++i) {
    const FloatHistogram& h = w.histogram(i);
    if (h.schema < sum->schema()) sum->lower_schema(h.schema);
  }
  for (std::size_t i = reset_first ? 2 : 1; i < count; ++i) {
    if (!resets(w, i)) continue;
    if (!sum->add(w.histogram(i - 1))) return false;
    notes->reconciled_addition = notes->reconciled_addition || sum->reconciled_last();
  }
  return true;
}

}  // namespace

template <RateKind kKind>
void rate_mixed(const MixedWindow& w, const KernelArgs& args, std::size_t step,
                HistogramNotes* notes, eval::Column* out) {
  out->present.clear(step);
  if (w.float_count() > 0) {
    notes->mixed_types = true;
    return;
  }
  constexpr bool kCounter = kKind != RateKind::kDelta;
  const std::int64_t start_ms =
      kCounter ? start_inside(w.ms, w.starts, 0, args.range_end[step] - args.range_ms) : 0;
  if (w.ms.size() < 2 && start_ms == 0) return;
  native::HistogramSum sum(w.histogram(w.ms.size() - 1));
  bool fits = true;
  if (w.ms.size() > 1) {
    if (kCounter) note_hints(w, kCounter, notes);
    fits = difference(w, kCounter, notes, &sum);
    if (!kCounter && fits) note_hints(w, kCounter, notes);
    if (fits && start_ms != 0) {
      fits = sum.add(w.histogram(0));
      notes->reconciled_addition = notes->reconciled_addition || sum.reconciled_last();
    }
  }
  if (!fits) {
    notes->mixed_schemas = true;
    return;
  }
  const Extent extent{w.ms.front(),         w.ms.back(), w.ms.size(),
                      w.histogram(0).count, sum.count(), start_ms};
  sum.multiply(extrapolation_factor<kKind>(extent, args, step));
  out->put(step, as_gauge(sum));
}

template <bool kCounter>
void instant_mixed(const MixedWindow& w, const KernelArgs&, std::size_t step, HistogramNotes* notes,
                   eval::Column* out) {
  out->present.clear(step);
  const std::size_t count = w.ms.size();
  if (count < 2) return;
  const eval::HistogramPtr& before = w.histograms[count - 2];
  const eval::HistogramPtr& last = w.histograms[count - 1];
  if ((before == nullptr) != (last == nullptr)) {
    notes->mixed_types = true;
    return;
  }
  const std::int64_t interval_ms = w.ms[count - 1] - w.ms[count - 2];
  if (interval_ms == 0) return;
  const double seconds = static_cast<double>(interval_ms) / 1000;
  if (last == nullptr) {  // older histograms do not matter
    const double x = w.values[count - 2];
    const double y = w.values[count - 1];
    const bool reset = kCounter && (y < x || starts_anew(w.ms, w.starts, count - 1));
    const double change = reset ? y : y - x;
    out->put_float(step, kCounter ? change / seconds : change);
    return;
  }
  const bool gauges = is_gauge(*last) && is_gauge(*before);
  if (kCounter && (is_gauge(*last) || is_gauge(*before))) notes->not_counter = true;
  if (!kCounter && !gauges) notes->not_gauge = true;
  native::HistogramSum sum(*last);
  if (!kCounter || !resets(w, count - 1)) {
    if (!sum.add(*before, -1)) {
      notes->mixed_schemas = true;
      return;
    }
    notes->reconciled_subtraction = notes->reconciled_subtraction || sum.reconciled();
  }
  if (kCounter) sum.divide(seconds);
  out->put(step, as_gauge(sum));
}

template void rate_mixed<RateKind::kRate>(const MixedWindow&, const KernelArgs&, std::size_t,
                                          HistogramNotes*, eval::Column*);
template void rate_mixed<RateKind::kIncrease>(const MixedWindow&, const KernelArgs&, std::size_t,
                                              HistogramNotes*, eval::Column*);
template void rate_mixed<RateKind::kDelta>(const MixedWindow&, const KernelArgs&, std::size_t,
                                           HistogramNotes*, eval::Column*);
template void instant_mixed<true>(const MixedWindow&, const KernelArgs&, std::size_t,
                                  HistogramNotes*, eval::Column*);
template void instant_mixed<false>(const MixedWindow&, const KernelArgs&, std::size_t,
                                   HistogramNotes*, eval::Column*);

}  // namespace tocsin::promql::functions
