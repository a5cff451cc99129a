// SPDX-License-Identifier: Apache-2.0
//
// The names behind --enable-feature.
//
// Pure.
// Errors: kUnimplemented "not supported yet: --enable-feature=NAME" for one of upstream's that is
// not built.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "promql/parser.h"

namespace tocsin::app {

struct Features {
  bool exemplars = false;             // exemplar-storage
  bool zero_starts = false;           // created-timestamp-zero-ingestion
  bool store_starts = false;          // st-storage
  bool type_and_unit_labels = false;  // type-and-unit-labels
  bool extra_scrape_metrics = false;  // the default of the configuration's key
  // Of PromQL, in queries and rules.
  bool experimental_functions = false;    // promql-experimental-functions: aggregations, too
  bool extended_range_selectors = false;  // promql-extended-range-selectors
  bool fill_modifiers = false;            // promql-binop-fill-modifiers
  bool delayed_name_removal = false;      // promql-delayed-name-removal
  bool use_start_timestamps = false;      // use-start-timestamps
  bool per_step_stats = false;            // promql-per-step-stats
  // Given, and nothing is done: what they turn on is always so here, or concerns only how
  // Prometheus works inside.
  std::vector<std::string> needless;
  std::vector<std::string> unknown;  // upstream only warns, too
};

// Turns on what a name of upstream's changes in PromQL; false for any other name.
bool enable_promql(std::string_view name, Features* features);
promql::ParserOptions parser_options(const Features& features);

// Each of `lists` holds names with commas between them.
StatusOr<Features> parse_features(const std::vector<std::string>& lists);

}  // namespace tocsin::app
