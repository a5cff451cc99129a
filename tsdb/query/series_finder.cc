// SPDX-License-Identifier: Apache-2.0
#include "tsdb/query/series_finder.h"

namespace tocsin::tsdb {

using storage::SeriesId;

StatusOr<Postings> find_left_series(const Core& core, const model::Matchers& matchers,
                                    TimeRange range, const storage::CancelToken* cancel) {
  const DayRange days = core.catalog->left_days(range.min_ms, range.max_ms);
  if (days.first > days.last) return Postings();
  ASSIGN_OR_RETURN(Postings found, core.catalog->history().select(matchers, days, cancel));
  found.subtract(core.index.select_set({}));
  return found;
}

StatusOr<std::vector<SeriesId>> find_series(const Core& core, const model::Matchers& matchers,
                                            TimeRange range, const storage::CancelToken* cancel) {
  Postings found = core.index.select_set(matchers);
  const DayRange days = core.catalog->left_days(range.min_ms, range.max_ms);
  if (days.first <= days.last) {
    ASSIGN_OR_RETURN(const Postings left, core.catalog->history().select(matchers, days, cancel));
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
