// SPDX-License-Identifier: Apache-2.0
#include "tsdb/query/series_finder.h"

#include <algorithm>
#include <map>
#include <string_view>

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

namespace {

// Whether the matchers leave one metric.
bool names_metric(const model::Matchers& matchers) {
  return std::ranges::any_of(matchers, [](const model::Matcher& matcher) {
    return matcher.name() == model::kMetricName && matcher.type() == model::Matcher::Type::kEqual;
  });
}

}  // namespace

void order_by_metric(const Core& core, const model::Matchers& matchers,
                     std::vector<SeriesId>* ids) {
  if (ids->size() < kOrderedFrom || names_metric(matchers)) return;
  const auto pin = core.index.pin();
  const std::vector<std::string_view> names = core.index.metric_names(*ids);
  std::map<std::string_view, std::vector<SeriesId>> by_name;
  std::vector<SeriesId> unknown;
  std::vector<SeriesId>* last = nullptr;  // neighbours often have one name
  std::string_view last_name;
  for (std::size_t i = 0; i < ids->size(); ++i) {
    if (last == nullptr || names[i].data() != last_name.data()) {
      last_name = names[i];
      last = names[i].empty() ? &unknown : &by_name[names[i]];
    }
    last->push_back((*ids)[i]);
  }
  ids->clear();
  for (const auto& [name, of_one] : by_name) ids->insert(ids->end(), of_one.begin(), of_one.end());
  ids->insert(ids->end(), unknown.begin(), unknown.end());
}

StatusOr<model::Labels> labels_of(const Core& core, SeriesId id) {
  model::Labels labels = core.index.labels(id);
  if (!labels.empty() || core.catalog->left_max_ms() == INT64_MIN) return labels;
  return core.catalog->history().labels(static_cast<std::uint32_t>(id.value()));
}

}  // namespace tocsin::tsdb
