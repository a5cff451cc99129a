// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/matching.h"

#include <algorithm>
#include <unordered_map>

namespace tocsin::promql::eval {

LabelMatching::LabelMatching(const VectorMatching& matching)
    : matching_(matching), names_(matching.labels) {
  std::sort(names_.begin(), names_.end());
  names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
  with_metric_ = names_;
  with_metric_.emplace_back(model::kMetricName);
  std::sort(with_metric_.begin(), with_metric_.end());
}

model::Labels LabelMatching::compared(const model::Labels& labels) const {
  return matching_.on ? labels.keep(names_) : labels.drop(with_metric_);
}

Signatures LabelMatching::signatures(const VectorSet& left, const VectorSet& right) const {
  Signatures out;
  std::unordered_map<model::Labels, std::uint32_t, model::LabelsHash> numbers;
  auto number = [&](const OutSeries& series) {
    const auto next = static_cast<std::uint32_t>(numbers.size());
    return numbers.try_emplace(compared(series.labels), next).first->second;
  };
  for (const OutSeries& series : left) out.left.push_back(number(series));
  for (const OutSeries& series : right) out.right.push_back(number(series));
  out.of_left.resize(numbers.size());
  out.of_right.resize(numbers.size());
  for (std::size_t i = 0; i < left.size(); ++i) out.of_left[out.left[i]].push_back(i);
  for (std::size_t i = 0; i < right.size(); ++i) out.of_right[out.right[i]].push_back(i);
  return out;
}

model::Labels LabelMatching::result(const model::Labels& many, const model::Labels& one,
                                    bool drop_name) const {
  model::Labels labels = drop_name ? without_metric(many) : many;
  if (matching_.cardinality == Cardinality::kOneToOne) {
    labels = matching_.on ? labels.keep(names_) : labels.drop(names_);
  }
  if (matching_.include.empty()) return labels;
  model::LabelsBuilder builder(labels);
  for (const std::string& name : matching_.include) builder.set(name, one.get(name));
  return builder.build();
}

Bitmap present_in(const VectorSet& set, const std::vector<std::size_t>& members,
                  std::size_t steps) {
  Bitmap present(steps);
  for (std::size_t member : members) present |= set[member].column.present;
  return present;
}

}  // namespace tocsin::promql::eval
