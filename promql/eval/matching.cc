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

namespace {

// What `value` adds to a side that lacks a sample where the other side has one.
void fill_side(const LabelMatching& labels, const VectorSet& other,
               const std::vector<std::vector<std::size_t>>& of_other,
               const std::vector<Bitmap>& present, double value, VectorSet* out) {
  for (std::size_t signature = 0; signature < of_other.size(); ++signature) {
    const std::vector<std::size_t>& members = of_other[signature];
    if (members.empty()) continue;
    OutSeries filled;
    filled.labels = labels.compared(other[members[0]].labels);
    filled.column.present = present_in(other, members, present[signature].size());
    filled.column.present.subtract(present[signature]);
    if (!filled.column.present.any()) continue;
    filled.column.values.assign(present[signature].size(), value);
    out->push_back(std::move(filled));
  }
}

std::vector<Bitmap> presence(const VectorSet& set,
                             const std::vector<std::vector<std::size_t>>& members,
                             std::size_t steps) {
  std::vector<Bitmap> present;
  for (const std::vector<std::size_t>& m : members) present.push_back(present_in(set, m, steps));
  return present;
}

}  // namespace

void fill_missing(const VectorMatching& matching, VectorSet* left, VectorSet* right,
                  std::size_t steps) {
  // With group_right upstream matches with exchanged sides, and the fill values go with them:
  // fill_left fills the many side. Its scripts fix that.
  if (matching.cardinality == Cardinality::kOneToMany) std::swap(left, right);
  const LabelMatching labels(matching);
  const Signatures signatures = labels.signatures(*left, *right);
  VectorSet more_left;
  VectorSet more_right;
  if (matching.fill_left) {
    fill_side(labels, *right, signatures.of_right, presence(*left, signatures.of_left, steps),
              *matching.fill_left, &more_left);
  }
  if (matching.fill_right) {
    fill_side(labels, *left, signatures.of_left, presence(*right, signatures.of_right, steps),
              *matching.fill_right, &more_right);
  }
  std::move(more_left.begin(), more_left.end(), std::back_inserter(*left));
  std::move(more_right.begin(), more_right.end(), std::back_inserter(*right));
}

Bitmap present_in(const VectorSet& set, const std::vector<std::size_t>& members,
                  std::size_t steps) {
  Bitmap present(steps);
  for (std::size_t member : members) present |= set[member].column.present;
  return present;
}

}  // namespace tocsin::promql::eval
