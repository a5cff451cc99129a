// SPDX-License-Identifier: Apache-2.0
//
// RuleMetrics: the rule evaluator's self-metrics, with upstream's names. Shared; borrows the
// registry.
#pragma once

#include "base/metrics.h"

namespace tocsin::rules {

struct RuleMetrics {
  explicit RuleMetrics(base::Registry& r)
      : evaluations(r.counter("prometheus_rule_evaluations_total",
                              "The total number of rule evaluations.", {"rule_group"})),
        failures(r.counter("prometheus_rule_evaluation_failures_total",
                           "The total number of rule evaluation failures.", {"rule_group"})),
        iterations(r.counter(
            "prometheus_rule_group_iterations_total",
            "The total number of scheduled rule group evaluations, whether executed or missed.",
            {"rule_group"})),
        missed(r.counter(
            "prometheus_rule_group_iterations_missed_total",
            "The total number of rule group evaluations missed due to slow rule group evaluation.",
            {"rule_group"})),
        rules(r.gauge("prometheus_rule_group_rules", "The number of rules.", {"rule_group"})),
        interval(r.gauge("prometheus_rule_group_interval_seconds", "The interval of a rule group.",
                         {"rule_group"})),
        last_duration(r.gauge("prometheus_rule_group_last_duration_seconds",
                              "The duration of the last rule group evaluation.", {"rule_group"})),
        last_evaluation(r.gauge("prometheus_rule_group_last_evaluation_timestamp_seconds",
                                "The timestamp of the last rule group evaluation in seconds.",
                                {"rule_group"})),
        dropped(r.counter("tocsin_rule_results_dropped_total",
                          "Rule results that the store refused as out of order or duplicate.",
                          {"rule_group"})),
        rule_duration(r.summary("prometheus_rule_evaluation_duration_seconds",
                                "The duration for a rule to execute.", {}, {0.5, 0.9, 0.99})),
        group_duration(r.summary("prometheus_rule_group_duration_seconds",
                                 "The duration of rule group evaluations.", {},
                                 {0.01, 0.05, 0.5, 0.9, 0.99})) {}

  base::CounterVec& evaluations;
  base::CounterVec& failures;
  base::CounterVec& iterations;
  base::CounterVec& missed;
  base::GaugeVec& rules;
  base::GaugeVec& interval;
  base::GaugeVec& last_duration;
  base::GaugeVec& last_evaluation;
  base::CounterVec& dropped;
  base::SummaryVec& rule_duration;
  base::SummaryVec& group_duration;
};

}  // namespace tocsin::rules
