// SPDX-License-Identifier: Apache-2.0
//
// RedisMetrics: the families of one scrape, by their names without prefix.
//
// Texts of labels are cut at kMaxLabelBytes, and what is no UTF-8 in them is replaced: keys and
// names of clients are bytes that anybody may have chosen.
//
// Confined to one scrape.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "base/string_map.h"
#include "exporters/common/families.h"

namespace tocsin::exporters {

class RedisMetrics {
 public:
  static constexpr std::size_t kMaxLabelBytes = 1024;

  struct Options {
    std::string prefix = "redis";
    bool with_role = false;  // instance_role, once set_role() was called
  };

  explicit RedisMetrics(Options options) : options_(std::move(options)) {}

  void set_role(std::string_view role) { role_ = role; }
  const std::string& role() const { return role_; }

  void gauge(std::string_view name, double value, Labels labels = {}) {
    add(name, base::MetricType::kGauge, value, label_pairs(labels));
  }
  void counter(std::string_view name, double value, Labels labels = {}) {
    add(name, base::MetricType::kCounter, value, label_pairs(labels));
  }
  void add(std::string_view name, base::MetricType type, double value, LabelPairs labels);
  // About the exporter itself: never with a role.
  void own(std::string_view name, base::MetricType type, double value);

  // Points are bound or quantile, and value; in ascending order, without +Inf.
  using Points = std::vector<std::pair<double, double>>;
  struct Totals {
    double sum = 0, count = 0;
  };
  void histogram(std::string_view name, std::string_view command, const Points& buckets,
                 Totals totals);
  void summary(std::string_view name, std::string_view command, const Points& quantiles,
               Totals totals);

  // The families; nothing may be added afterwards.
  std::vector<base::MetricFamily> take();

 private:
  struct Distribution {
    std::string_view name;
    base::MetricType type;
    std::string_view label, suffix;  // of its points
  };
  base::MetricFamily& family(std::string_view name, base::MetricType type);
  void distribution(const Distribution& kind, std::string_view command, const Points& points,
                    Totals totals);
  LabelPairs clean(LabelPairs labels) const;

  const Options options_;
  std::string role_;
  std::vector<base::MetricFamily> families_;
  StringMap<std::size_t> places_;  // by name without prefix
};

}  // namespace tocsin::exporters
