// SPDX-License-Identifier: Apache-2.0
//
// SeriesCache: what a target's page lines mean. It reads the target's pages by position and keeps,
// for each series text, the store's reference and the place in the target's group.
//
// Relabelling and label checks happen once for each new series; the labels are then forgotten, as
// the store has them, and made again when it asks for them. Series that are not on the page are
// forgotten when they are more than the page has and 1000.
// Owns: its entries, 24 bytes for a series and 4 for a line. Borrows: the line table.
// Threads: confined to its target's strand, but for metadata(), which may be called from any.
// Errors: kInvalidArgument when a series does not parse, has no metric name, or exceeds a label
// limit: the page fails.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "collector/options.h"
#include "collector/scrape/custom_histograms.h"
#include "formats/page_reader.h"
#include "model/labels.h"
#include "model/metadata.h"
#include "storage/types.h"

namespace tocsin::collector {

struct CachedSeries {
  static constexpr std::uint32_t kNoPosition = UINT32_MAX;

  storage::SeriesRef ref;
  std::uint32_t position = kNoPosition;  // in the target's group
  model::MetricKind kind : 8;            // that the page gave the metric when the series was new
  bool dropped : 1;                      // by metric_relabel_configs
  bool on_page : 1;                      // of the last page that was stored
  bool tracked : 1;                      // goes stale when it is missing
  bool was_tracked : 1;                  // before the batch in hand
  bool created : 1;                      // says since when others count; dropped, too
  bool folded : 1;                       // is in a histogram with custom buckets; dropped, too
  bool contested : 1;                    // another target writes it too and took it into its group
  std::uint16_t unit;  // that the page gave it then, a number of the cache's; 0: none
};
static_assert(sizeof(CachedSeries) == 16);

class SeriesCache final : formats::PageReader::Listener {
 public:
  SeriesCache(std::shared_ptr<const ScrapeOptions> options, model::Labels target_labels,
              formats::LineTable& lines);

  // Reads a page; its slots are numbers of series here until tidy().
  Status read(formats::ExpositionFormat format, std::string_view text,
              formats::PageReader::Page* page);
  // Appends to the page that was read last the histograms with custom buckets that are made of it.
  Status add_custom_histograms(formats::PageReader::Page* page);
  // What the last good page says about its metrics.
  std::vector<model::MetricMetadata> metadata() const {
    base::MutexLock lock(mutex_);
    return reader_.metadata();
  }
  CachedSeries& operator[](std::uint32_t slot) { return entries_[slot]; }
  std::vector<CachedSeries>& entries() { return entries_; }
  // The series as exposed; valid until tidy().
  std::string_view text(std::uint32_t slot) const {
    base::MutexLock lock(mutex_);
    return reader_.series(slot);
  }
  // When the series last got a zero at its start; 0: never. Costs 8 bytes a series once it is used.
  std::int64_t& zeroed_ms(std::uint32_t slot) {
    if (zeroed_ms_.size() < entries_.size()) zeroed_ms_.resize(entries_.size());
    return zeroed_ms_[slot];
  }
  void forget_zeroed() { zeroed_ms_.clear(); }
  // The labels of a series after target labels and metric_relabel_configs. REQUIRES: not dropped.
  StatusOr<model::Labels> labels(std::uint32_t slot) const;
  // Ends a scrape whose page was another than the one before: puts the series into the page's order
  // and forgets what is long gone. Series get new slots.
  void tidy(std::size_t page_series);
  // Ends any scrape.
  void forget_new_labels() { new_labels_.clear(); }
  std::size_t memory() const;

 private:
  Status added(std::uint32_t slot, const formats::PageReader::Exposed& series) override;
  StatusOr<std::uint16_t> number_of_unit(std::string_view unit);
  void tidy_units();
  StatusOr<model::Labels> exposed_labels(std::string_view series, const CachedSeries& entry) const;
  void learn_custom(const formats::PageReader::Page& page);
  StatusOr<model::Labels> final_labels(const model::Labels& exposed) const;
  Status check_limits(const model::Labels& labels) const;

  const std::shared_ptr<const ScrapeOptions> options_;
  const model::Labels target_labels_;
  mutable base::Mutex mutex_;  // held while a page is read; only metadata() ever waits for it
  formats::PageReader reader_ ABSL_GUARDED_BY(mutex_);
  formats::ExpositionFormat format_ = formats::ExpositionFormat::kText;  // of the page at hand
  std::vector<CachedSeries> entries_;                                    // by slot
  std::map<std::string, std::uint16_t, std::less<>> unit_numbers_;
  std::vector<std::string_view> units_ = {""};  // by number; keys of unit_numbers_
  CustomHistograms custom_;
  bool custom_known_ = false;                // the next are of the last page
  std::vector<std::uint32_t> custom_slots_;  // by histogram of custom_
  std::vector<std::int64_t> zeroed_ms_;      // by slot; shorter: not used yet
  std::vector<std::pair<std::uint32_t, model::Labels>> new_labels_;  // of this scrape, ascending
};

}  // namespace tocsin::collector
