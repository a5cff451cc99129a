// SPDX-License-Identifier: Apache-2.0
#include "model/metadata.h"

namespace tocsin::model {

std::string_view kind_text(MetricKind kind) {
  switch (kind) {
    case MetricKind::kUnknown:
      return "unknown";
    case MetricKind::kCounter:
      return "counter";
    case MetricKind::kGauge:
      return "gauge";
    case MetricKind::kHistogram:
      return "histogram";
    case MetricKind::kGaugeHistogram:
      return "gaugehistogram";
    case MetricKind::kSummary:
      return "summary";
    case MetricKind::kInfo:
      return "info";
    case MetricKind::kStateset:
      return "stateset";
  }
  return "unknown";
}

Labels with_type_and_unit(const Labels& labels, MetricKind kind, std::string_view unit) {
  if (kind == MetricKind::kUnknown && unit.empty()) return labels;
  LabelsBuilder builder(labels);
  if (kind != MetricKind::kUnknown) builder.set(kTypeLabel, kind_text(kind));
  if (!unit.empty()) builder.set(kUnitLabel, unit);
  return builder.build();
}

}  // namespace tocsin::model
