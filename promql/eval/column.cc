// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/column.h"

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
    series.column.present.for_each(
        [&](std::size_t step) { kept.column.put(step, series.column.values[step]); });
    kept.drop_name = kept.drop_name || series.drop_name;
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
  static const std::vector<std::string> kNames = {std::string(model::kMetricName), "__type__",
                                                  "__unit__"};
  return labels.drop(kNames);
}

void remove_empty(VectorSet* set) {
  std::erase_if(*set, [](const OutSeries& series) { return !series.column.present.any(); });
}

}  // namespace tocsin::promql::eval
