// SPDX-License-Identifier: Apache-2.0
//
// What an exposition says about a metric, and an exemplar of a sample. Values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/labels.h"
#include "model/timestamp.h"

namespace tocsin::model {

enum class MetricKind {
  kUnknown,
  kCounter,
  kGauge,
  kHistogram,
  kGaugeHistogram,
  kSummary,
  kInfo,
  kStateset
};
std::string_view kind_text(MetricKind kind);  // "unknown", "counter", ...

struct Metadata {
  MetricKind kind = MetricKind::kUnknown;
  std::string help;
  std::string unit;
  friend bool operator==(const Metadata&, const Metadata&) = default;
};

// `labels` with __type__ and __unit__ as given; kUnknown and "" leave what they have.
Labels with_type_and_unit(const Labels& labels, MetricKind kind, std::string_view unit);

struct MetricMetadata {
  std::string metric;
  Metadata metadata;
};

struct Exemplar {
  Labels labels;
  double value = 0;
  std::optional<Timestamp> time;
  // The source gave no time, so that `time` is that of the sample: the same exemplar, come again
  // with a later sample, is no new one.
  bool assumed_time = false;
};

}  // namespace tocsin::model
