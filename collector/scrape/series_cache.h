// SPDX-License-Identifier: Apache-2.0
//
// SeriesCache: what a target's page lines mean: raw line key -> labels, reference, place in the
// group.
//
// Relabelling and label checks happen once for each new key; afterwards a line costs one look-up.
// Keys that did not appear for a while are forgotten when the cache holds more than twice the last
// page and 1000 entries. Confined to its target's strand.
// Errors: kInvalidArgument when a key does
// not parse, has no metric name, or exceeds a label limit: the scrape fails.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/string_map.h"
#include "collector/options.h"
#include "model/labels.h"
#include "model/metadata.h"
#include "storage/types.h"

namespace tocsin::collector {

struct CachedSeries {
  static constexpr std::uint32_t kNoPosition = UINT32_MAX;

  model::Labels labels;  // empty: dropped by metric_relabel_configs
  storage::SeriesRef ref;
  std::uint32_t position = kNoPosition;  // in the target's group
  std::uint64_t seen = 0;                // number of the scrape that last had it
  std::uint64_t stored = 0;  // number of the scrape that last stored a sample without own timestamp
  bool tracked = false;      // goes stale when it is missing
  bool contested = false;    // another target writes it too and took it into its group
  bool dropped() const { return labels.empty(); }
};

class SeriesCache {
 public:
  SeriesCache(std::shared_ptr<const ScrapeOptions> options, model::Labels target_labels);

  // Finds or makes the entry of `key` ("name{labels}" as exposed); valid until sweep() removes it.
  // `kind` is the type that the page gave the metric.
  StatusOr<CachedSeries*> resolve(std::string_view key, model::MetricKind kind);
  // Ends scrape number `scrape`: forgets long unseen keys when there are too many.
  void sweep(std::uint64_t scrape, std::size_t page_series);
  std::vector<CachedSeries*> entries();
  std::size_t size() const { return entries_.size(); }

  // The labels of a series after target labels and metric_relabel_configs; empty when dropped.
  StatusOr<model::Labels> final_labels(const model::Labels& exposed) const;

 private:
  Status check_limits(const model::Labels& labels) const;

  const std::shared_ptr<const ScrapeOptions> options_;
  const model::Labels target_labels_;
  StringMap<std::unique_ptr<CachedSeries>> entries_;
};

}  // namespace tocsin::collector
