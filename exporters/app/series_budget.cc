// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/series_budget.h"

#include "model/labels.h"

namespace tocsin::exporters::app {

SeriesBudget::SeriesBudget(std::size_t max_series) : max_series_(max_series) {}

void SeriesBudget::cut_value(std::string* value) {
  if (value->size() > kMaxValueBytes) {
    std::size_t end = kMaxValueBytes;
    // A continuation byte at the cut: the character began before it.
    while (end > 0 && (static_cast<unsigned char>((*value)[end]) & 0xC0) == 0x80) --end;
    value->resize(end);
  }
  if (model::is_utf8(*value)) return;
  for (char& c : *value) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
}

base::Hash128 SeriesBudget::key_of(std::string_view metric, const LabelPairs& labels) {
  // Lengths keep {a="bc"} and {ab="c"} apart.
  scratch_.clear();
  const auto add = [this](std::string_view text) {
    const auto size = static_cast<std::uint32_t>(text.size());
    scratch_.append(reinterpret_cast<const char*>(&size), sizeof(size)).append(text);
  };
  add(metric);
  for (const auto& [name, value] : labels) {
    add(name);
    add(value);
  }
  return base::hash128(scratch_, seed_);
}

SeriesBudget::Verdict SeriesBudget::admit(std::string_view metric, LabelPairs* labels) {
  if (labels->empty()) return Verdict::kKnown;
  for (auto& [name, value] : *labels) cut_value(&value);
  const base::Hash128 key = key_of(metric, *labels);
  if (alive_.contains(key)) return Verdict::kKnown;
  if (alive_.size() < max_series_) {
    alive_.insert(key);
    return Verdict::kNew;
  }
  for (auto& [name, value] : *labels) value = kOther;
  dropped_.fetch_add(1, std::memory_order_relaxed);
  return Verdict::kFolded;
}

void SeriesBudget::release(std::string_view metric, const LabelPairs& labels) {
  alive_.erase(key_of(metric, labels));
}

}  // namespace tocsin::exporters::app
