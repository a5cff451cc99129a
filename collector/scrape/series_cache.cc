// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/series_cache.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "collector/scrape/start_times.h"
#include "formats/exposition.h"
#include "model/relabel.h"

namespace tocsin::collector {

namespace {

// Without honor_labels the target's label wins and the scraped one moves to exported_<name>,
// repeatedly until free.
void add_target_labels(const model::Labels& target, bool honor, model::LabelsBuilder* labels) {
  std::vector<std::pair<std::string, std::string>> conflicts;
  for (const model::LabelView& label : target) {
    const std::string existing(labels->get(label.name));
    if (honor) {
      if (existing.empty()) labels->set(label.name, label.value);
      continue;
    }
    if (!existing.empty()) conflicts.emplace_back(label.name, existing);
    labels->set(label.name, label.value);
  }
  for (auto& [name, value] : conflicts) {
    std::string moved = "exported_" + name;
    while (!labels->get(moved).empty()) moved.insert(0, "exported_");
    labels->set(moved, value);
  }
}

}  // namespace

SeriesCache::SeriesCache(std::shared_ptr<const ScrapeOptions> options, model::Labels target_labels,
                         formats::LineTable& lines)
    : options_(std::move(options)),
      target_labels_(std::move(target_labels)),
      reader_(lines, {.histograms = options_->histograms,
                      .exemplars = options_->features.exemplars,
                      .starts = options_->features.starts(),
                      .units = options_->features.type_and_unit}) {}

Status SeriesCache::read(formats::ExpositionFormat format, std::string_view text,
                         formats::PageReader::Page* page) {
  format_ = format;
  base::MutexLock lock(mutex_);
  return reader_.read(format, text, *this, page);
}

StatusOr<std::uint16_t> SeriesCache::number_of_unit(std::string_view unit) {
  if (unit.empty()) return std::uint16_t{0};
  if (const auto known = unit_numbers_.find(unit); known != unit_numbers_.end()) {
    return known->second;
  }
  if (units_.size() > UINT16_MAX) return resource_exhausted("more than {} units", UINT16_MAX);
  const auto number = static_cast<std::uint16_t>(units_.size());
  units_.push_back(unit_numbers_.emplace(unit, number).first->first);
  return number;
}

// Forgets units that no series has.
void SeriesCache::tidy_units() {
  const std::vector<std::string_view> before = std::exchange(units_, {""});
  const auto keys = std::exchange(unit_numbers_, {});
  for (CachedSeries& entry : entries_) {
    if (entry.unit != 0) entry.unit = number_of_unit(before[entry.unit]).value();
  }
}

StatusOr<model::Labels> SeriesCache::exposed_labels(std::string_view series,
                                                    const CachedSeries& entry) const {
  ASSIGN_OR_RETURN(model::Labels labels, formats::parse_series(series, entry.kind));
  if (!options_->features.type_and_unit) return labels;
  return model::with_type_and_unit(labels, entry.kind, units_[entry.unit]);
}

Status SeriesCache::added(std::uint32_t slot, const formats::PageReader::Exposed& series) {
  CachedSeries entry{};
  entry.kind = series.kind;
  ASSIGN_OR_RETURN(entry.unit, number_of_unit(series.unit));
  ASSIGN_OR_RETURN(const model::Labels exposed, exposed_labels(series.series, entry));
  entry.created = options_->features.starts() &&
                  format_ == formats::ExpositionFormat::kOpenMetrics &&
                  is_created_line(series.series, series.kind);
  entry.folded = options_->convert_classic && !options_->histograms.classic_too &&
                 is_classic_part(series.series, series.kind);
  model::Labels labels;
  if (!entry.created && !entry.folded) {
    ASSIGN_OR_RETURN(labels, final_labels(exposed));
  }
  entry.dropped = labels.empty();
  CHECK(slot == entries_.size());
  entries_.push_back(entry);
  if (!entry.dropped) new_labels_.emplace_back(slot, std::move(labels));
  return ok();
}

Status SeriesCache::add_custom_histograms(formats::PageReader::Page* page) {
  if (!page->same_series || !custom_known_) {
    custom_known_ = false;  // until all of them have a slot
    learn_custom(*page);
    custom_slots_.clear();
    for (std::size_t i = 0; i < custom_.size(); ++i) {
      base::MutexLock lock(mutex_);
      const formats::PageReader::Exposed series{custom_.series(i), model::MetricKind::kHistogram,
                                                custom_.unit(i)};
      ASSIGN_OR_RETURN(const std::uint32_t slot, reader_.slot_of(series, *this, page));
      custom_slots_.push_back(slot);
    }
    custom_known_ = true;
  }
  if (custom_slots_.empty()) return ok();
  if (page->slots.empty()) {
    page->slots.resize(page->values.size());
    std::iota(page->slots.begin(), page->slots.end(), 0U);
  }
  const std::vector<double> values = page->values;
  for (std::size_t i = 0; i < custom_slots_.size(); ++i) {
    std::optional<formats::NativeHistogram> histogram = custom_.make(i, values);
    if (!histogram) continue;
    page->histograms.push_back(
        {static_cast<std::uint32_t>(page->values.size()), *std::move(histogram)});
    page->values.push_back(0);
    page->slots.push_back(custom_slots_[i]);
  }
  return ok();
}

void SeriesCache::learn_custom(const formats::PageReader::Page& page) {
  std::vector<bool> native(page.values.size());
  for (const auto& histogram : page.histograms) native[histogram.sample] = true;
  custom_.learn(page.values.size(), [&](std::size_t i) -> CustomHistograms::Line {
    const std::uint32_t slot = page.slot(i);
    const CachedSeries& entry = entries_[slot];
    return {text(slot), entry.kind, units_[entry.unit], native[i]};
  });
}

StatusOr<model::Labels> SeriesCache::labels(std::uint32_t slot) const {
  const auto known = std::lower_bound(new_labels_.begin(), new_labels_.end(), slot,
                                      [](const auto& item, auto key) { return item.first < key; });
  if (known != new_labels_.end() && known->first == slot) return known->second;
  ASSIGN_OR_RETURN(const model::Labels exposed, exposed_labels(text(slot), entries_[slot]));
  return final_labels(exposed);
}

StatusOr<model::Labels> SeriesCache::final_labels(const model::Labels& exposed) const {
  model::LabelsBuilder builder(exposed);
  add_target_labels(target_labels_, options_->honor_labels, &builder);
  if (!model::relabel(options_->metric_relabel, &builder)) return model::Labels();
  model::Labels labels = builder.build();
  if (labels.empty()) return labels;
  if (labels.metric_name().empty()) {
    return invalid_argument("missing metric name (__name__ label) in {}", labels.to_string());
  }
  for (const model::LabelView& label : labels) {
    if (!model::is_label_name(label.name) || !model::is_utf8(label.value)) {
      return invalid_argument("invalid metric name or label names: {}", labels.to_string());
    }
  }
  RETURN_IF_ERROR(check_limits(labels));
  return labels;
}

Status SeriesCache::check_limits(const model::Labels& labels) const {
  const ScrapeLimits& limits = options_->limits;
  const std::string_view metric = labels.metric_name();
  if (limits.labels != 0 && labels.size() > limits.labels) {
    return invalid_argument(
        "label_limit exceeded (metric: {:.50}, number of labels: {}, limit: {})", metric,
        labels.size(), limits.labels);
  }
  if (limits.label_name_bytes == 0 && limits.label_value_bytes == 0) return ok();
  for (const model::LabelView& label : labels) {
    if (limits.label_name_bytes != 0 && label.name.size() > limits.label_name_bytes) {
      return invalid_argument(
          "label_name_length_limit exceeded (metric: {:.50}, label name: {:.50}, length: {}, "
          "limit: {})",
          metric, label.name, label.name.size(), limits.label_name_bytes);
    }
    if (limits.label_value_bytes != 0 && label.value.size() > limits.label_value_bytes) {
      return invalid_argument(
          "label_value_length_limit exceeded (metric: {:.50}, label name: {:.50}, value: {:.50}, "
          "length: {}, "
          "limit: {})",
          metric, label.name, label.value, label.value.size(), limits.label_value_bytes);
    }
  }
  return ok();
}

void SeriesCache::tidy(std::size_t page_series) {
  constexpr std::size_t kSlack = 1000;
  const bool many = entries_.size() > 2 * page_series + kSlack;
  std::vector<std::uint32_t> from;
  {
    base::MutexLock lock(mutex_);
    from = reader_.rearrange([&](std::uint32_t slot) {
      return !many || entries_[slot].on_page || entries_[slot].tracked;
    });
  }
  if (!zeroed_ms_.empty()) {
    zeroed_ms_.resize(entries_.size());
    std::vector<std::int64_t> zeroed;
    for (const std::uint32_t slot : from) zeroed.push_back(zeroed_ms_[slot]);
    zeroed_ms_ = std::move(zeroed);
  }
  std::vector<std::uint32_t> to(entries_.size());
  for (std::uint32_t slot = 0; slot < from.size(); ++slot) to[from[slot]] = slot;
  for (std::uint32_t& slot : custom_slots_) slot = to[slot];
  std::vector<CachedSeries> entries;
  entries.reserve(from.size());
  for (const std::uint32_t slot : from) entries.push_back(entries_[slot]);
  entries_ = std::move(entries);
  if (!unit_numbers_.empty()) tidy_units();
  new_labels_.clear();
}

std::size_t SeriesCache::memory() const {
  base::MutexLock lock(mutex_);
  return reader_.memory() + entries_.capacity() * sizeof(CachedSeries) +
         zeroed_ms_.capacity() * sizeof(std::int64_t);
}

}  // namespace tocsin::collector
