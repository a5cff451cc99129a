// SPDX-License-Identifier: Apache-2.0
//
// SeriesTable: what was counted for each set of label values, found without allocating once a set is
// known.
//
// Series that the budget has no room for share one, with "other" for every value.
// Borrows: the budget (must outlive it).
// Confined, to the lock of the source. Does not fail.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/string_map.h"
#include "exporters/app/series_budget.h"
#include "exporters/common/families.h"

namespace tocsin::exporters::app {

template <typename Value>
class SeriesTable {
 public:
  struct Series {
    LabelPairs labels;  // sorted by name, with the fixed ones
    Value value;
  };

  // `family`: a name for the budget. `names`: of the labels that vary. `fixed`: of all series.
  SeriesTable(SeriesBudget& budget, std::string family, std::vector<std::string> names,
              LabelPairs fixed)
      : budget_(budget),
        family_(std::move(family)),
        names_(std::move(names)),
        fixed_(std::move(fixed)) {}

  // The series with these values, in the order of the names. Stays where it is.
  Value& at(std::span<const std::string_view> values) {
    key_.clear();
    for (const std::string_view value : values) add_to_key(value);
    const auto it = series_.find(std::string_view(key_));
    return it != series_.end() ? it->second.value : add(values);
  }

  template <typename Visit>  // (const Series&)
  void for_each(const Visit& visit) const {
    for (const auto& [key, series] : series_) visit(series);
  }
  std::size_t size() const { return series_.size(); }

 private:
  // A value as labels may hold it, and its length, which keeps ("a", "bc") and ("ab", "c") apart.
  void add_to_key(std::string_view value) {
    const auto is_plain = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    if (value.size() > SeriesBudget::kMaxValueBytes ||
        !std::all_of(value.begin(), value.end(), is_plain)) {
      cut_ = value;
      SeriesBudget::cut_value(&cut_);
      value = cut_;
    }
    key_.push_back(static_cast<char>(value.size() & 0xFF));
    key_.push_back(static_cast<char>(value.size() >> 8));
    key_.append(value);
  }

  Value& add(std::span<const std::string_view> values) {
    LabelPairs labels;
    for (std::size_t i = 0; i < values.size(); ++i) labels.emplace_back(names_[i], values[i]);
    std::sort(labels.begin(), labels.end());
    if (budget_.admit(family_, &labels) == SeriesBudget::Verdict::kFolded) {
      key_.clear();
      for (std::size_t i = 0; i < values.size(); ++i) add_to_key(SeriesBudget::kOther);
    }
    Series& series = series_[key_];
    if (series.labels.empty()) {
      labels.insert(labels.end(), fixed_.begin(), fixed_.end());
      std::sort(labels.begin(), labels.end());
      series.labels = std::move(labels);
    }
    return series.value;
  }

  SeriesBudget& budget_;
  const std::string family_;
  const std::vector<std::string> names_;
  const LabelPairs fixed_;
  StringMap<Series> series_;
  std::string key_, cut_;
};

}  // namespace tocsin::exporters::app
