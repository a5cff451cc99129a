// SPDX-License-Identifier: Apache-2.0
//
// Appending of what is not an in-order float: histograms, samples out of order, start timestamps.
#include "tsdb/ingest/append_side.h"

#include <bit>

#include "base/check.h"
#include "model/value.h"
#include "tsdb/ingest/appender.h"
#include "tsdb/query/side_lookup.h"

namespace tocsin::tsdb {

using storage::AppendOptions;
using storage::AppendResult;
using storage::SeriesId;
using storage::SeriesRef;

namespace {

std::string_view type_of(const SideValue& value) {
  return is_histogram(value) ? "histogram" : "float";
}

Status conflict(std::int64_t t_ms, const SideValue& existing, const SideValue& value) {
  const auto* bits = std::get_if<std::uint64_t>(&value);
  const auto* old = std::get_if<std::uint64_t>(&existing);
  if (bits == nullptr || t_ms == 0) return already_exists("duplicate sample for timestamp");
  if (old != nullptr) return duplicate_sample(t_ms, *old, *bits);
  return already_exists(
      "duplicate sample for timestamp {}; overrides not allowed: existing is a histogram, new "
      "value "
      "{}",
      t_ms, model::format_float_g(std::bit_cast<double>(*bits)));
}

}  // namespace

Status duplicate_sample(std::int64_t t_ms, std::uint64_t existing_bits, std::uint64_t bits) {
  if (t_ms == 0) return already_exists("duplicate sample for timestamp");
  return already_exists(
      "duplicate sample for timestamp {}; overrides not allowed: existing {}, new value {}", t_ms,
      model::format_float_g(std::bit_cast<double>(existing_bits)),
      model::format_float_g(std::bit_cast<double>(bits)));
}

std::int64_t start_of(const AppendOptions& options) {
  return options.start ? base::to_ms(*options.start) : 0;
}

// Order -----------------------------------------------------------------------------------------

SideStore::Last TsdbAppender::last_side(SeriesId id) const {
  SideStore::Last last = core_.head.side().last(id);
  if (const auto pending = pending_side_.find(id); pending != pending_side_.end()) {
    const SideSample& sample = batch_.side[pending->second];
    last.time_ms = sample.time_ms;
    last.value = sample.value;
    last.in_memory = true;
  }
  if (const auto start = pending_start_.find(id); start != pending_start_.end()) {
    last.start_ms = start->second;
  }
  return last;
}

std::optional<SideValue> TsdbAppender::newest_histogram(SeriesId id) const {
  const SideStore::Last last = last_side(id);
  if (!last.time_ms) return std::nullopt;
  const PendingSamples::Sample* pending = pending_.find(id);
  const std::optional<Newest> stored = core_.head.newest(id);
  const std::int64_t float_ms = pending != nullptr ? pending->time_ms
                                : stored           ? stored->time_ms
                                                   : kUnknownTime;
  if (float_ms != kUnknownTime && float_ms > *last.time_ms) return std::nullopt;
  // When it is in a run its kind is not known any more; an integer one is usual.
  return last.in_memory ? last.value : SideValue(model::Histogram());
}

StatusOr<TsdbAppender::Verdict> TsdbAppender::check_side(SeriesId id, std::int64_t t_ms,
                                                         const SideValue& value,
                                                         const Newest& newest,
                                                         const AppendOptions& options) {
  const SideStore::Last last = last_side(id);
  const std::int64_t side_ms = last.time_ms.value_or(kUnknownTime);
  const std::int64_t newest_ms = std::max(newest.time_ms, side_ms);
  if (newest_ms == kUnknownTime || t_ms > newest_ms) return Verdict::kAppend;
  if (t_ms < newest_ms) return check_late({id, t_ms, newest_ms}, value, options);
  SideValue existing = newest.bits;
  if (newest.time_ms != t_ms && last.in_memory) {
    existing = last.value;
  } else if (newest.time_ms != t_ms) {
    ASSIGN_OR_RETURN(const std::optional<SideValue> found, sample_at(core_, id, t_ms));
    if (found) existing = *found;
  }
  if (same_value(existing, value)) return Verdict::kDuplicate;
  return conflict(t_ms, existing, value);
}

StatusOr<TsdbAppender::Verdict> TsdbAppender::check_late(const Late& late, const SideValue& value,
                                                         const AppendOptions& options) {
  const auto [id, t_ms, series_newest_ms] = late;
  const std::int64_t window_ms = core_.options.lock()->out_of_order_window.count();
  const std::string_view type = type_of(value);
  if (window_ms <= 0 || options.in_order_only) {
    if (!options.tentative) core_.metrics.out_of_order_samples.with({std::string(type)}).inc();
    return out_of_range("out of order sample");
  }
  const std::int64_t newest_ms =
      std::max({core_.head.stats().max_ms, core_.sealed_max_ms.load(), series_newest_ms});
  const std::uint64_t age_ms =
      static_cast<std::uint64_t>(newest_ms) - static_cast<std::uint64_t>(t_ms);
  if (age_ms > static_cast<std::uint64_t>(window_ms)) {
    core_.metrics.too_old_samples.with({std::string(type)}).inc();
    return out_of_range("too old sample");
  }
  std::optional<SideValue> existing;
  if (const auto found = pending_late_.find({id, t_ms}); found != pending_late_.end()) {
    existing = batch_.side[found->second].value;
  } else {
    ASSIGN_OR_RETURN(existing, sample_at(core_, id, t_ms));
    if (!existing) existing = earlier_in_batch(id, t_ms);
  }
  if (!existing) return Verdict::kLate;
  if (same_value(*existing, value)) return Verdict::kDuplicate;
  return conflict(t_ms, *existing, value);
}

// A batch rarely has several samples of a series; late ones among them are rarer.
std::optional<SideValue> TsdbAppender::earlier_in_batch(SeriesId id, std::int64_t t_ms) const {
  if (pending_.find(id) != nullptr) {
    for (const Batch::Sample& sample : batch_.samples) {
      if (sample.id == id && sample.time_ms == t_ms) return sample.bits;
    }
  }
  if (pending_side_.contains(id)) {
    for (const SideSample& sample : batch_.side) {
      const bool start = std::holds_alternative<StartChange>(sample.value);
      if (sample.id == id && sample.time_ms == t_ms && !start) return sample.value;
    }
  }
  return std::nullopt;
}

// Appending -------------------------------------------------------------------------------------

StatusOr<AppendResult> TsdbAppender::append_histogram(SeriesRef ref, const model::Labels& labels,
                                                      model::Timestamp t,
                                                      const model::FloatHistogram& histogram,
                                                      const AppendOptions& options) {
  RETURN_IF_ERROR(model::validate(histogram));
  return append_value(ref, labels, t, histogram, options);
}

StatusOr<AppendResult> TsdbAppender::append_histogram(SeriesRef ref, const model::Labels& labels,
                                                      model::Timestamp t,
                                                      const model::Histogram& histogram,
                                                      const AppendOptions& options) {
  RETURN_IF_ERROR(model::validate(histogram));
  return append_value(ref, labels, t, histogram, options);
}

StatusOr<AppendResult> TsdbAppender::append_value(SeriesRef ref, const model::Labels& labels,
                                                  model::Timestamp t, SideValue value,
                                                  const AppendOptions& options) {
  CHECK(!finished_);
  ASSIGN_OR_RETURN(const AppendResult result, resolve(ref, labels));
  const SeriesId id(result.ref.value());
  const std::int64_t t_ms = base::to_ms(t);
  ASSIGN_OR_RETURN(const Newest newest, newest_float(id, t_ms));
  ASSIGN_OR_RETURN(const Verdict verdict, check_side(id, t_ms, value, newest, options));
  if (verdict == Verdict::kDuplicate) return result;
  note_series(id, labels);
  RETURN_IF_ERROR(
      put_side({id, t_ms, start_of(options), verdict == Verdict::kLate, std::move(value)}));
  return result;
}

Status TsdbAppender::put_side(SideSample sample) {
  RETURN_IF_ERROR(charge(max_encoded_bytes(sample.value)));
  if (std::holds_alternative<StartChange>(sample.value)) {
    pending_start_.insert_or_assign(sample.id, sample.start_ms);
  } else if (sample.out_of_order) {
    pending_late_.insert_or_assign({sample.id, sample.time_ms}, batch_.side.size());
  } else {
    pending_side_.insert_or_assign(sample.id, batch_.side.size());
  }
  batch_.add_side(std::move(sample));
  return ok();
}

Status TsdbAppender::put_start(SeriesId id, std::int64_t t_ms, const AppendOptions& options) {
  const std::int64_t start_ms = start_of(options);
  const auto pending = pending_start_.find(id);
  if (pending != pending_start_.end()) {
    if (pending->second == start_ms) return ok();
  } else if (start_ms == 0 && core_.head.side().last(id).start_ms == 0) {
    return ok();
  }
  return put_side({id, t_ms, start_ms, false, StartChange()});
}

Status TsdbAppender::stale_histograms(std::span<const SeriesId> members, std::int64_t t_ms,
                                      std::vector<bool>* marked) {
  if (!core_.head.side().any() && pending_side_.empty()) return ok();
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (!has_side(members[i])) continue;
    const std::optional<SideValue> newest = newest_histogram(members[i]);
    if (!newest) continue;
    (*marked)[i] = false;
    if (is_stale(*newest) || *last_side(members[i]).time_ms >= t_ms) continue;
    note_series(members[i], {});
    RETURN_IF_ERROR(put_side({members[i], t_ms, 0, false, stale_value(*newest)}));
  }
  return ok();
}

}  // namespace tocsin::tsdb
