// SPDX-License-Identifier: Apache-2.0
//
// Limits of native histograms as a job's configuration sets them. Pure functions.
#pragma once

#include <cstdint>

#include "base/status.h"
#include "collector/options.h"
#include "formats/exposition.h"

namespace tocsin::collector {

// Reduces the resolution of `histogram` to the job's largest schema, and further until it has no
// more buckets than the job allows. kResourceExhausted ("histogram bucket limit exceeded") when it
// cannot be reduced so far, kInvalidArgument when its parts do not fit.
Status limit_histogram(const ScrapeOptions& options, formats::NativeHistogram* histogram);

}  // namespace tocsin::collector
