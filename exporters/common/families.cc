// SPDX-License-Identifier: Apache-2.0
#include "exporters/common/families.h"

#include <algorithm>

namespace tocsin::exporters {

LabelPairs label_pairs(Labels labels) {
  LabelPairs out;
  out.reserve(labels.size());
  for (const auto& [name, value] : labels) out.emplace_back(name, value);
  return out;
}

base::MetricFamily& Families::find(const Header& header) {
  if (last_ < out_.size() && out_[last_].name == header.name) return out_[last_];
  const auto it = places_.find(header.name);
  if (it != places_.end()) {
    last_ = it->second;
    return out_[last_];
  }
  last_ = out_.size();
  places_.emplace(header.name, last_);
  out_.push_back({std::string(header.name), std::string(header.help), header.type, {}});
  return out_.back();
}

void Families::add(const Header& header, LabelPairs labels, double value) {
  const auto by_name = [](const auto& a, const auto& b) { return a.first < b.first; };
  if (!std::is_sorted(labels.begin(), labels.end(), by_name)) {
    std::sort(labels.begin(), labels.end(), by_name);
  }
  find(header).samples.push_back({"", std::move(labels), value});
}

void Families::append(base::MetricFamily family) {
  base::MetricFamily& place = find({family.name, family.help, family.type});
  std::move(family.samples.begin(), family.samples.end(), std::back_inserter(place.samples));
}

}  // namespace tocsin::exporters
