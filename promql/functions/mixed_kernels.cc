// SPDX-License-Identifier: Apache-2.0
#include "promql/functions/mixed_kernels.h"

#include <cmath>
#include <memory>

#include "promql/functions/start_times.h"
#include "promql/native/sum.h"

namespace tocsin::promql::functions {

namespace {

void put_sample(const MixedWindow& w, std::size_t i, std::size_t step, eval::Column* out) {
  if (w.histograms[i] != nullptr) {
    out->put(step, w.histograms[i]);
  } else {
    out->put_float(step, w.values[i]);
  }
}

template <typename Accumulator>
void accumulate(const MixedWindow& w, std::size_t step, HistogramNotes* notes, eval::Column* out) {
  out->present.clear(step);
  if (w.float_count() > 0) {
    notes->mixed_types = true;
    return;
  }
  Accumulator total(w.histogram(0));
  for (std::size_t i = 1; i < w.ms.size(); ++i) {
    if (total.add(w.histogram(i))) continue;
    notes->mixed_schemas = true;
    return;
  }
  notes->resets_conflict = notes->resets_conflict || total.resets_conflict();
  notes->reconciled_sum = notes->reconciled_sum || total.reconciled();
  out->put(step, std::make_shared<const model::FloatHistogram>(total.value()));
}

// Counts the neighbours that differ: floats by `floats`, histograms by `histograms`, kinds always,
// and, when they count, those between which the counter began anew.
enum class Begins { kCount, kIgnore };
template <typename Floats, typename Histograms>
double count_steps(const MixedWindow& w, Begins begins, Floats floats, Histograms histograms) {
  double count = 0;
  for (std::size_t i = 1; i < w.ms.size(); ++i) {
    const eval::HistogramPtr& before = w.histograms[i - 1];
    const eval::HistogramPtr& now = w.histograms[i];
    const bool differ =
        (before == nullptr) != (now == nullptr) ||
        (begins == Begins::kCount && starts_anew(w.ms, w.starts, i)) ||
        (now == nullptr ? floats(w.values[i], w.values[i - 1]) : histograms(*now, *before));
    if (differ) count += 1;
  }
  return count;
}

double seconds(std::int64_t ms) { return static_cast<double>(ms) / 1000; }

}  // namespace

void ignore_mixed(const MixedWindow& w, const KernelArgs&, std::size_t, HistogramNotes* notes,
                  eval::Column*) {
  if (w.float_count() > 0) notes->ignored = true;
}

void one_mixed(const MixedWindow&, const KernelArgs&, std::size_t step, HistogramNotes*,
               eval::Column* out) {
  out->put_float(step, 1);
}

void count_mixed(const MixedWindow& w, const KernelArgs&, std::size_t step, HistogramNotes*,
                 eval::Column* out) {
  out->put_float(step, static_cast<double>(w.ms.size()));
}

void sum_mixed(const MixedWindow& w, const KernelArgs&, std::size_t step, HistogramNotes* notes,
               eval::Column* out) {
  accumulate<native::HistogramSum>(w, step, notes, out);
}

void avg_mixed(const MixedWindow& w, const KernelArgs&, std::size_t step, HistogramNotes* notes,
               eval::Column* out) {
  accumulate<native::HistogramMean>(w, step, notes, out);
}

void changes_mixed(const MixedWindow& w, const KernelArgs&, std::size_t step, HistogramNotes*,
                   eval::Column* out) {
  out->put_float(step, count_steps(
                           w, Begins::kIgnore,
                           [](double now, double before) {
                             return now != before && !(std::isnan(now) && std::isnan(before));
                           },
                           [](const auto& now, const auto& before) {
                             return !model::same_histogram(now, before);
                           }));
}

void resets_mixed(const MixedWindow& w, const KernelArgs&, std::size_t step, HistogramNotes*,
                  eval::Column* out) {
  out->put_float(
      step,
      count_steps(
          w, Begins::kCount, [](double now, double before) { return now < before; },
          [](const auto& now, const auto& before) { return model::detect_reset(now, before); }));
}

void first_mixed(const MixedWindow& w, const KernelArgs&, std::size_t step, HistogramNotes*,
                 eval::Column* out) {
  put_sample(w, 0, step, out);
}

void last_mixed(const MixedWindow& w, const KernelArgs&, std::size_t step, HistogramNotes*,
                eval::Column* out) {
  put_sample(w, w.ms.size() - 1, step, out);
}

void first_time_mixed(const MixedWindow& w, const KernelArgs&, std::size_t step, HistogramNotes*,
                      eval::Column* out) {
  out->put_float(step, seconds(w.ms.front()));
}

void last_time_mixed(const MixedWindow& w, const KernelArgs&, std::size_t step, HistogramNotes*,
                     eval::Column* out) {
  out->put_float(step, seconds(w.ms.back()));
}

}  // namespace tocsin::promql::functions
