// SPDX-License-Identifier: Apache-2.0
#include "model/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "model/value.h"

namespace tocsin::model {

namespace {

bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}
bool same_bits(std::uint64_t a, std::uint64_t b) { return a == b; }

Status check_span_sizes(std::uint64_t needed, std::size_t buckets) {
  if (buckets > kMaxHistogramBuckets) {
    return invalid_argument("histogram has {} buckets, more than {}", buckets,
                            kMaxHistogramBuckets);
  }
  if (needed == buckets) return ok();
  return invalid_argument(
      "spans need {} buckets, have {} buckets: histogram spans specify different number of buckets "
      "than provided",
      needed, buckets);
}

// Spans of a side; `first_may_be_negative` is false for custom buckets, which start at 0.
Status check_spans(const std::vector<HistogramSpan>& spans, std::size_t buckets,
                   bool first_may_be_negative) {
  std::uint64_t needed = 0;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    if (spans[i].offset < 0 && (i > 0 || !first_may_be_negative)) {
      return invalid_argument(
          "span number {} with offset {}: histogram has a span whose offset is negative", i + 1,
          spans[i].offset);
    }
    needed += spans[i].length;
  }
  if (spans.size() > kMaxHistogramBuckets) {
    return invalid_argument("histogram has {} spans, more than {}", spans.size(),
                            kMaxHistogramBuckets);
  }
  return check_span_sizes(needed, buckets);
}

Status check_bounds(const std::vector<double>& bounds) {
  double before = -std::numeric_limits<double>::infinity();
  for (const double bound : bounds) {
    if (std::isnan(bound)) return invalid_argument("histogram custom bounds must not be NaN");
    if (bound <= before) {
      return invalid_argument(
          "previous bound is {:f} and current is {}: histogram custom bounds must be in strictly "
          "increasing order",
          before, std::isinf(bound) ? format_float(bound) : fmt::format("{:f}", bound));
    }
    before = bound;
  }
  if (before == std::numeric_limits<double>::infinity()) {
    return invalid_argument(
        "last +Inf bound must not be explicitly defined: histogram custom bounds must be finite");
  }
  return ok();
}

Status check_custom_spans(const std::vector<double>& bounds,
                          const std::vector<HistogramSpan>& spans, std::size_t buckets) {
  RETURN_IF_ERROR(check_spans(spans, buckets, false));
  std::uint64_t total = 0;
  for (const HistogramSpan& span : spans) {
    total += std::uint64_t{span.length} + static_cast<std::uint64_t>(span.offset);
  }
  if (bounds.size() + 1 >= total) return ok();
  return invalid_argument(
      "only {} custom bounds defined which is insufficient to cover total span length of {}: "
      "histogram custom bounds are too few",
      bounds.size(), total);
}

// What custom buckets do not have.
template <typename H, typename Buckets>
Status check_custom(const H& h, const Buckets& positive, const Buckets& negative) {
  RETURN_IF_ERROR(check_bounds(h.custom_values));
  RETURN_IF_ERROR(check_custom_spans(h.custom_values, h.positive_spans, positive.size()));
  if (h.zero_count != 0) return invalid_argument("must have zero count of 0");
  if (h.zero_threshold != 0) return invalid_argument("must have zero threshold of 0");
  if (!h.negative_spans.empty()) return invalid_argument("must not have negative spans");
  if (!negative.empty()) return invalid_argument("must not have negative buckets");
  return ok();
}

template <typename H, typename Buckets>
Status check_shape(const H& h, const Buckets& positive, const Buckets& negative) {
  if (h.schema == kCustomBucketsSchema) {
    const Status custom = check_custom(h, positive, negative);
    return annotate(custom, "custom buckets");
  }
  if (h.schema < kMinExponentialSchema || h.schema > kMaxExponentialSchema) {
    return invalid_argument(
        "histogram has an invalid schema, which must be between {} and {} for exponential "
        "buckets, or {} for custom buckets, got schema {}",
        kMinExponentialSchema, kMaxExponentialSchema, kCustomBucketsSchema, h.schema);
  }
  RETURN_IF_ERROR(annotate(check_spans(h.positive_spans, positive.size(), true), "positive side"));
  RETURN_IF_ERROR(annotate(check_spans(h.negative_spans, negative.size(), true), "negative side"));
  return ok();
}

Status negative_bucket(std::size_t at, std::string_view count) {
  return invalid_argument(
      "bucket number {} has observation count of {}: histogram has a bucket whose observation "
      "count is negative",
      at + 1, count);
}

// Adds up the buckets, modulo 2^64 as upstream does.
Status add_buckets(const std::vector<std::int64_t>& deltas, std::uint64_t* total) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < deltas.size(); ++i) {
    count += static_cast<std::uint64_t>(deltas[i]);
    if (static_cast<std::int64_t>(count) < 0) {
      return negative_bucket(i, fmt::format("{}", static_cast<std::int64_t>(count)));
    }
    *total += count;
  }
  return ok();
}

