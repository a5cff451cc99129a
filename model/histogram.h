// SPDX-License-Identifier: Apache-2.0
//
// FloatHistogram and Histogram: native histograms (schema -4..8, and -53 with custom bounds).
//
// Buckets are spans (offset to the previous span's end, length) with one count per bucket: absolute
// floats in FloatHistogram, deltas of integers in Histogram. A staleness marker is a histogram whose
// sum is model::stale_nan(). Values; pure functions.
// Errors: kInvalidArgument from validate(), in the words of Prometheus.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/status.h"

namespace tocsin::model {

inline constexpr std::int32_t kCustomBucketsSchema = -53;
inline constexpr std::int32_t kMinExponentialSchema = -4;
inline constexpr std::int32_t kMaxExponentialSchema = 8;
// Schemas that an exposition may use; above kMaxExponentialSchema they are reduced to it.
inline constexpr std::int32_t kMinReservedSchema = -9;
inline constexpr std::int32_t kMaxReservedSchema = 52;
// Far above what instrumentation makes (160 by default).
inline constexpr std::size_t kMaxHistogramBuckets = std::size_t{1} << 16U;

enum class CounterResetHint : std::uint8_t { kUnknown, kReset, kNotReset, kGauge };

struct HistogramSpan {
  std::int32_t offset = 0;
  std::uint32_t length = 0;
  friend bool operator==(const HistogramSpan&, const HistogramSpan&) = default;
};

struct FloatHistogram {
  CounterResetHint reset_hint = CounterResetHint::kUnknown;
  std::int32_t schema = 0;
  double zero_threshold = 0;
  double zero_count = 0;
  double count = 0;
  double sum = 0;
  std::vector<HistogramSpan> positive_spans;
  std::vector<HistogramSpan> negative_spans;
  std::vector<double> positive_buckets;  // absolute counts
  std::vector<double> negative_buckets;
  std::vector<double> custom_values;  // upper bounds, only with kCustomBucketsSchema
  friend bool operator==(const FloatHistogram&, const FloatHistogram&) = default;
};

struct Histogram {
  CounterResetHint reset_hint = CounterResetHint::kUnknown;
  std::int32_t schema = 0;
  double zero_threshold = 0;
  std::uint64_t zero_count = 0;
  std::uint64_t count = 0;
  double sum = 0;
  std::vector<HistogramSpan> positive_spans;
  std::vector<HistogramSpan> negative_spans;
  std::vector<std::int64_t> positive_deltas;  // each to the bucket before
  std::vector<std::int64_t> negative_deltas;
  std::vector<double> custom_values;
  friend bool operator==(const Histogram&, const Histogram&) = default;
};

// Whether the parts fit each other: schema, spans, counts, custom bounds.
Status validate(const Histogram& histogram);
Status validate(const FloatHistogram& histogram);

// Merges neighbouring buckets until an exponential schema is at most `max_schema`; a lower one,
// custom buckets and unknown schemas stay. kInvalidArgument when spans and buckets do not fit; the
// histogram is unchanged then.
Status reduce_resolution(std::int32_t max_schema, Histogram* histogram);
Status reduce_resolution(std::int32_t max_schema, FloatHistogram* histogram);

// A histogram of the same shape without observations: what a counter begins with.
Histogram zero_like(const Histogram& like);
FloatHistogram zero_like(const FloatHistogram& like);

// The same histogram with absolute counts.
FloatHistogram to_float(const Histogram& histogram);

// Whether both say the same: the same buckets, whatever the spans look like, and the same bits of
// sum and bounds. The hint does not count.
bool same_histogram(const Histogram& a, const Histogram& b);
bool same_histogram(const FloatHistogram& a, const FloatHistogram& b);

}  // namespace tocsin::model
