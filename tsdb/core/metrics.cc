// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "tsdb/core/core.h"
#include "tsdb/life/retention.h"
#include "tsdb/merge/merge_policy.h"

namespace tocsin::tsdb {
namespace {

using base::MetricFamily;
using base::MetricType;

void add(std::vector<MetricFamily>* out, std::string_view name, std::string_view help,
         MetricType type, double value,
         std::vector<std::pair<std::string, std::string>> labels = {}) {
  MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  family.samples.push_back({"", std::move(labels), value});
  out->push_back(std::move(family));
}

double seconds(std::int64_t ms) { return static_cast<double>(ms) / 1000; }

}  // namespace

Metrics::Metrics(base::Registry& registry)
    : series_created(registry.counter("prometheus_tsdb_head_series_created_total",
                                      "Series created in the head.")),
      series_removed(registry.counter("prometheus_tsdb_head_series_removed_total",
                                      "Series removed from the head.")),
      out_of_order_samples(registry.counter("prometheus_tsdb_out_of_order_samples_total",
                                            "Samples refused because they were out of order.",
                                            {"type"})),
      too_old_samples(registry.counter(
          "prometheus_tsdb_too_old_samples_total",
          "Samples refused because they were older than the out-of-order window.", {"type"})),
      out_of_order_exemplars(
          registry.counter("prometheus_tsdb_exemplar_out_of_order_exemplars_total",
                           "Exemplars refused because they were out of order.")),
      out_of_order(out_of_order_samples.with({"float"})),
      journal_corruptions(registry.counter("prometheus_tsdb_wal_corruptions_total",
                                           "Journal segments that ended in a damaged record.")),
      corruptions(registry.counter("tocsin_tsdb_corruptions_total",
                                   "Damaged pieces of data that were found and left out.",
                                   {"what"})),
      compactions(registry.counter("prometheus_tsdb_compactions_total",
                                   "Runs sealed from the head or merged from others.")),
      compactions_failed(registry.counter("prometheus_tsdb_compactions_failed_total",
                                          "Seals and merges that failed.")),
      merges(registry.counter("tocsin_tsdb_merges_total", "Runs made by merging others.")),
      merged_bytes(registry.counter("tocsin_tsdb_merged_bytes_total",
                                    "Size of the runs that were merged into others.")),
      merge_rest(registry.counter("tocsin_tsdb_merge_rest_seconds_total",
                                  "Time that merges left to queries.")),
      merge_memory(registry.gauge("tocsin_tsdb_merge_memory_bytes",
                                  "Most memory that the last merge held.")),
      time_retentions(registry.counter("prometheus_tsdb_time_retentions_total",
                                       "Times that runs were dropped because they were too old.")),
      size_retentions(registry.counter(
          "prometheus_tsdb_size_retentions_total",
          "Times that runs were dropped because the database or the disk was too full.")),
      compaction_duration(registry.histogram("prometheus_tsdb_compaction_duration_seconds",
                                             "Duration of seals.", {0.01, 0.1, 1, 10, 60, 300})),
      tombstone_cleanup(registry.histogram("prometheus_tsdb_tombstone_cleanup_seconds",
                                           "Time taken to clean tombstones.",
                                           {0.01, 0.1, 1, 10, 60, 300})),
      sync_duration(registry
                        .summary("prometheus_tsdb_wal_fsync_duration_seconds",
                                 "Duration of journal syncs.", {}, {0.5, 0.9, 0.99})
                        .with({})),
      replay_duration(registry.gauge("prometheus_tsdb_data_replay_duration_seconds",
                                     "Time taken to read the journal and the store at start.")) {}

namespace {

void collect_series_metrics(const Core& core, std::vector<MetricFamily>* out) {
  using enum MetricType;
  const SeriesIndex::Stats index = core.index.stats();
  const Catalog::Stats catalog = core.catalog->stats();
  add(out, "prometheus_tsdb_symbol_table_size_bytes", "Memory of labels and postings.", kGauge,
      static_cast<double>(index.bytes));
  add(out, "tocsin_tsdb_label_sets", "Distinct parts of label sets in memory.", kGauge,
      static_cast<double>(index.label_sets));
  add(out, "tocsin_tsdb_series_refused_total", "Series not created because too many are active.",
      kCounter, static_cast<double>(index.refused));
  add(out, "tocsin_tsdb_regex_cache_hits_total",
      "Regular expressions whose matching label values were known.", kCounter,
      static_cast<double>(index.regex_hits));
  add(out, "tocsin_tsdb_regex_cache_misses_total",
      "Regular expressions that ran over label values.", kCounter,
      static_cast<double>(index.regex_misses));
  add(out, "tocsin_tsdb_regex_cache_bytes", "Memory of what expressions matched.", kGauge,
      static_cast<double>(index.regex_bytes));
  add(out, "tocsin_tsdb_series_left_total", "Series without samples that left memory.", kCounter,
      static_cast<double>(catalog.left));
  add(out, "tocsin_tsdb_series_returned_total",
      "Series that had left memory and got samples again.", kCounter,
      static_cast<double>(catalog.found));
  add(out, "tocsin_tsdb_series_blocks_damaged_total",
      "Blocks of label sets that could not be read.", kCounter,
      static_cast<double>(catalog.damaged_blocks));
  out->push_back({"tocsin_tsdb_catalog_cache_bytes",
                  "Memory of what was read lately of the labels and days of series.",
                  kGauge,
                  {{"", {{"what", "label_sets"}}, static_cast<double>(catalog.cached_sets_bytes)},
                   {"", {{"what", "blocks"}}, static_cast<double>(catalog.cached_blocks_bytes)}}});
}

void collect_backlog_metrics(const Core& core, std::vector<MetricFamily>* out) {
  using enum MetricType;
  const Backlog::Stats backlog = core.backlog.stats();
  add(out, "tocsin_tsdb_unsealed_bytes", "Memory of samples that are in no run.", kGauge,
      static_cast<double>(unsealed_bytes(core)));
  add(out, "tocsin_tsdb_unsealed_limit_bytes", "Such memory above which commits wait.", kGauge,
      static_cast<double>(backlog.limit));
  add(out, "tocsin_tsdb_commits_waiting", "Commits that wait for samples to be sealed.", kGauge,
      static_cast<double>(backlog.waiting));
  add(out, "tocsin_tsdb_commits_delayed_total", "Commits that waited for samples to be sealed.",
      kCounter, static_cast<double>(backlog.delayed));
  add(out, "tocsin_tsdb_commits_refused_total",
      "Commits refused because too many samples waited to be sealed for too long.", kCounter,
      static_cast<double>(backlog.refused));
  add(out, "tocsin_tsdb_new_series_refused_total",
      "Samples refused because too many series were new in their minute.", kCounter,
      static_cast<double>(core.new_series.refused()));
}

void collect_side_metrics(const Core& core, std::vector<MetricFamily>* out) {
  using enum MetricType;
  const NoteStore::Stats notes = core.head.notes().stats();
  add(out, "prometheus_tsdb_exemplar_exemplars_in_storage", "Exemplars in memory.", kGauge,
      static_cast<double>(notes.exemplars));
  add(out, "prometheus_tsdb_exemplar_series_with_exemplars_in_storage",
      "Series with exemplars in memory.", kGauge, static_cast<double>(notes.exemplar_series));
  add(out, "prometheus_tsdb_exemplar_exemplars_appended_total", "Exemplars appended.", kCounter,
      static_cast<double>(notes.exemplars_appended));
  add(out, "prometheus_tsdb_exemplar_max_exemplars", "Exemplars kept at most.", kGauge,
      static_cast<double>(core.options.lock()->max_exemplars));
  add(out, "tocsin_tsdb_metadata_series", "Series with metadata.", kGauge,
      static_cast<double>(notes.metadata_series));
  add(out, "tocsin_tsdb_metadata_bytes", "Memory of distinct metadata.", kGauge,
      static_cast<double>(notes.metadata_bytes));
  add(out, "tocsin_tsdb_metadata_dropped_total", "Metadata dropped above its limit.", kCounter,
      static_cast<double>(notes.metadata_dropped));
  const SideStore::Stats side = core.head.side().stats();
  add(out, "prometheus_tsdb_head_out_of_order_samples_appended_total",
      "Samples appended out of order.", kCounter, static_cast<double>(side.out_of_order));
  add(out, "tocsin_tsdb_head_histograms_appended_total", "Native histograms appended.", kCounter,
      static_cast<double>(side.histograms));
  add(out, "tocsin_tsdb_side_series",
      "Series with histograms, samples out of order or start timestamps.", kGauge,
      static_cast<double>(side.series));
  add(out, "tocsin_tsdb_side_bytes", "Memory of such samples in the head.", kGauge,
      static_cast<double>(side.bytes));
}

void collect_run_metrics(const Core& core, std::vector<MetricFamily>* out) {
  using enum MetricType;
  add(out, "prometheus_tsdb_storage_blocks_bytes", "Size of the runs.", kGauge,
      static_cast<double>(core.runs->bytes_on_disk()));
  const auto snapshot = core.runs->snapshot();
  add(out, "prometheus_tsdb_blocks_loaded", "Runs.", kGauge,
      static_cast<double>(RunStore::runs(*snapshot).size()));
  std::array<double, kColdTier + 1> tiers{};
  for (const RunInfo& run : RunStore::runs(*snapshot)) {
    tiers[std::min<std::size_t>(run.tier, kColdTier)] += 1;
  }
  MetricFamily runs;
  runs.name = "tocsin_tsdb_runs";
  runs.help = "Runs by tier: 0 sealed, 1 merged for 2 hours, 2 for a day.";
  runs.type = kGauge;
  for (std::size_t tier = 0; tier < tiers.size(); ++tier) {
    runs.samples.push_back({"", {{"tier", std::to_string(tier)}}, tiers[tier]});
  }
  out->push_back(std::move(runs));
  const RunStore::Caches caches = RunStore::caches(*snapshot);
  MetricFamily cached;
  cached.name = "tocsin_tsdb_run_cache_bytes";
  cached.help = "Memory of what was read of runs lately.";
  cached.type = kGauge;
  const auto cache = [&cached](std::string_view what, std::size_t bytes) {
    cached.samples.push_back({"", {{"what", std::string(what)}}, static_cast<double>(bytes)});
  };
  cache("directories", caches.directories);
  cache("side_directories", caches.side_directories);
  cache("times", caches.times);
  cache("tiles", caches.tiles);
  out->push_back(std::move(cached));
  add(out, "tocsin_tsdb_runs_left_out", "Damaged runs that are not merged.", kGauge,
      static_cast<double>(core.damaged_runs.lock()->size()));
}

}  // namespace

void collect_metrics(const Core& core, std::vector<MetricFamily>* out) {
  const Head::Stats head = core.head.stats();
  const bool any = head.min_ms <= head.max_ms;
  const auto& counters = core.queue->counters();
  using enum MetricType;
  add(out, "prometheus_tsdb_head_series", "Series in the head.", kGauge,
      static_cast<double>(head.series));
  add(out, "prometheus_tsdb_head_chunks", "Open chunks (groups) in the head.", kGauge,
      static_cast<double>(head.groups));
  add(out, "prometheus_tsdb_head_samples_appended_total", "Samples appended.", kCounter,
      static_cast<double>(counters.samples.load()), {{"type", "float"}});
  collect_side_metrics(core, out);
  add(out, "tocsin_tsdb_head_samples_refused_total",
      "Samples of committed batches that another batch had overtaken.", kCounter,
      static_cast<double>(counters.refused.load()));
  add(out, "tocsin_tsdb_head_samples_lost_total",
      "Samples of committed or replayed batches whose series is unknown.", kCounter,
      static_cast<double>(counters.unknown.load()));
  add(out, "tocsin_tsdb_commits_failed_total", "Batches that could not be written.", kCounter,
      static_cast<double>(counters.failed.load()));
  add(out, "prometheus_tsdb_head_min_time_seconds", "Oldest sample in the head.", kGauge,
      any ? seconds(head.min_ms) : 0);
  add(out, "prometheus_tsdb_head_max_time_seconds", "Newest sample in the head.", kGauge,
      any ? seconds(head.max_ms) : 0);
  add(out, "prometheus_tsdb_head_min_time", "Oldest sample in the head, in milliseconds.", kGauge,
      any ? static_cast<double>(head.min_ms) : 0);
  add(out, "prometheus_tsdb_head_max_time", "Newest sample in the head, in milliseconds.", kGauge,
      any ? static_cast<double>(head.max_ms) : 0);
  add(out, "prometheus_tsdb_wal_segment_current", "Number of the journal segment written to.",
      kGauge, static_cast<double>(core.journal->segment()));
  add(out, "prometheus_tsdb_wal_storage_size_bytes", "Size of the journal.", kGauge,
      static_cast<double>(core.journal->size_bytes()));
  collect_run_metrics(core, out);
  collect_series_metrics(core, out);
  collect_backlog_metrics(core, out);
  add(out, "tocsin_tsdb_tombstones", "Deleted intervals of series that are not cleaned yet.",
      kGauge, static_cast<double>(core.tombstones.snapshot()->size()));
  if (const StatusOr<std::uint64_t> limit = retention_limit_bytes(core); limit.ok()) {
    add(out, "prometheus_tsdb_retention_limit_bytes",
        "How much runs and journal may take; 0: no limit.", kGauge, static_cast<double>(*limit));
  }
  add(out, "prometheus_tsdb_retention_limit_seconds", "Retention time.", kGauge,
      static_cast<double>(core.options.lock()->retention.count()) / 1000);
}

}  // namespace tocsin::tsdb