Status check_counts(const std::vector<double>& counts) {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] < 0) return negative_bucket(i, format_float_g(counts[i]));
  }
  return ok();
}

std::vector<double> absolute(const std::vector<std::int64_t>& deltas) {
  std::vector<double> counts;
  counts.reserve(deltas.size());
  std::uint64_t count = 0;
  for (const std::int64_t delta : deltas) {
    count += static_cast<std::uint64_t>(delta);
    counts.push_back(static_cast<double>(static_cast<std::int64_t>(count)));
  }
  return counts;
}

// Spans without empty ones and with those that touch put together.
std::vector<HistogramSpan> normal_spans(const std::vector<HistogramSpan>& spans) {
  std::vector<HistogramSpan> out;
  std::int32_t skipped = 0;
  for (const HistogramSpan& span : spans) {
    const auto offset = static_cast<std::int32_t>(static_cast<std::uint32_t>(span.offset) +
                                                  static_cast<std::uint32_t>(skipped));
    skipped = 0;
    if (span.length == 0) {
      skipped = offset;
    } else if (!out.empty() && offset == 0) {
      out.back().length += span.length;
    } else {
      out.push_back({offset, span.length});
    }
  }
  return out;
}

bool same_numbers(const std::vector<double>& a, const std::vector<double>& b) {
  return std::ranges::equal(a, b, [](double x, double y) { return same_bits(x, y); });
}

// By their bits, also counts: one with NaN among them is the same as itself.
template <typename H>
bool same_parts(const H& a, const H& b) {
  return a.schema == b.schema && same_bits(a.zero_threshold, b.zero_threshold) &&
         same_bits(a.sum, b.sum) && same_bits(a.count, b.count) &&
         same_bits(a.zero_count, b.zero_count) && same_numbers(a.custom_values, b.custom_values) &&
         normal_spans(a.positive_spans) == normal_spans(b.positive_spans) &&
         normal_spans(a.negative_spans) == normal_spans(b.negative_spans);
}

// One side of a histogram with absolute counts.
template <typename Count>
struct Side {
  std::vector<HistogramSpan> spans;
  std::vector<Count> counts;
};

// Two buckets become one for each step of `shift`: bucket i goes to ceil(i / 2^shift).
template <typename Count>
Side<Count> merge_buckets(const Side<Count>& from, unsigned shift) {
  Side<Count> to;
  std::int64_t index = 0;  // of the bucket at hand
  std::int64_t last = 0;   // bucket written last
  std::size_t next = 0;
  for (const HistogramSpan& span : from.spans) {
    index += span.offset;
    for (std::uint32_t i = 0; i < span.length; ++i, ++index) {
      const std::int64_t target = ((index - 1) >> shift) + 1;
      const Count count = from.counts[next++];
      if (!to.counts.empty() && target == last) {
        to.counts.back() += count;
        continue;
      }
      const std::int64_t gap = to.spans.empty() ? target : target - last - 1;
      if (to.spans.empty() || gap != 0) to.spans.push_back({static_cast<std::int32_t>(gap), 0});
      ++to.spans.back().length;
      to.counts.push_back(count);
      last = target;
    }
  }
  return to;
}

// Sums of counts wrap, as those of deltas do.
Side<std::uint64_t> absolute_side(const std::vector<HistogramSpan>& spans,
                                  const std::vector<std::int64_t>& deltas) {
  Side<std::uint64_t> side{spans, {}};
  std::uint64_t count = 0;
  for (const std::int64_t delta : deltas) {
    side.counts.push_back(count += static_cast<std::uint64_t>(delta));
  }
  return side;
}

std::vector<std::int64_t> deltas_of(const std::vector<std::uint64_t>& counts) {
  std::vector<std::int64_t> deltas;
  std::uint64_t before = 0;
  for (const std::uint64_t count : counts) {
    deltas.push_back(static_cast<std::int64_t>(count - before));
    before = count;
  }
  return deltas;
}

// How many times the buckets have to be halved; 0: not at all.
unsigned halvings(std::int32_t schema, std::int32_t max_schema) {
  const bool reducible = schema >= kMinReservedSchema && schema <= kMaxReservedSchema;
  return reducible && schema > max_schema ? static_cast<unsigned>(schema - max_schema) : 0;
}

}  // namespace

