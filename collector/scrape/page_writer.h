// SPDX-License-Identifier: Apache-2.0
//
// PageWriter stores the pages of one target.
//
// Series without own timestamps form a group in page order, so that a page with the same series as
// the one before is one row. The other cases append by reference: native histograms, new series (until the group is
// defined anew: at once when they are many, else when the next page has no newer ones), own
// timestamps, duplicates, series that another target writes too. A series that is missing from a
// page goes stale at its time. Samples with a start time, and exemplars, are appended by reference,
// too.
// Owns: the target's series cache and its group in the store. Borrows: shared, clock, storage.
// Confined to its target's strand.
// Errors: those of the store; after one the batch must be rolled back and forget_places() called.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "collector/scrape/report.h"
#include "collector/scrape/series_cache.h"
#include "collector/scrape/shared.h"
#include "collector/scrape/start_times.h"
#include "storage/appender.h"

namespace tocsin::collector {

class PageWriter {
 public:
  using Page = formats::PageReader::Page;
  struct Services {
    const base::Clock& clock;
    storage::Appendable& storage;
    ScrapeShared& shared;
  };

  PageWriter(std::shared_ptr<const ScrapeOptions> options, const model::Labels& target_labels,
             const Services& services);

  // Reads a page and checks its limits; fills in the figures that depend on it.
  Status read(formats::ExpositionFormat format, std::string_view text, Page* page,
              ScrapeFigures* figures);
  // Stores the page that was read last, at `t`.
  Status store(storage::Appender& appender, model::Timestamp t, const Page& page,
               ScrapeFigures* figures);
  // Marks everything stale at `t`: the scrape failed.
  Status store_failure(storage::Appender& appender, model::Timestamp t);
  // Ends a scrape, after store() or store_failure() or an error of them.
  void tidy(const Page& page);
  // Forgets references and the group, after a batch that was not stored.
  void forget_places();
  // Marks everything stale at `t` for the last time; the group is dropped.
  void store_end(storage::Appender& appender, model::Timestamp t);

  // What the last good page says about its metrics. From any thread.
  std::vector<model::MetricMetadata> metadata() const { return cache_.metadata(); }
  std::size_t memory() const { return cache_.memory(); }

 private:
  // What is appended by reference.
  struct Value {
    model::Timestamp t;
    double number = 0;
    const formats::NativeHistogram* histogram = nullptr;  // instead of the number
    std::int64_t start_ms = 0;                            // since when it counts; 0: not known
    bool tentative = false;                               // see storage::AppendOptions
  };

  // One page as it is stored sample by sample. The vectors are by slot.
  struct Row {
    model::Timestamp t;
    const Page& page;
    std::vector<bool> on_page;
    std::vector<bool> member;  // had a place in the group at first
    std::vector<bool> stored;  // has a sample without own timestamp
    std::uint32_t loose = 0;   // stored by reference, though they could be in the group
    bool own_times = false;
    std::span<const std::int64_t> starts;  // by sample; empty: none has one
    bool needs_references() const {
      return own_times || !starts.empty() || !page.histograms.empty();
    }
  };

  void look_over_series(const Page& page, std::size_t known);
  Status check_limits(Page* page);
  Status set_all(storage::Appender& appender, const Page& page);
  Status store_samples(storage::Appender& appender, Row* row, ScrapeFigures* figures);
  void look_over(Row* row, ScrapeFigures* figures);
  Status store_pass(storage::Appender& appender, Row* row, bool members);
  Status store_alone(storage::Appender& appender, std::uint32_t slot, const Page::Timestamp* own,
                     Value value);
  Status store_sample(storage::Appender& appender, Row* row, std::uint32_t slot, double value);
  Status store_missing(storage::Appender& appender, const Row& row, bool members);
  Status append_by_ref(storage::Appender& appender, std::uint32_t slot, const Value& value);
  StatusOr<storage::AppendResult> append(storage::Appender& appender, storage::SeriesRef ref,
                                         const model::Labels& labels, const Value& value) const;
  Status append_zero(storage::Appender& appender, std::uint32_t slot, const Value& value);
  Status store_exemplars(storage::Appender& appender, model::Timestamp t, const Page& page);
  Status store_sorted_exemplars(storage::Appender& appender, std::uint32_t slot,
                                std::span<const model::Exemplar> exemplars);
  Status append_exemplar(storage::Appender& appender, std::uint32_t slot,
                         const model::Exemplar& exemplar);
  void note_refusal(const Status& status);
  Status still_there(const Status& status);
  Status regroup(storage::Appender& appender, const Row& row);
  bool is_steady(const Row& row);

  const std::shared_ptr<const ScrapeOptions> options_;
  const Services services_;
  SeriesCache cache_;
  StartTimes starts_;
  storage::GroupId group_;
  std::uint32_t members_ = 0;          // of the group
  std::uint64_t page_kept_ = 0;        // samples of the last page that relabelling kept
  std::uint64_t page_no_samples_ = 0;  // lines of it that say a start or are folded into histograms
  bool looked_over_ = false;           // both are of the last good page
  // Every sample of the last page that is kept has a place in the group, and is tracked.
  bool steady_ = false;
  bool in_order_ = false;          // moreover the members are the samples of the page, in its order
  bool order_known_ = true;        // in_order_ is up to date
  bool tracking_changed_ = false;  // by the batch in hand
  bool all_stale_ = false;         // since the last failure nothing was stored
};

}  // namespace tocsin::collector
