// SPDX-License-Identifier: Apache-2.0
//
// What functions over range vectors make of windows with native histograms, but for the rates
// (rate.h). See MixedKernel in range_kernels.h. Pure functions.
#pragma once

#include "promql/functions/range_kernels.h"

namespace tocsin::promql::functions {

// Only the floats count.
void ignore_mixed(const MixedWindow& window, const KernelArgs& args, std::size_t step,
                  HistogramNotes* notes, eval::Column* out);
void one_mixed(const MixedWindow& window, const KernelArgs& args, std::size_t step,
               HistogramNotes* notes, eval::Column* out);
void count_mixed(const MixedWindow& window, const KernelArgs& args, std::size_t step,
                 HistogramNotes* notes, eval::Column* out);
void sum_mixed(const MixedWindow& window, const KernelArgs& args, std::size_t step,
               HistogramNotes* notes, eval::Column* out);
void avg_mixed(const MixedWindow& window, const KernelArgs& args, std::size_t step,
               HistogramNotes* notes, eval::Column* out);
void changes_mixed(const MixedWindow& window, const KernelArgs& args, std::size_t step,
                   HistogramNotes* notes, eval::Column* out);
void resets_mixed(const MixedWindow& window, const KernelArgs& args, std::size_t step,
                  HistogramNotes* notes, eval::Column* out);
void first_mixed(const MixedWindow& window, const KernelArgs& args, std::size_t step,
                 HistogramNotes* notes, eval::Column* out);
void last_mixed(const MixedWindow& window, const KernelArgs& args, std::size_t step,
                HistogramNotes* notes, eval::Column* out);
void first_time_mixed(const MixedWindow& window, const KernelArgs& args, std::size_t step,
                      HistogramNotes* notes, eval::Column* out);
void last_time_mixed(const MixedWindow& window, const KernelArgs& args, std::size_t step,
                     HistogramNotes* notes, eval::Column* out);

}  // namespace tocsin::promql::functions
