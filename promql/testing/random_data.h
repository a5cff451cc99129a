// SPDX-License-Identifier: Apache-2.0
//
// Random series for differential tests: whatever a store may hold and a query may trip over.
//
// Counters with resets, gauges, NaN, infinities and -0, staleness markers, gaps, series that begin
// late or end early, classic histograms, native ones of every kind, series of floats and
// histograms, start timestamps, info metrics, label sets that differ in the name only.
// Values; pure functions of the seed.
// Errors: those of the store.
#pragma once

#include <string>
#include <vector>

#include "promql/testing/naive.h"
#include "storage/appender.h"

namespace tocsin::promql::testing {

struct RandomDataOptions {
  bool histograms = true;        // native ones
  bool start_timestamps = true;  // of some counters
  bool utf8_names = true;
  bool infinities = true;  // and NaN
};

inline constexpr std::int64_t kRandomDataEnd = 1'200'000;  // the last samples are near it

std::vector<NaiveSeries> random_data(std::uint32_t seed, const RandomDataOptions& options);
// Appends everything; `grouped`: as one group, so that series share timestamp columns.
Status load(storage::Appendable& store, const std::vector<NaiveSeries>& data, bool grouped);
// One line per series: labels, then every sample as t=value.
std::string describe(const std::vector<NaiveSeries>& data);

}  // namespace tocsin::promql::testing
