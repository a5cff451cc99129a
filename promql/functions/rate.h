// SPDX-License-Identifier: Apache-2.0
//
// Kernels of rate, increase, delta, irate and idelta. Pure functions.
#pragma once

#include "promql/functions/range_kernels.h"

namespace tocsin::promql::functions {

void rate_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out);
void increase_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out);
void delta_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out);
void irate_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out);
void idelta_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out);

}  // namespace tocsin::promql::functions
