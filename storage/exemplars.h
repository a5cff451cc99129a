// SPDX-License-Identifier: Apache-2.0
//
// ExemplarQueryable and MetadataQueryable: what a store keeps of series beside samples.
//
// Ranges are closed.
// Threads: shared.
// Errors: as storage::Queryable.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "model/metadata.h"
#include "model/timestamp.h"

namespace tocsin::storage {

struct ExemplarSeries {
  model::Labels labels;
  std::vector<model::Exemplar> exemplars;  // ascending by time, each with one
};

class ExemplarQueryable {
 public:
  virtual ~ExemplarQueryable() = default;
  // The exemplars in [mint, maxt] of series that match any of `matcher_sets`, ascending by labels;
  // series without are left out.
  virtual StatusOr<std::vector<ExemplarSeries>> exemplars(
      const std::vector<model::Matchers>& matcher_sets, model::Timestamp mint,
      model::Timestamp maxt) const = 0;
};

struct SeriesMetadata {
  model::Labels labels;
  model::Metadata metadata;
};

class MetadataQueryable {
 public:
  virtual ~MetadataQueryable() = default;
  // Metadata of active series that match; at most `limit` unless that is 0, ascending by labels.
  virtual StatusOr<std::vector<SeriesMetadata>> metadata(const model::Matchers& matchers,
                                                         std::size_t limit) const = 0;
  // The different metadata of the active series of one metric, or of all when `metric` is empty;
  // ascending by metric.
  virtual StatusOr<std::vector<model::MetricMetadata>> metric_metadata(
      std::string_view metric) const = 0;
};

}  // namespace tocsin::storage
