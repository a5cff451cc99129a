// SPDX-License-Identifier: Apache-2.0
//
// JsonMetric: one metric of a document, and how its values become samples.
//
// Values. Pure.
// Errors: read_json_metric() kInvalidArgument with file, line and key.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/metrics.h"
#include "base/string_map.h"
#include "base/yaml.h"
#include "exporters/app/endpoints/json_path.h"
#include "exporters/common/families.h"

namespace tocsin::exporters::app {

struct JsonMetric {
  std::string name;
  std::string help;
  base::MetricType type = base::MetricType::kGauge;
  JsonPath path;
  StringMap<double> map;
  std::optional<double> otherwise;      // of texts that are not in `map`
  std::vector<std::string> key_labels;  // one for each wildcard
  LabelPairs labels;
};

StatusOr<JsonMetric> read_json_metric(const base::YamlNode& node);

struct JsonCounts {
  std::uint64_t refused = 0;   // values that are no number and not in the map
  std::uint64_t left_out = 0;  // samples above the limit
};
// Appends the samples, at most `max_samples` in all, with `labels` and those of each metric.
JsonCounts append_json_metrics(const base::JsonValue& document,
                               const std::vector<JsonMetric>& metrics, const LabelPairs& labels,
                               std::size_t max_samples, std::vector<base::MetricFamily>* out);

}  // namespace tocsin::exporters::app
