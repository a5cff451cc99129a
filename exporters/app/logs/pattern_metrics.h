// SPDX-License-Identifier: Apache-2.0
//
// PatternMetrics: counters, gauges and histograms out of any log, by regular expressions with named
// groups. Every pattern sees every line.
//
// Borrows: the budget (must outlive it).
// Confined, to the lock of the source.
// Errors: none; a group that is no number where one is needed is counted, as is a line that nothing
// matches.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "exporters/app/logs/distribution.h"
#include "exporters/app/logs/series_table.h"
#include "model/matcher.h"

namespace tocsin::exporters::app {

// A text, or a group of the pattern.
struct PatternValue {
  std::string text;
  std::size_t group = 0;  // 0: `text`
};

struct LogPattern {
  enum class Kind { kCounter, kGauge, kHistogram };

  model::Regex match;
  Kind kind = Kind::kCounter;
  std::string name;
  std::string help;
  std::size_t value_group = 0;  // 0: one; a gauge and a histogram have a group
  std::vector<std::pair<std::string, PatternValue>> labels;
  std::vector<double> buckets = Buckets::usual();
};

class PatternMetrics {
 public:
  // `fixed`: labels of all series.
  PatternMetrics(const std::vector<LogPattern>& patterns, const LabelPairs& fixed,
                 SeriesBudget& budget);

  void add_line(std::string_view line);
  void append_to(std::vector<base::MetricFamily>* out) const;

  std::uint64_t lines_unmatched() const { return unmatched_; }
  std::uint64_t values_refused() const { return refused_; }

 private:
  struct Value {
    double number = 0;
    Distribution distribution;
  };
  struct Row {
    LogPattern pattern;
    std::vector<std::size_t> groups;  // of the labels that vary
    Buckets buckets;
    SeriesTable<Value> series;
    std::size_t groups_needed;
  };

  void count(Row* row);

  std::deque<Row> rows_;  // they stay where they are
  std::vector<std::string_view> found_, values_;
  std::uint64_t unmatched_ = 0, refused_ = 0;
};

}  // namespace tocsin::exporters::app
