// SPDX-License-Identifier: Apache-2.0
//
// Report: the series a target gets about its own scrapes (up, scrape_duration_seconds, ...), in a
// group of their own so that a failed scrape marks everything else stale in O(1).
//
// Confined to its target's strand.
// Errors: those of the store's Appender.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "collector/options.h"
#include "model/labels.h"
#include "storage/appender.h"

namespace tocsin::collector {

struct ScrapeFigures {
  bool up = false;
  double duration_seconds = 0;
  std::uint64_t scraped = 0;        // samples on the page
  std::uint64_t after_relabel = 0;  // of these kept
  std::uint64_t series_added = 0;
  double body_bytes = 0;  // uncompressed; -1: over the limit
};

class Report {
 public:
  Report(const ScrapeOptions& options, const model::Labels& target_labels);

  Status append(storage::Appender& appender, model::Timestamp t, const ScrapeFigures& figures);
  // Marks the series stale at `t`: the target is gone.
  Status append_stale(storage::Appender& appender, model::Timestamp t);
  storage::GroupId group() const { return group_; }
  // Forgets references and group, after a batch that was not stored.
  void reset();

 private:
  Status append_values(storage::Appender& appender, model::Timestamp t,
                       std::span<const double> values);
  Status append_by_ref(storage::Appender& appender, std::size_t i, model::Timestamp t,
                       double value);

  const bool extra_;
  const double timeout_seconds_;
  const double sample_limit_;
  std::vector<model::Labels> labels_;
  std::vector<storage::SeriesRef> refs_;
  storage::GroupId group_;
};

}  // namespace tocsin::collector
