// SPDX-License-Identifier: Apache-2.0
//
// Target: one thing to scrape, made from discovered labels by a job's relabelling. A value.
//
// Errors: kInvalidArgument when the labels left do not name a target ("no address", bad interval
// ...).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "collector/options.h"
#include "discovery/source.h"
#include "model/labels.h"

namespace tocsin::collector {

struct Target {
  model::Labels discovered;  // before relabelling
  model::Labels labels;      // what its series get: no label that starts with "__"
  std::string url;
  base::Duration interval{0};
  base::Duration timeout{0};
  std::string unix_socket;  // where the URL is asked for; "": over the network
  // The job's settings for histograms, unless relabelling changed them.
  formats::HistogramOptions histograms;
  bool convert_classic = false;

  // Targets of a job with equal keys are one target.
  std::string key() const;
};

// The labels of `target` in `group` as relabelling first sees them, with the job's defaults.
model::Labels discovered_labels(const discovery::TargetGroup& group, const model::Labels& target,
                                const ScrapeOptions& options);

// Relabels; no value when a rule dropped the target.
StatusOr<std::optional<Target>> make_target(const model::Labels& discovered,
                                            const ScrapeOptions& options);

// Where in the interval the target is scraped: [0, interval), equal for equal targets and seeds; a
// multiple of 50 ms, in intervals of a second and more.
base::Duration scrape_offset(const Target& target, std::uint64_t seed);

}  // namespace tocsin::collector
