// SPDX-License-Identifier: Apache-2.0
//
// StatsdMapper: which metric a name of StatsD becomes, by the rules of statsd_exporter: first those
// with globs in their order ("*" is one field between dots), then those with regular expressions;
// without a rule the name with "_" for what a metric may not have.
//
// A value. Threads: shared, read-only.
// Errors: those of base/yaml.h, with file, line and key.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "base/yaml.h"
#include "exporters/app/statsd/statsd_line.h"
#include "exporters/common/families.h"
#include "model/matcher.h"

namespace tocsin::exporters::app {

// How what is observed (timers, histograms, distributions) is shown, and for how long.
struct StatsdShape {
  enum class Observer { kSummary, kHistogram };
  Observer observer = Observer::kSummary;
  std::vector<double> buckets = {.005, .01, .025, .05, .1, .25, .5, 1, 2, 2.5, 5, 10};
  std::vector<double> quantiles = {.5, .9, .99};
  base::Duration ttl{0};  // 0: for ever
};

class StatsdMapper {
 public:
  struct Mapped {
    bool is_mapped = false, is_dropped = false;
    std::string name;  // "" when a rule's name is empty after expansion: dropped
    std::string_view help;
    LabelPairs labels;          // of the rule
    bool honor_labels = false;  // tags win over them
    double scale = 1;
    const StatsdShape* shape = nullptr;
  };

  // `defaults` may be null.
  static StatusOr<StatsdMapper> read(const base::YamlNode* defaults, const base::YamlNode* mappings,
                                     base::Duration ttl);

  // Valid as long as the mapper.
  Mapped map(std::string_view name, StatsdType type) const;

 private:
  enum class MetricType { kAny, kCounter, kGauge, kObserver };
  struct Rule {
    std::vector<std::string> fields;    // of a glob
    std::optional<model::Regex> regex;  // otherwise
    bool drops = false;
    MetricType type = MetricType::kAny;
    std::string name, help;
    LabelPairs labels;  // with $1
    bool honor_labels = false;
    double scale = 1;
    StatsdShape shape;
  };
  struct Defaults {
    StatsdShape shape;
    bool is_regex = false;
  };

  static Status read_shape(base::YamlMapping* mapping, StatsdShape* shape);
  static StatusOr<Defaults> read_defaults(const base::YamlNode& node, base::Duration ttl);
  static Status read_match(const base::YamlNode& node, bool is_regex, Rule* rule);
  Status read_rule(const base::YamlNode& node);
  Mapped expand(const Rule& rule, std::string_view name,
                const std::vector<std::string_view>& captures) const;

  Defaults defaults_;
  std::vector<Rule> globs_, regexes_;
};

}  // namespace tocsin::exporters::app
