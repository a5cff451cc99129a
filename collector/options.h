// SPDX-License-Identifier: Apache-2.0
//
// Options of a scrape job: a scrape_config with the global defaults filled in. Values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "discovery/options.h"
#include "formats/exposition.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/relabel.h"
#include "net/http_client.h"

namespace tocsin::collector {

// 0 means no limit, as in the configuration file.
struct ScrapeLimits {
  std::uint64_t body_bytes = 0;  // of the uncompressed body
  std::uint64_t samples = 0;     // after metric relabelling
  std::uint64_t targets = 0;
  std::uint64_t labels = 0;
  std::uint64_t label_name_bytes = 0;
  std::uint64_t label_value_bytes = 0;
  std::uint64_t kept_dropped_targets = 0;
  std::uint64_t native_buckets = 0;  // of one native histogram, after reduction to fit
};

// What feature flags turn on.
struct ScrapeFeatures {
  bool exemplars = false;      // keep them
  bool zero_starts = false;    // a sample 0 at the start of a counter or histogram
  bool store_starts = false;   // each sample says since when it counts
  bool type_and_unit = false;  // series have the labels __type__ and __unit__
  // Only protobuf says it of everything, so that is asked for first.
  bool starts() const { return zero_starts || store_starts; }
};

struct ScrapeOptions {
  std::string job;
  base::Duration interval{60'000};
  base::Duration timeout{10'000};
  std::string metrics_path = "/metrics";
  std::string scheme = "http";
  std::vector<std::pair<std::string, std::vector<std::string>>> params;
  bool honor_labels = false;
  bool honor_timestamps = true;
  bool track_timestamps_staleness = false;
  bool enable_compression = true;
  std::vector<formats::ScrapeProtocol> protocols;  // empty: the default order
  std::optional<formats::ScrapeProtocol> fallback_protocol;
  ScrapeLimits limits;
  formats::HistogramOptions histograms;  // scrape_native_histograms, always_scrape_classic_...
  bool convert_classic = false;          // convert_classic_histograms_to_nhcb
  std::int32_t max_schema = model::kMaxExponentialSchema;  // of native_histogram_min_bucket_factor
  ScrapeFeatures features;
  bool extra_metrics = false;  // extra_scrape_metrics
  std::shared_ptr<const net::HttpClientOptions> http;
  std::vector<discovery::SourceOptions> sources;
  std::vector<model::RelabelRule> relabel;
  std::vector<model::RelabelRule> metric_relabel;
  std::string fingerprint;  // equal text: equal options; a changed job's targets restart
};

struct CollectorOptions {
  std::vector<ScrapeOptions> jobs;
  model::Labels external_labels;  // part of the scrape offset's seed
};

}  // namespace tocsin::collector
