// SPDX-License-Identifier: Apache-2.0
//
// ScrapeMetrics: the collector's self-metrics, with upstream's names. Shared; borrows the registry.
#pragma once

#include "base/metrics.h"

namespace tocsin::collector {

struct ScrapeMetrics {
  explicit ScrapeMetrics(base::Registry& r)
      : interval_length(r.summary("prometheus_target_interval_length_seconds",
                                  "Actual intervals between scrapes.", {"interval"},
                                  {0.01, 0.05, 0.5, 0.9, 0.99})),
        exceeded_sample_limit(
            r.counter("prometheus_target_scrapes_exceeded_sample_limit_total",
                      "Total number of scrapes that hit the sample limit and were rejected.")),
        exceeded_body_limit(r.counter("prometheus_target_scrapes_exceeded_body_size_limit_total",
                                      "Total number of scrapes that hit the body size limit")),
        duplicate(r.counter(
            "prometheus_target_scrapes_sample_duplicate_timestamp_total",
            "Total number of samples rejected due to duplicate timestamps but different values.")),
        out_of_order(r.counter(
            "prometheus_target_scrapes_sample_out_of_order_total",
            "Total number of samples rejected due to not being out of the expected order.")),
        out_of_bounds(r.counter(
            "prometheus_target_scrapes_sample_out_of_bounds_total",
            "Total number of samples rejected due to timestamp falling outside of the time "
            "bounds.")),
        exemplar_out_of_order(
            r.counter("prometheus_target_scrapes_exemplar_out_of_order_total",
                      "Total number of exemplar rejected due to not being out of the expected "
                      "order.")),
        exceeded_bucket_limit(
            r.counter("prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total",
                      "Total number of scrapes that hit the native histogram bucket limit and were "
                      "rejected.")),
        exceeded_label_limits(
            r.counter("prometheus_target_scrape_pool_exceeded_label_limits_total",
                      "Total number of times scrape pools hit the label limits, during sync or "
                      "config reload.")),
        exceeded_target_limit(
            r.counter("prometheus_target_scrape_pool_exceeded_target_limit_total",
                      "Total number of times scrape pools hit the target limit, during sync or "
                      "config reload.")),
        pools(r.counter("prometheus_target_scrape_pools_total",
                        "Total number of scrape pool creation attempts.")),
        pool_targets(r.gauge("prometheus_target_scrape_pool_targets",
                             "Current number of targets in this scrape pool.", {"scrape_job"})),
        sync_failed(r.counter("prometheus_target_sync_failed_total",
                              "Total number of target sync failures.", {"scrape_job"})),
        line_table_lines(r.gauge("tocsin_scrape_line_table_lines",
                                 "Texts of page lines that are held, once for all targets.")),
        line_table_bytes(r.gauge("tocsin_scrape_line_table_bytes",
                                 "Memory of the texts of page lines that are held.")),
        line_table_refused(r.gauge("tocsin_scrape_line_table_refused",
                                   "Page lines refused since the start because the table of line "
                                   "texts was full; their scrapes failed.")),
        discovered(r.gauge("prometheus_sd_discovered_targets",
                           "Current number of discovered targets.", {"name", "config"})) {}

  base::SummaryVec& interval_length;
  base::Counter& exceeded_sample_limit;
  base::Counter& exceeded_body_limit;
  base::Counter& duplicate;
  base::Counter& out_of_order;
  base::Counter& out_of_bounds;
  base::Counter& exemplar_out_of_order;
  base::Counter& exceeded_bucket_limit;
  base::Counter& exceeded_label_limits;
  base::Counter& exceeded_target_limit;
  base::Counter& pools;
  base::GaugeVec& pool_targets;
  base::CounterVec& sync_failed;
  base::Gauge& line_table_lines;
  base::Gauge& line_table_bytes;
  base::Gauge& line_table_refused;
  base::GaugeVec& discovered;
};

}  // namespace tocsin::collector
