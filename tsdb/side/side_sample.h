// SPDX-License-Identifier: Apache-2.0
//
// SideSample: a sample that the head's change log does not take: a native histogram, a sample out
// of order, or the start timestamp that the floats of a series have from some time on.
//
// Values and pure functions.
#pragma once

#include <cstdint>
#include <variant>

#include "model/histogram.h"
#include "storage/types.h"

namespace tocsin::tsdb {

// From this time on the floats of the series, those out of order excepted, have start_ms.
struct StartChange {};

// The alternatives are numbered as in docs/formats/tsdb_side.md. The first are the bits of a float.
using SideValue = std::variant<std::uint64_t, model::Histogram, model::FloatHistogram, StartChange>;

struct SideSample {
  storage::SeriesId id;
  std::int64_t time_ms = 0;
  std::int64_t start_ms = 0;  // 0: none
  bool out_of_order = false;
  SideValue value;
};

bool is_histogram(const SideValue& value);
bool is_stale(const SideValue& value);
// Whether a sample with the one value is a repetition of one with the other.
bool same_value(const SideValue& a, const SideValue& b);
// The float itself, or the staleness marker; 0 for other histograms.
double float_of(const SideValue& value);
// The marker of a series whose newest value is `before`: a histogram ends as one.
SideValue stale_value(const SideValue& before);
// The form in which queries get a histogram. REQUIRES: is_histogram(value).
model::FloatHistogram to_float(SideValue value);
// An upper bound of the bytes that `value` takes in the journal.
std::uint64_t max_encoded_bytes(const SideValue& value);

}  // namespace tocsin::tsdb
