// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/column.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "base/check.h"

namespace tocsin::promql::eval {

bool Bitmap::any() const {
  for (std::uint64_t word : words_) {
    if (word != 0) return true;
  }
  return false;
}

std::size_t Bitmap::count() const {
  std::size_t n = 0;
  for (std::uint64_t word : words_) n += static_cast<std::size_t>(std::popcount(word));
  return n;
}

std::size_t Bitmap::first() const {
  for (std::size_t w = 0; w < words_.size(); ++w) {
    if (words_[w] != 0) return w * 64 + static_cast<std::size_t>(std::countr_zero(words_[w]));
  }
  return size_;
}

bool Bitmap::intersects(const Bitmap& other) const {
  DCHECK(size_ == other.size_);
  for (std::size_t w = 0; w < words_.size(); ++w) {
    if ((words_[w] & other.words_[w]) != 0) return true;
  }
  return false;
}

Bitmap& Bitmap::operator|=(const Bitmap& other) {
  DCHECK(size_ == other.size_);
  for (std::size_t w = 0; w < words_.size(); ++w) words_[w] |= other.words_[w];
  return *this;
}

Bitmap& Bitmap::operator&=(const Bitmap& other) {
  DCHECK(size_ == other.size_);
  for (std::size_t w = 0; w < words_.size(); ++w) words_[w] &= other.words_[w];
  return *this;
}

Bitmap& Bitmap::subtract(const Bitmap& other) {
  DCHECK(size_ == other.size_);
  for (std::size_t w = 0; w < words_.size(); ++w) words_[w] &= ~other.words_[w];
  return *this;
}

void Bitmap::invert() {
  for (std::uint64_t& word : words_) word = ~word;
  if (!words_.empty()) trim();
}

Bitmap Column::histogram_steps() const {
  Bitmap steps(present.size());
  if (histograms.empty()) return steps;
  present.for_each([&](std::size_t i) {
    if (histograms[i] != nullptr) steps.set(i);
  });
  return steps;
}

bool Column::drop_histograms() {
  if (histograms.empty()) return false;
  const Bitmap dropped = histogram_steps();
  present.subtract(dropped);
  histograms.clear();
  return dropped.any();
}

void Column::take(std::size_t i, const Column& from) {
  if (const HistogramPtr& histogram = from.histogram(i); histogram != nullptr) {
    put(i, histogram);
  } else {
    put_float(i, from.values[i]);
  }
}

Status merge_same_labels(VectorSet* set) {
  std::unordered_map<std::string_view, std::size_t> place;
  place.reserve(set->size());
  std::vector<bool> joined(set->size(), false);
  bool any_joined = false;
  for (std::size_t i = 0; i < set->size(); ++i) {
    OutSeries& series = (*set)[i];
    auto [it, inserted] = place.try_emplace(series.labels.encoded(), i);
    if (inserted) continue;
    OutSeries& kept = (*set)[it->second];
    if (kept.column.present.intersects(series.column.present)) {
      return failed_precondition("vector cannot contain metrics with the same labelset");
    }
    // As upstream, where the first step of a series says whether its name goes in the end.
    if (series.column.present.first() < kept.column.present.first()) {
      kept.drop_name = series.drop_name;
    }
    series.column.present.for_each(
        [&](std::size_t step) { kept.column.take(step, series.column); });
    joined[i] = any_joined = true;
  }
  if (!any_joined) return ok();
  VectorSet rest;
  for (std::size_t i = 0; i < set->size(); ++i) {
    if (!joined[i]) rest.push_back(std::move((*set)[i]));
  }
  *set = std::move(rest);
  return ok();
}

model::Labels without_metric(const model::Labels& labels) {
  static const std::vector<std::string> kNames = {std::string(model::kMetricName),
                                                  std::string(model::kTypeLabel),
                                                  std::string(model::kUnitLabel)};
  return labels.drop(kNames);
}

void remove_empty(VectorSet* set) {
  std::erase_if(*set, [](const OutSeries& series) { return !series.column.present.any(); });
}

void remove_histograms(VectorSet* set) {
  for (OutSeries& series : *set) series.column.drop_histograms();
}

bool has_histograms(const VectorSet& set) {
  return std::any_of(set.begin(), set.end(),
                     [](const OutSeries& series) { return series.column.has_histograms(); });
}

std::uint64_t bytes_of(const model::FloatHistogram& h) {
  return sizeof(h) +
         (h.positive_spans.size() + h.negative_spans.size()) * sizeof(model::HistogramSpan) +
         (h.positive_buckets.size() + h.negative_buckets.size() + h.custom_values.size()) *
             sizeof(double);
}

std::uint64_t bytes_of(const VectorSet& set) {
  std::uint64_t bytes = 0;
  for (const OutSeries& series : set) {
    bytes += sizeof(OutSeries) + series.labels.bytes() + bytes_of(series.column);
  }
  return bytes;
}

std::uint64_t weight_of(const model::FloatHistogram& h) {
  constexpr std::uint64_t kFixedBytes = 176;  // of a histogram and its time
  constexpr std::uint64_t kFloatBytes = 16;
  const std::size_t parts = h.positive_spans.size() + h.negative_spans.size() +
                            h.positive_buckets.size() + h.negative_buckets.size() +
                            h.custom_values.size();
  return (kFixedBytes + parts * sizeof(double)) / kFloatBytes;
}

std::uint64_t count_samples(const Column& column) {
  const std::uint64_t present = column.present.count();
  if (!column.has_histograms()) return present;
  std::uint64_t weight = present;
  column.histogram_steps().for_each(
      [&](std::size_t i) { weight += weight_of(*column.histograms[i]) - 1; });
  return weight;
}

std::uint64_t count_samples(const VectorSet& set) {
  std::uint64_t count = 0;
  for (const OutSeries& series : set) count += count_samples(series.column);
  return count;
}

std::uint64_t bytes_of(const Column& column) {
  std::uint64_t bytes = column.values.size() * (sizeof(double) + 1);
  if (!column.has_histograms()) return bytes;
  bytes += column.histograms.size() * sizeof(HistogramPtr);
  const model::FloatHistogram* before = nullptr;
  for (const HistogramPtr& histogram : column.histograms) {
    if (histogram != nullptr && histogram.get() != before) bytes += bytes_of(*histogram);
    before = histogram.get();
  }
  return bytes;
}

}  // namespace tocsin::promql::eval
