// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/page_writer.h"

#include <algorithm>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "collector/scrape/histogram_limits.h"
#include "model/value.h"

namespace tocsin::collector {

namespace {

constexpr base::Duration kFutureLimit{10 * 60 * 1000};
// The group is defined anew at once when more than one in so many of its series are outside.
constexpr std::uint32_t kLooseShare = 32;

// Older starts get no zero: what is long ago is not the business of a scrape, and Prometheus' head
// does not take it either.
constexpr base::Duration kOldestZero{3600 * 1000};

// Errors that concern one sample and not its page.
bool is_sample_error(const Status& status) {
  return status.code() == StatusCode::kAlreadyExists || status.code() == StatusCode::kOutOfRange;
}

}  // namespace

PageWriter::PageWriter(std::shared_ptr<const ScrapeOptions> options,
                       const model::Labels& target_labels, const Services& services)
    : options_(std::move(options)),
      services_(services),
      cache_(options_, target_labels, services.shared.lines) {}

Status PageWriter::read(formats::ExpositionFormat format, std::string_view text, Page* page,
                        ScrapeFigures* figures) {
  Status status = cache_.read(format, text, page);
  if (status.ok() && options_->convert_classic) status = cache_.add_custom_histograms(page);
  // After an error the last sample may have no slot.
  const std::size_t known = status.ok() ? page->values.size() : page->slots.size();
  if (!page->same_series || !looked_over_ || options_->convert_classic) {
    look_over_series(*page, known);
  }
  looked_over_ = status.ok();
  figures->scraped = page->values.size() - page_no_samples_;
  figures->after_relabel = page_kept_;
  if (message(status).find("_limit exceeded") != std::string_view::npos) {
    services_.shared.metrics.exceeded_label_limits.inc();
  }
  RETURN_IF_ERROR(status);
  return check_limits(page);
}

// Finds what stays the same while pages have the same series.
void PageWriter::look_over_series(const Page& page, std::size_t known) {
  page_kept_ = 0;
  page_no_samples_ = 0;
  std::uint64_t created = 0;
  for (std::size_t i = 0; i < known; ++i) {
    const std::uint32_t slot = page.slot(i);
    page_kept_ += cache_[slot].dropped ? 0 : 1;
    created += cache_[slot].created ? 1 : 0;
    page_no_samples_ += cache_[slot].created || cache_[slot].folded ? 1 : 0;
  }
  if (!options_->features.starts() || (page.same_series && looked_over_)) return;
  starts_.learn(created == 0 ? 0 : known, [&](std::size_t i) -> StartTimes::Line {
    const CachedSeries& series = cache_[page.slot(i)];
    return {cache_.text(page.slot(i)), series.kind, series.created};
  });
}

Status PageWriter::check_limits(Page* page) {
  ScrapeMetrics& metrics = services_.shared.metrics;
  const std::uint64_t limit = options_->limits.samples;
  if (limit != 0 && page_kept_ > limit) {
    metrics.exceeded_sample_limit.inc();
    return resource_exhausted("sample limit exceeded");
  }
  for (Page::Histogram& h : page->histograms) {
    if (cache_[page->slot(h.sample)].dropped) continue;
    const Status status = limit_histogram(*options_, &h.histogram);
    if (status.code() == StatusCode::kResourceExhausted) metrics.exceeded_bucket_limit.inc();
    RETURN_IF_ERROR(status);
  }
  return ok();
}

Status PageWriter::store(storage::Appender& appender, model::Timestamp t, const Page& page,
                         ScrapeFigures* figures) {
  all_stale_ = false;
  tracking_changed_ = false;
  if (group_) RETURN_IF_ERROR(still_there(appender.step(group_, t)));
  const bool own_times = options_->honor_timestamps && !page.timestamps.empty();
  Row row{t, page, {}, {}, {}, 0, own_times, {}};
  if (options_->features.starts()) row.starts = starts_.of(page);
  if (steady_ && page.same_series && !row.needs_references()) {
    const Status status = group_ ? set_all(appender, page) : ok();
    // A sample is refused, or a member belongs to another target now: then one by one.
    const bool again = is_sample_error(status) || status.code() == StatusCode::kNotFound;
    if (!again) {
      RETURN_IF_ERROR(status);
      return store_exemplars(appender, t, page);
    }
  }
  const std::size_t slots = cache_.entries().size();
  for (std::vector<bool>* flags : {&row.on_page, &row.member, &row.stored}) flags->resize(slots);
  RETURN_IF_ERROR(store_samples(appender, &row, figures));
  return store_exemplars(appender, t, page);
}

// Sets the values of a page like the one before: runs of series whose places follow each other.
Status PageWriter::set_all(storage::Appender& appender, const Page& page) {
  const std::span<const double> values(page.values);
  if (in_order_) return appender.set_range(0, values);
  const auto position = [&](std::size_t i) { return cache_[page.slot(i)].position; };
  for (std::size_t begin = 0; begin < values.size();) {
    const std::uint32_t first = position(begin);
    std::size_t end = begin + 1;
    if (first != CachedSeries::kNoPosition) {
      while (end < values.size() && position(end) == first + (end - begin)) ++end;
      RETURN_IF_ERROR(appender.set_range(first, values.subspan(begin, end - begin)));
    }
    begin = end;
  }
  return ok();
}

Status PageWriter::store_samples(storage::Appender& appender, Row* row, ScrapeFigures* figures) {
  steady_ = false;
  order_known_ = false;
  look_over(row, figures);
  if (group_) {
    // First, while the row is open.
    RETURN_IF_ERROR(store_pass(appender, row, true));
    RETURN_IF_ERROR(store_missing(appender, *row, true));
  }
  RETURN_IF_ERROR(store_pass(appender, row, false));
  RETURN_IF_ERROR(store_missing(appender, *row, false));
  const bool many = !group_ || row->loose > members_ / kLooseShare;
  if (row->loose != 0 && (many || row->page.same_series)) {
    RETURN_IF_ERROR(regroup(appender, *row));
  }
  for (std::uint32_t slot = 0; slot < row->on_page.size(); ++slot) {
    cache_[slot].on_page = row->on_page[slot];
  }
  steady_ = is_steady(*row);
  return ok();
}

void PageWriter::look_over(Row* row, ScrapeFigures* figures) {
  for (CachedSeries& series : cache_.entries()) series.was_tracked = series.tracked;
  tracking_changed_ = true;
  for (std::size_t i = 0; i < row->page.values.size(); ++i) {
    const std::uint32_t slot = row->page.slot(i);
    const CachedSeries& series = cache_[slot];
    if (series.dropped || row->on_page[slot]) continue;
    row->on_page[slot] = true;
    row->member[slot] = series.position != CachedSeries::kNoPosition;
    if (!series.on_page) ++figures->series_added;
  }
}

// Stores the samples of members of the group, or all others.
Status PageWriter::store_pass(storage::Appender& appender, Row* row, bool members) {
  const Page& page = row->page;
  auto time = page.timestamps.begin();
  auto histogram = page.histograms.begin();
  for (std::uint32_t i = 0; i < page.values.size(); ++i) {
    const Page::Timestamp* own = nullptr;
    if (time != page.timestamps.end() && time->sample == i) own = &*time++;
    if (!row->own_times) own = nullptr;
    const formats::NativeHistogram* native = nullptr;
    if (histogram != page.histograms.end() && histogram->sample == i) {
      native = &histogram++->histogram;
    }
    const std::uint32_t slot = page.slot(i);
    if (cache_[slot].dropped) continue;
    const std::int64_t start_ms = row->starts.empty() ? 0 : row->starts[i];
    if (own != nullptr || native != nullptr || start_ms != 0) {
      if (members) continue;
      RETURN_IF_ERROR(store_alone(appender, slot, own, {row->t, page.values[i], native, start_ms}));
    } else if (row->member[slot] == members) {
      RETURN_IF_ERROR(store_sample(appender, row, slot, page.values[i]));
    }
  }
  return ok();
}

// Stores a sample that no row can hold: with its own time, or a start, or a native histogram.
Status PageWriter::store_alone(storage::Appender& appender, std::uint32_t slot,
                               const Page::Timestamp* own, Value value) {
  cache_[slot].tracked = own == nullptr || options_->track_timestamps_staleness;
  if (own != nullptr) {
    value.t = base::from_ms(own->ms);
    if (value.t > services_.clock.now() + kFutureLimit) {
      services_.shared.metrics.out_of_bounds.inc();
      return ok();
    }
  }
  if (options_->features.zero_starts && value.start_ms != 0) {
    RETURN_IF_ERROR(append_zero(appender, slot, value));
  }
  return append_by_ref(appender, slot, value);
}

// Appends the zero that the series began with, once for each start.
Status PageWriter::append_zero(storage::Appender& appender, std::uint32_t slot,
                               const Value& value) {
  std::int64_t& zeroed_ms = cache_.zeroed_ms(slot);
  if (zeroed_ms == value.start_ms) return ok();
  zeroed_ms = value.start_ms;
  const std::int64_t age_ms = base::to_ms(value.t) - value.start_ms;
  if (age_ms <= 0 || age_ms > kOldestZero.count()) return ok();
  Value zero{base::from_ms(value.start_ms), 0, nullptr, 0};
  zero.tentative = true;
  formats::NativeHistogram empty;
  if (value.histogram != nullptr) {
    empty = std::visit(
        [](const auto& like) -> formats::NativeHistogram { return model::zero_like(like); },
        *value.histogram);
    zero.histogram = &empty;
  }
  return append_by_ref(appender, slot, zero);
}

Status PageWriter::store_sample(storage::Appender& appender, Row* row, std::uint32_t slot,
                                double value) {
  if (row->stored[slot]) {
    services_.shared.metrics.duplicate.inc();
    return ok();
  }
  row->stored[slot] = true;
  CachedSeries& series = cache_[slot];
  series.tracked = true;
  if (series.position != CachedSeries::kNoPosition) {
    const Status status = appender.set(series.position, value);
    if (is_sample_error(status)) {
      note_refusal(status);
      return ok();
    }
    if (status.code() != StatusCode::kNotFound) return status;
    // Two targets expose one series: taking it back each time would tear both groups apart.
    series.position = CachedSeries::kNoPosition;
    series.contested = true;
  }
  if (!series.contested) ++row->loose;
  return append_by_ref(appender, slot, {row->t, value});
}

// Marks stale what is missing from the page: members of the group, or all others.
Status PageWriter::store_missing(storage::Appender& appender, const Row& row, bool members) {
  for (std::uint32_t slot = 0; slot < row.on_page.size(); ++slot) {
    CachedSeries& series = cache_[slot];
    const bool member = series.position != CachedSeries::kNoPosition;
    if (!series.tracked || row.on_page[slot] || member != members) continue;
    series.tracked = false;
    if (!member) {
      RETURN_IF_ERROR(append_by_ref(appender, slot, {row.t, model::stale_nan()}));
      continue;
    }
    const Status status = appender.set(series.position, model::stale_nan());
    // Another target took the series over: it is not stale.
    const bool taken = is_sample_error(status) || status.code() == StatusCode::kNotFound;
    if (!status.ok() && !taken) return status;
  }
  return ok();
}

StatusOr<storage::AppendResult> PageWriter::append(storage::Appender& appender,
                                                   storage::SeriesRef ref,
                                                   const model::Labels& labels,
                                                   const Value& value) const {
  storage::AppendOptions options;
  options.in_order_only = options.tentative = value.tentative;
  if (options_->features.store_starts && value.start_ms != 0) {
    options.start = base::from_ms(value.start_ms);
  }
  if (value.histogram == nullptr) {
    return appender.append(ref, labels, value.t, value.number, options);
  }
  return std::visit(
      [&](const auto& histogram) {
        return appender.append_histogram(ref, labels, value.t, histogram, options);
      },
      *value.histogram);
}

Status PageWriter::append_by_ref(storage::Appender& appender, std::uint32_t slot,
                                 const Value& value) {
  static const model::Labels kNoLabels;
  CachedSeries& series = cache_[slot];
  StatusOr<storage::AppendResult> result = not_found("");
  if (series.ref) result = append(appender, series.ref, kNoLabels, value);
  if (result.status().code() == StatusCode::kNotFound) {
    ASSIGN_OR_RETURN(const model::Labels labels, cache_.labels(slot));
    result = append(appender, {}, labels, value);
  }
  if (result.ok()) {
    series.ref = result->ref;
    return ok();
  }
  if (!is_sample_error(result.status())) return result.status();
  if (!value.tentative) note_refusal(result.status());
  return ok();
}

// Appends the exemplars of a page whose samples are stored. What is wrong with one of them costs no
// sample.
Status PageWriter::store_exemplars(storage::Appender& appender, model::Timestamp t,
                                   const Page& page) {
  auto time = page.timestamps.begin();
  std::vector<model::Exemplar> of_sample;
  for (auto at = page.exemplars.begin(); at != page.exemplars.end();) {
    const std::uint32_t sample = at->sample;
    while (time != page.timestamps.end() && time->sample < sample) ++time;
    const bool own_time =
        options_->honor_timestamps && time != page.timestamps.end() && time->sample == sample;
    of_sample.clear();
    for (; at != page.exemplars.end() && at->sample == sample; ++at) {
      StatusOr<model::Exemplar> exemplar = page.exemplar(*at);
      if (!exemplar.ok()) continue;
      exemplar->assumed_time = !exemplar->time;
      if (exemplar->assumed_time) exemplar->time = own_time ? base::from_ms(time->ms) : t;
      of_sample.push_back(*std::move(exemplar));
    }
    if (cache_[page.slot(sample)].dropped) continue;
    std::sort(of_sample.begin(), of_sample.end(), [](const auto& a, const auto& b) {
      return std::tie(a.time, a.value, a.labels) < std::tie(b.time, b.value, b.labels);
    });
    RETURN_IF_ERROR(store_sorted_exemplars(appender, page.slot(sample), of_sample));
  }
  return ok();
}

Status PageWriter::store_sorted_exemplars(storage::Appender& appender, std::uint32_t slot,
                                          std::span<const model::Exemplar> exemplars) {
  std::size_t refused = 0;
  for (const model::Exemplar& exemplar : exemplars) {
    if (*exemplar.time > services_.clock.now() + kFutureLimit) continue;
    const Status status = append_exemplar(appender, slot, exemplar);
    if (status.code() == StatusCode::kOutOfRange) ++refused;
    // One that is malformed is none; any other error is the store's.
    const bool of_exemplar =
        status.code() == StatusCode::kOutOfRange || status.code() == StatusCode::kInvalidArgument;
    if (!status.ok() && !of_exemplar) return status;
  }
  // A histogram shows old ones beside new ones; only when none is new somebody should know.
  if (refused == exemplars.size()) {
    services_.shared.metrics.exemplar_out_of_order.inc(static_cast<double>(refused));
  }
  return ok();
}

Status PageWriter::append_exemplar(storage::Appender& appender, std::uint32_t slot,
                                   const model::Exemplar& exemplar) {
  static const model::Labels kNoLabels;
  Status status = not_found("");
  if (cache_[slot].ref) status = appender.append_exemplar(cache_[slot].ref, kNoLabels, exemplar);
  if (status.code() != StatusCode::kNotFound) return status;
  ASSIGN_OR_RETURN(const model::Labels labels, cache_.labels(slot));
  return appender.append_exemplar({}, labels, exemplar);
}

void PageWriter::note_refusal(const Status& status) {
  ScrapeMetrics& metrics = services_.shared.metrics;
  (status.code() == StatusCode::kAlreadyExists ? metrics.duplicate : metrics.out_of_order).inc();
}

// Makes the series of this page without own timestamps the group's members, in page order.
Status PageWriter::regroup(storage::Appender& appender, const Row& row) {
  for (CachedSeries& series : cache_.entries()) series.position = CachedSeries::kNoPosition;
  std::vector<storage::SeriesRef> refs;
  std::unordered_set<std::uint64_t> seen;
  for (std::size_t i = 0; i < row.page.values.size(); ++i) {
    const std::uint32_t slot = row.page.slot(i);
    CachedSeries& series = cache_[slot];
    const bool placed = series.position != CachedSeries::kNoPosition;
    if (!row.stored[slot] || !series.ref || placed || series.contested) continue;
    if (!seen.insert(series.ref.value()).second) {
      series.contested = true;  // by another line of this page
      continue;
    }
    series.position = static_cast<std::uint32_t>(refs.size());
    refs.push_back(series.ref);
  }
  if (refs.empty()) return ok();
  ASSIGN_OR_RETURN(group_, appender.define_group(group_, refs));
  members_ = static_cast<std::uint32_t>(refs.size());
  return ok();
}

bool PageWriter::is_steady(const Row& row) {
  if (row.needs_references()) return false;
  std::vector<bool> seen(row.on_page.size());
  for (std::size_t i = 0; i < row.page.values.size(); ++i) {
    const std::uint32_t slot = row.page.slot(i);
    if (cache_[slot].dropped) continue;
    if (cache_[slot].position == CachedSeries::kNoPosition || seen[slot]) return false;
    seen[slot] = true;
  }
  return true;
}

Status PageWriter::store_failure(storage::Appender& appender, model::Timestamp t) {
  steady_ = false;
  tracking_changed_ = !all_stale_;
  if (all_stale_) return ok();
  if (group_) RETURN_IF_ERROR(still_there(appender.stale_all(group_, t)));
  for (std::uint32_t slot = 0; slot < cache_.entries().size(); ++slot) {
    CachedSeries& series = cache_[slot];
    series.on_page = false;
    series.was_tracked = series.tracked;
    if (!series.tracked) continue;
    series.tracked = false;
    if (series.position != CachedSeries::kNoPosition) continue;
    RETURN_IF_ERROR(append_by_ref(appender, slot, {t, model::stale_nan()}));
  }
  all_stale_ = true;
  return ok();
}

void PageWriter::tidy(const Page& page) {
  if (!page.same_series) {
    cache_.tidy(page.values.size());
    order_known_ = false;
    const formats::LineTable::Stats stats = services_.shared.lines.stats();
    services_.shared.metrics.line_table_lines.set(static_cast<double>(stats.lines));
    services_.shared.metrics.line_table_bytes.set(static_cast<double>(stats.bytes));
    services_.shared.metrics.line_table_refused.set(static_cast<double>(stats.refused));
  }
  cache_.forget_new_labels();
  if (order_known_) return;
  order_known_ = true;
  in_order_ = steady_ && page.values.size() <= cache_.entries().size();
  for (std::uint32_t i = 0; in_order_ && i < page.values.size(); ++i) {
    in_order_ = cache_[i].position == i;
  }
}

// The store forgets the group of a target that had no samples for long: its series go on by
// reference until there is a new one.
Status PageWriter::still_there(const Status& status) {
  if (status.code() != StatusCode::kNotFound) return status;
  for (CachedSeries& series : cache_.entries()) series.position = CachedSeries::kNoPosition;
  group_ = {};
  members_ = 0;
  steady_ = false;
  return ok();
}

// A batch that was not stored leaves places and references behind that the store does not know:
// start afresh.
void PageWriter::forget_places() {
  for (CachedSeries& series : cache_.entries()) {
    series.tracked = series.tracked || (tracking_changed_ && series.was_tracked);
    series.position = CachedSeries::kNoPosition;
    series.ref = {};
  }
  cache_.forget_zeroed();
  if (group_) services_.storage.drop_group(std::exchange(group_, {}));
  members_ = 0;
  steady_ = false;
  tracking_changed_ = false;
  all_stale_ = false;
}

void PageWriter::store_end(storage::Appender& appender, model::Timestamp t) {
  for (std::uint32_t slot = 0; slot < cache_.entries().size(); ++slot) {
    if (!cache_[slot].tracked) continue;
    // An error means that another target writes the series now: then it is not stale.
    static_cast<void>(append_by_ref(appender, slot, {t, model::stale_nan()}));
  }
}

}  // namespace tocsin::collector
