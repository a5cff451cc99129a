// SPDX-License-Identifier: Apache-2.0
#include "tsdb/query/series_finder.h"

namespace tocsin::tsdb {

using storage::SeriesId;

LeftSeries::LeftSeries(const Core& core) : core_(core), removals_(core.index.removals()) {
  if (core.catalog->left_max_ms() != INT64_MIN) in_memory_ = core.index.select_set({});
}

StatusOr<Postings> LeftSeries::find(const model::Matchers& matchers, TimeRange range,
                                    const storage::CancelToken* cancel) const {
  const DayRange days = core_.catalog->left_days(range.min_ms, range.max_ms);
  if (days.first > days.last) return Postings();
  ASSIGN_OR_RETURN(Postings found, core_.catalog->history().select(matchers, days, cancel));
  // Unless some left meanwhile: memory may have been asked after that.
  if (core_.index.removals() == removals_) found.subtract(in_memory_);
  return found;
}

StatusOr<std::vector<SeriesId>> find_series(const Core& core, const model::Matchers& matchers,
                                            TimeRange range, const storage::CancelToken* cancel) {
  Postings found = core.index.select_set(matchers);
  const DayRange days = core.catalog->left_days(range.min_ms, range.max_ms);
  if (days.first <= days.last) {
    ASSIGN_OR_RETURN(Postings left, core.catalog->history().select(matchers, days, cancel));
    left.subtract(found);
    RETURN_IF_ERROR(core.catalog->history().keep_stored(&left));
    found.unite(left);
  }
  const std::vector<std::uint32_t> ids = found.ids();
  return std::vector<SeriesId>(ids.begin(), ids.end());
}

StatusOr<model::Labels> labels_of(const Core& core, SeriesId id) {
  model::Labels labels = core.index.labels(id);
  if (!labels.empty() || core.catalog->left_max_ms() == INT64_MIN) return labels;
  return core.catalog->history().labels(static_cast<std::uint32_t>(id.value()));
}

}  // namespace tocsin::tsdb
