// SPDX-License-Identifier: Apache-2.0
//
// The Selection of MemStore: a copy of the matched series' samples, handed out in columns.
//
// Values; threads: the Selection is immutable once made.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/status.h"
#include "storage/queryable.h"

namespace tocsin::storage::testing {

struct MemSample {
  double value = 0;
  std::shared_ptr<const model::FloatHistogram> histogram;  // set: value is unused
  std::int64_t start_ms = 0;
};
using MemSamples = std::map<std::int64_t, MemSample>;  // by timestamp

struct MemSeries {
  model::Labels labels;
  MemSamples samples;
  std::uint32_t group = 0;
};

struct MemSelected {
  SeriesEntry entry;
  model::Labels labels;
  MemSamples samples;  // those in the hints' range
};

StatusOr<std::unique_ptr<Selection>> make_mem_selection(std::vector<MemSelected> matched,
                                                        const QueryContext& context);

}  // namespace tocsin::storage::testing
