// SPDX-License-Identifier: Apache-2.0
#include "app/daemon/features.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

namespace tocsin::app {

namespace {

using Switch = std::pair<std::string_view, bool Features::*>;
constexpr Switch kBuilt[] = {
    {"exemplar-storage", &Features::exemplars},
    {"created-timestamp-zero-ingestion", &Features::zero_starts},
    {"st-storage", &Features::store_starts},
    {"type-and-unit-labels", &Features::type_and_unit_labels},
    {"extra-scrape-metrics", &Features::extra_scrape_metrics},
    {"promql-per-step-stats", &Features::per_step_stats},
};
constexpr Switch kPromql[] = {
    {"promql-experimental-functions", &Features::experimental_functions},
    {"promql-extended-range-selectors", &Features::extended_range_selectors},
    {"promql-binop-fill-modifiers", &Features::fill_modifiers},
    {"promql-delayed-name-removal", &Features::delayed_name_removal},
    {"use-start-timestamps", &Features::use_start_timestamps},
};
constexpr std::string_view kNeedless[] = {"memory-snapshot-on-shutdown",
                                          "delayed-compaction",
                                          "use-uncached-io",
                                          "fast-startup",
                                          "histograms-st-encoding",
                                          "xor2-encoding",
                                          "native-histograms",
                                          "ooo-native-histograms",
                                          "promql-duration-expr",
                                          "auto-reload-config"};
constexpr std::string_view kNotYet[] = {"metadata-wal-records",
                                        "st-synthesis",
                                        "concurrent-rule-eval",
                                        "otlp-deltatocumulative",
                                        "otlp-native-delta-ingestion",
                                        "old-ui",
                                        "search-api"};

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool enable(std::span<const Switch> switches, std::string_view name, Features* features) {
  for (const auto& [known, member] : switches) {
    if (name != known) continue;
    features->*member = true;
    return true;
  }
  return false;
}

Status add(std::string_view name, Features* features) {
  if (enable(kBuilt, name, features) || enable(kPromql, name, features)) return ok();
  if (contains(kNotYet, name)) return unimplemented("not supported yet: --enable-feature={}", name);
  (contains(kNeedless, name) ? features->needless : features->unknown).emplace_back(name);
  return ok();
}

}  // namespace

bool enable_promql(std::string_view name, Features* features) {
  return enable(kPromql, name, features);
}

promql::ParserOptions parser_options(const Features& features) {
  promql::ParserOptions parser;
  parser.experimental_functions = features.experimental_functions;
  parser.extended_range_selectors = features.extended_range_selectors;
  parser.fill_modifiers = features.fill_modifiers;
  return parser;
}

StatusOr<Features> parse_features(const std::vector<std::string>& lists) {
  Features features;
  for (std::string_view rest : lists) {
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      if (comma != 0) RETURN_IF_ERROR(add(rest.substr(0, comma), &features));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return features;
}

}  // namespace tocsin::app
