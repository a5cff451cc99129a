// SPDX-License-Identifier: Apache-2.0
#include "tsdb/side/side_sample.h"

#include <bit>
#include <utility>

#include "base/check.h"
#include "model/value.h"

namespace tocsin::tsdb {

bool is_histogram(const SideValue& value) {
  return std::holds_alternative<model::Histogram>(value) ||
         std::holds_alternative<model::FloatHistogram>(value);
}

double float_of(const SideValue& value) {
  if (const auto* bits = std::get_if<std::uint64_t>(&value)) return std::bit_cast<double>(*bits);
  if (const auto* h = std::get_if<model::Histogram>(&value)) {
    return model::is_stale(h->sum) ? h->sum : 0;
  }
  if (const auto* h = std::get_if<model::FloatHistogram>(&value)) {
    return model::is_stale(h->sum) ? h->sum : 0;
  }
  return 0;
}

bool is_stale(const SideValue& value) { return model::is_stale(float_of(value)); }

bool same_value(const SideValue& a, const SideValue& b) {
  if (a.index() != b.index()) return false;
  if (is_stale(a) || is_stale(b)) return is_stale(a) == is_stale(b);
  if (const auto* bits = std::get_if<std::uint64_t>(&a)) return *bits == std::get<0>(b);
  if (const auto* h = std::get_if<model::Histogram>(&a)) {
    return model::same_histogram(*h, std::get<1>(b));
  }
  if (const auto* h = std::get_if<model::FloatHistogram>(&a)) {
    return model::same_histogram(*h, std::get<2>(b));
  }
  return true;
}

SideValue stale_value(const SideValue& before) {
  if (std::holds_alternative<model::Histogram>(before)) {
    model::Histogram h;
    h.sum = model::stale_nan();
    return h;
  }
  if (std::holds_alternative<model::FloatHistogram>(before)) {
    model::FloatHistogram h;
    h.sum = model::stale_nan();
    return h;
  }
  return model::kStaleNanBits;
}

model::FloatHistogram to_float(SideValue value) {
  if (auto* h = std::get_if<model::FloatHistogram>(&value)) return std::move(*h);
  CHECK(std::holds_alternative<model::Histogram>(value));
  return model::to_float(std::get<model::Histogram>(value));
}

namespace {

template <typename H>
std::uint64_t layout_bytes(const H& h) {
  return 15 * (h.positive_spans.size() + h.negative_spans.size()) + 8 * h.custom_values.size() + 96;
}

}  // namespace

std::uint64_t max_encoded_bytes(const SideValue& value) {
  constexpr std::uint64_t kEntry = 48;
  if (const auto* h = std::get_if<model::Histogram>(&value)) {
    return kEntry + layout_bytes(*h) + 12 * (h->positive_deltas.size() + h->negative_deltas.size());
  }
  if (const auto* h = std::get_if<model::FloatHistogram>(&value)) {
    return kEntry + layout_bytes(*h) +
           12 * (h->positive_buckets.size() + h->negative_buckets.size());
  }
  return kEntry;
}

}  // namespace tocsin::tsdb
