// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/pattern_metrics.h"

#include <cmath>

#include "model/value.h"

namespace tocsin::exporters::app {
namespace {

base::MetricType type_of(LogPattern::Kind kind) {
  switch (kind) {
    case LogPattern::Kind::kCounter:
      return base::MetricType::kCounter;
    case LogPattern::Kind::kGauge:
      return base::MetricType::kGauge;
    case LogPattern::Kind::kHistogram:
      return base::MetricType::kHistogram;
  }
  return base::MetricType::kUntyped;
}

}  // namespace

PatternMetrics::PatternMetrics(const std::vector<LogPattern>& patterns, const LabelPairs& fixed,
                               SeriesBudget& budget) {
  std::size_t most = 0;
  for (const LogPattern& pattern : patterns) {
    LabelPairs labels = fixed;
    std::vector<std::string> names;
    std::vector<std::size_t> groups;
    std::size_t needed = pattern.value_group;
    for (const auto& [name, value] : pattern.labels) {
      if (value.group == 0) {
        labels.emplace_back(name, value.text);
      } else {
        names.push_back(name);
        groups.push_back(value.group);
        needed = std::max(needed, value.group);
      }
    }
    most = std::max(most, needed);
    rows_.push_back({pattern, std::move(groups), Buckets(pattern.buckets),
                     SeriesTable<Value>(budget, pattern.name, std::move(names), std::move(labels)),
                     needed + 1});
    Row& row = rows_.back();
    // So that the first match is an increase.
    if (row.groups.empty() && pattern.kind == LogPattern::Kind::kCounter) row.series.at({});
  }
  found_.resize(most + 1);
}

void PatternMetrics::add_line(std::string_view line) {
  bool matched = false;
  for (Row& row : rows_) {
    const std::span<std::string_view> groups(found_.data(), row.groups_needed);
    if (!row.pattern.match.find(line, groups)) continue;
    matched = true;
    count(&row);
  }
  if (!matched) ++unmatched_;
}

void PatternMetrics::count(Row* row) {
  double number = 1;
  if (row->pattern.value_group != 0) {
    const StatusOr<double> parsed = model::parse_float(found_[row->pattern.value_group]);
    const bool is_counter = row->pattern.kind == LogPattern::Kind::kCounter;
    if (!parsed.ok() || !std::isfinite(*parsed) || (is_counter && *parsed < 0)) {
      ++refused_;
      return;
    }
    number = *parsed;
  }
  values_.clear();
  for (const std::size_t group : row->groups) values_.push_back(found_[group]);
  Value& value = row->series.at(values_);
  switch (row->pattern.kind) {
    case LogPattern::Kind::kCounter:
      value.number += number;
      break;
    case LogPattern::Kind::kGauge:
      value.number = number;
      break;
    case LogPattern::Kind::kHistogram:
      value.distribution.add(number, row->buckets);
      break;
  }
}

void PatternMetrics::append_to(std::vector<base::MetricFamily>* out) const {
  for (const Row& row : rows_) {
    base::MetricFamily family{row.pattern.name, row.pattern.help, type_of(row.pattern.kind), {}};
    row.series.for_each([&](const auto& series) {
      if (row.pattern.kind == LogPattern::Kind::kHistogram) {
        series.value.distribution.append_histogram(series.labels, row.buckets, &family.samples);
      } else {
        family.samples.push_back({"", series.labels, series.value.number});
      }
    });
    if (!family.samples.empty()) out->push_back(std::move(family));
  }
}

}  // namespace tocsin::exporters::app