Status reduce_resolution(std::int32_t max_schema, Histogram* h) {
  const unsigned shift = halvings(h->schema, max_schema);
  if (shift == 0) return ok();
  RETURN_IF_ERROR(check_spans(h->positive_spans, h->positive_deltas.size(), true));
  RETURN_IF_ERROR(check_spans(h->negative_spans, h->negative_deltas.size(), true));
  auto positive = merge_buckets(absolute_side(h->positive_spans, h->positive_deltas), shift);
  auto negative = merge_buckets(absolute_side(h->negative_spans, h->negative_deltas), shift);
  h->positive_spans = std::move(positive.spans);
  h->positive_deltas = deltas_of(positive.counts);
  h->negative_spans = std::move(negative.spans);
  h->negative_deltas = deltas_of(negative.counts);
  h->schema = max_schema;
  return ok();
}

Status reduce_resolution(std::int32_t max_schema, FloatHistogram* h) {
  const unsigned shift = halvings(h->schema, max_schema);
  if (shift == 0) return ok();
  RETURN_IF_ERROR(check_spans(h->positive_spans, h->positive_buckets.size(), true));
  RETURN_IF_ERROR(check_spans(h->negative_spans, h->negative_buckets.size(), true));
  auto positive = merge_buckets<double>({h->positive_spans, h->positive_buckets}, shift);
  auto negative = merge_buckets<double>({h->negative_spans, h->negative_buckets}, shift);
  h->positive_spans = std::move(positive.spans);
  h->positive_buckets = std::move(positive.counts);
  h->negative_spans = std::move(negative.spans);
  h->negative_buckets = std::move(negative.counts);
  h->schema = max_schema;
  return ok();
}

Status validate(const Histogram& h) {
  RETURN_IF_ERROR(check_shape(h, h.positive_deltas, h.negative_deltas));
  std::uint64_t observed = h.zero_count;
  RETURN_IF_ERROR(annotate(add_buckets(h.negative_deltas, &observed), "negative side"));
  if (h.schema != kCustomBucketsSchema && !h.custom_values.empty()) {
    return invalid_argument("histogram with exponential schema must not have custom bounds");
  }
  RETURN_IF_ERROR(annotate(add_buckets(h.positive_deltas, &observed), "positive side"));
  if (std::isnan(h.sum)) {
    if (observed <= h.count) return ok();
    return invalid_argument(
        "{} observations found in buckets, but the Count field is {}: histogram's observation "
        "count should be at least the number of observations found in the buckets",
        observed, h.count);
  }
  if (observed == h.count) return ok();
  return invalid_argument(
      "{} observations found in buckets, but the Count field is {}: histogram's observation count "
      "should equal the number of observations found in the buckets (in absence of NaN)",
      observed, h.count);
}

Status validate(const FloatHistogram& h) {
  RETURN_IF_ERROR(check_shape(h, h.positive_buckets, h.negative_buckets));
  if (h.count < 0) {
    return invalid_argument("observation count is {}: histogram's observation count is negative",
                            format_float_g(h.count));
  }
  if (h.zero_count < 0) {
    return invalid_argument(
        "zero bucket has observation count of {}: histogram has a bucket whose observation count "
        "is negative",
        format_float_g(h.zero_count));
  }
  RETURN_IF_ERROR(annotate(check_counts(h.negative_buckets), "negative side"));
  if (h.schema != kCustomBucketsSchema && !h.custom_values.empty()) {
    return invalid_argument("histogram with exponential schema must not have custom bounds");
  }
  // The count is not compared with the buckets: sums of floats round.
  return annotate(check_counts(h.positive_buckets), "positive side");
}

namespace {

template <typename H>
H make_zero(const H& like) {
  H zero;
  zero.reset_hint = CounterResetHint::kReset;
  zero.schema = like.schema;
  zero.zero_threshold = like.zero_threshold;
  zero.custom_values = like.custom_values;
  return zero;
}

}  // namespace

Histogram zero_like(const Histogram& like) { return make_zero(like); }
FloatHistogram zero_like(const FloatHistogram& like) { return make_zero(like); }

FloatHistogram to_float(const Histogram& h) {
  FloatHistogram f;
  f.reset_hint = h.reset_hint;
  f.schema = h.schema;
  f.zero_threshold = h.zero_threshold;
  f.zero_count = static_cast<double>(h.zero_count);
  f.count = static_cast<double>(h.count);
  f.sum = h.sum;
  f.positive_spans = h.positive_spans;
  f.negative_spans = h.negative_spans;
  f.positive_buckets = absolute(h.positive_deltas);
  f.negative_buckets = absolute(h.negative_deltas);
  f.custom_values = h.custom_values;
  return f;
}

bool same_histogram(const Histogram& a, const Histogram& b) {
  return same_parts(a, b) && a.positive_deltas == b.positive_deltas &&
         a.negative_deltas == b.negative_deltas;
}

bool same_histogram(const FloatHistogram& a, const FloatHistogram& b) {
  return same_parts(a, b) && same_numbers(a.positive_buckets, b.positive_buckets) &&
         same_numbers(a.negative_buckets, b.negative_buckets);
}

}  // namespace tocsin::model
