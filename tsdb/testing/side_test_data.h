// SPDX-License-Identifier: Apache-2.0
//
// Native histograms for tests: valid ones of every kind, and ones that grow as a counter does.
//
// Values and pure functions of a random generator.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>

#include "model/histogram.h"
#include "model/value.h"
#include "tsdb/side/side_sample.h"

namespace tocsin::tsdb::testing {

using Random = std::mt19937_64;

inline std::vector<model::HistogramSpan> random_spans(Random& random, std::size_t* buckets) {
  std::vector<model::HistogramSpan> spans;
  *buckets = 0;
  for (std::uint64_t n = random() % 4; n > 0; --n) {
    const auto low = spans.empty() ? static_cast<std::int32_t>(random() % 20) - 10
                                   : static_cast<std::int32_t>(random() % 5);
    spans.push_back({low, static_cast<std::uint32_t>(random() % 5)});
    *buckets += spans.back().length;
  }
  return spans;
}

inline std::uint64_t add_deltas(Random& random, std::size_t buckets,
                                std::vector<std::int64_t>* deltas) {
  std::uint64_t total = 0;
  std::int64_t before = 0;
  for (std::size_t i = 0; i < buckets; ++i) {
    const auto count = static_cast<std::int64_t>(random() % (random() % 10 == 0 ? 1'000'000 : 20));
    deltas->push_back(count - before);
    total += static_cast<std::uint64_t>(count);
    before = count;
  }
  return total;
}

inline model::Histogram random_histogram(Random& random) {
  model::Histogram h;
  h.sum = static_cast<double>(random() % 100'000) / 8;
  std::size_t positive = 0;
  if (random() % 4 == 0) {
    h.schema = model::kCustomBucketsSchema;
    h.custom_values = {0.5, 1, 2.5, 5, 10};
    h.positive_spans = {{1, 3}};
    positive = 3;
  } else {
    h.schema = static_cast<std::int32_t>(random() % 13) - 4;
    h.zero_threshold = 0.001;
    h.zero_count = random() % 5;
    h.positive_spans = random_spans(random, &positive);
    std::size_t negative = 0;
    h.negative_spans = random_spans(random, &negative);
    h.count += add_deltas(random, negative, &h.negative_deltas);
  }
  h.count += h.zero_count + add_deltas(random, positive, &h.positive_deltas);
  if (random() % 20 == 0) h.sum = std::nan("");
  if (random() % 5 == 0) h.reset_hint = model::CounterResetHint::kGauge;
  return h;
}

inline model::FloatHistogram random_float_histogram(Random& random) {
  model::FloatHistogram h = model::to_float(random_histogram(random));
  for (double& count : h.positive_buckets) count += static_cast<double>(random() % 8) / 3;
  return h;
}

// What a counter becomes after some observations.
inline void observe(Random& random, model::Histogram* h) {
  for (auto* deltas : {&h->positive_deltas, &h->negative_deltas}) {
    if (deltas->empty() || random() % 3 == 0) continue;
    const std::size_t at = random() % deltas->size();
    const auto more = static_cast<std::int64_t>(random() % 50);
    (*deltas)[at] += more;
    if (at + 1 < deltas->size()) (*deltas)[at + 1] -= more;
    h->count += static_cast<std::uint64_t>(more);
    h->sum += static_cast<double>(more);
  }
}

inline SideValue random_value(Random& random) {
  switch (random() % 6) {
    case 0:
      return random() % 2 == 0 ? model::kStaleNanBits : random();
    case 1:
      return std::bit_cast<std::uint64_t>(static_cast<double>(random() % 1000));
    case 2:
      return stale_value(model::Histogram());
    case 3:
      return random_float_histogram(random);
    default:
      return random_histogram(random);
  }
}

}  // namespace tocsin::tsdb::testing
