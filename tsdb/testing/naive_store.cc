// SPDX-License-Identifier: Apache-2.0
#include "tsdb/testing/naive_store.h"

#include <bit>
#include <set>

#include "model/value.h"

namespace tocsin::tsdb::testing {
namespace {

storage::SelectHints hints_of(std::int64_t mint, std::int64_t maxt) {
  storage::SelectHints hints;
  hints.mint = base::from_ms(mint);
  hints.maxt = base::from_ms(maxt);
  return hints;
}

std::string sample_text(const model::Labels& labels, std::int64_t t, std::uint64_t bits) {
  return fmt::format("{} at {}: {} ({:x})", labels.to_series_string(), t,
                     model::format_float(std::bit_cast<double>(bits)), bits);
}

// The first of `needed` that `answer` lacks, or of `answer` that `allowed` lacks.
std::string compare_sets(std::string_view what, const std::set<std::string>& needed,
                         const std::set<std::string>& allowed,
                         const std::vector<std::string>& answer) {
  const std::set<std::string> found(answer.begin(), answer.end());
  if (found.size() != answer.size()) return fmt::format("{} occur twice", what);
  for (const std::string& name : needed) {
    if (!found.contains(name)) return fmt::format("{} lack {:?}", what, name);
  }
  for (const std::string& name : found) {
    if (!allowed.contains(name)) return fmt::format("{} have {:?}, invented", what, name);
  }
  return "";
}

}  // namespace

std::size_t NaiveStore::add(model::Labels labels) {
  numbers_.emplace(labels, series_.size());
  series_.push_back({.labels = std::move(labels), .samples = {}});
  return series_.size() - 1;
}

void NaiveStore::insert(std::size_t number, std::int64_t t, std::uint64_t bits) {
  Series& series = series_[number];
  changes_.push_back({number, t, series.newest, series.newest_bits});
  series.samples[t] = {bits, true};
  series.newest = t;
  series.newest_bits = bits;
}

StatusCode NaiveStore::put_late(std::size_t number, std::int64_t t, std::uint64_t bits) {
  Series& series = series_[number];
  if (const auto known = series.samples.find(t); known != series.samples.end()) {
    return known->second.bits == bits ? StatusCode::kOk : StatusCode::kAlreadyExists;
  }
  changes_.push_back({number, t, series.newest, series.newest_bits});
  series.samples[t] = {bits, true};
  return StatusCode::kOk;
}

StatusCode NaiveStore::put(std::size_t number, std::int64_t t, std::uint64_t bits,
                           std::int64_t oldest) {
  const Series& series = series_[number];
  if (t < series.newest && t >= oldest) return put_late(number, t, bits);
  if (t < series.newest) return StatusCode::kOutOfRange;
  if (t == series.newest) {
    return bits == series.newest_bits ? StatusCode::kOk : StatusCode::kAlreadyExists;
  }
  insert(number, t, bits);
  return StatusCode::kOk;
}

void NaiveStore::put_stale(std::size_t number, std::int64_t t) {
  const Series& series = series_[number];
  const auto stale = std::bit_cast<std::uint64_t>(model::stale_nan());
  if (series.newest == INT64_MIN || t <= series.newest || series.newest_bits == stale) return;
  insert(number, t, stale);
}

void NaiveStore::begin() {
  unsynced_.insert(unsynced_.end(), changes_.begin(), changes_.end());
  changes_.clear();
}

void NaiveStore::doubt_unsynced() {
  begin();
  for (const Change& change : unsynced_) {
    const auto sample = series_[change.series].samples.find(change.t);
    if (sample != series_[change.series].samples.end()) sample->second.required = false;
  }
  unsynced_.clear();
}

void NaiveStore::undo() {
  for (auto change = changes_.rbegin(); change != changes_.rend(); ++change) {
    Series& series = series_[change->series];
    series.samples.erase(change->t);
    series.newest = change->newest;
    series.newest_bits = change->newest_bits;
  }
  changes_.clear();
}

void NaiveStore::doubt() {
  for (const Change& change : changes_) {
    series_[change.series].samples[change.t].required = false;
  }
  changes_.clear();
}

void NaiveStore::erase(const model::Matchers& matchers, std::int64_t mint, std::int64_t maxt,
                       bool certainly) {
  for (Series& series : series_) {
    if (!model::matches_all(matchers, series.labels)) continue;
    series.deleted_to = std::max(series.deleted_to, maxt);
    const auto begin = series.samples.lower_bound(mint);
    const auto end = series.samples.upper_bound(maxt);
    if (certainly) {
      series.samples.erase(begin, end);
      continue;
    }
    for (auto at = begin; at != end; ++at) at->second.required = false;
  }
}

std::string NaiveStore::compare_series(const Series& series, const Found& found, std::int64_t mint,
                                       std::int64_t maxt) const {
  for (const auto& [t, bits] : found) {
    const auto known = series.samples.find(t);
    if (t < mint || t > maxt)
      return "outside of the interval: " + sample_text(series.labels, t, bits);
    if (known == series.samples.end()) return "invented: " + sample_text(series.labels, t, bits);
    if (known->second.bits != bits) {
      return fmt::format("{}, expected {:x}", sample_text(series.labels, t, bits),
                         known->second.bits);
    }
  }
  auto known = series.samples.lower_bound(std::max(mint, floor_ms_));
  for (; known != series.samples.end() && known->first <= maxt; ++known) {
    if (known->second.required && !found.contains(known->first)) {
      return "lost: " + sample_text(series.labels, known->first, known->second.bits);
    }
  }
  return "";
}

std::string NaiveStore::compare_column(const storage::SeriesColumn& column,
                                       const model::Labels& labels,
                                       std::pair<std::int64_t, std::int64_t> interval,
                                       std::vector<bool>* seen) const {
  const auto number = numbers_.find(labels);
  if (number == numbers_.end()) return "invented: the series " + labels.to_series_string();
  if ((*seen)[number->second]) return "twice: the series " + labels.to_series_string();
  (*seen)[number->second] = true;
  Found found;
  std::int64_t last = INT64_MIN;
  for (std::uint32_t row = 0; row < column.rows; ++row) {
    if (!column.has(row)) continue;
    const std::int64_t t = column.times->ms[column.first + row];
    if (t <= last) return fmt::format("{}: times out of order", labels.to_series_string());
    last = t;
    found[t] = std::bit_cast<std::uint64_t>(column.floats[row]);
  }
  return compare_series(series_[number->second], found, interval.first, interval.second);
}

std::string NaiveStore::compare(const storage::Queryable& database, const model::Matchers& matchers,
                                std::int64_t mint, std::int64_t maxt) const {
  auto selection = database.select(matchers, hints_of(mint, maxt), {});
  if (!selection.ok()) return selection.status().ToString();
  std::vector<bool> seen(series_.size());
  for (std::size_t b = 0; b < (*selection)->batch_count(); ++b) {
    storage::ColumnBatch batch;
    if (const Status read = (*selection)->read(b, &batch); !read.ok()) return read.ToString();
    for (const storage::SeriesColumn& column : batch.series) {
      const model::Labels labels = (*selection)->labels(column.series);
      if (!model::matches_all(matchers, labels)) return "no match: " + labels.to_series_string();
      std::string difference = compare_column(column, labels, {mint, maxt}, &seen);
      if (!difference.empty()) return difference;
    }
  }
  for (const std::string& warning : (*selection)->warnings()) return "warning: " + warning;
  for (std::size_t i = 0; i < series_.size(); ++i) {
    if (seen[i] || !model::matches_all(matchers, series_[i].labels)) continue;
    std::string difference = compare_series(series_[i], {}, mint, maxt);
    if (!difference.empty()) return difference;
  }
  return "";
}

std::string NaiveStore::compare_last(const storage::Queryable& database, std::int64_t at,
                                     std::int64_t lookback) const {
  const auto selection = database.select({}, hints_of(at - lookback, at), {});
  if (!selection.ok()) return selection.status().ToString();
  for (std::size_t b = 0; b < (*selection)->batch_count(); ++b) {
    std::vector<storage::LastValue> last;
    const Status status = (*selection)->last(b, base::from_ms(at), base::Duration(lookback), &last);
    if (status.code() == StatusCode::kUnimplemented) continue;  // a series has late samples
    if (!status.ok()) return status.ToString();
    for (std::size_t i = 0; i < last.size(); ++i) {
      const model::Labels labels = (*selection)->labels(b * storage::kBatchSeries + i);
      const auto number = numbers_.find(labels);
      if (number == numbers_.end()) return "invented: the series " + labels.to_series_string();
      const Series& series = series_[number->second];
      auto newest = series.samples.upper_bound(at);
      const bool any = newest != series.samples.begin() && (--newest)->first > at - lookback;
      if (any && newest->first < floor_ms_) continue;
      if (last[i].found != any) {
        return fmt::format("{}: a last value in ({}, {}] is {}", labels.to_series_string(),
                           at - lookback, at, any ? "lost" : "invented");
      }
      const auto bits = std::bit_cast<std::uint64_t>(last[i].value);
      if (any && (last[i].time_ms != newest->first || bits != newest->second.bits)) {
        return "last value: " + sample_text(labels, last[i].time_ms, bits);
      }
    }
  }
  return "";
}

bool NaiveStore::has(const Series& series, std::int64_t mint, std::int64_t maxt,
                     bool required) const {
  auto at = series.samples.lower_bound(required ? std::max(mint, floor_ms_) : mint);
  for (; at != series.samples.end() && at->first <= maxt; ++at) {
    if (!required || at->second.required) return true;
  }
  return false;
}

std::string NaiveStore::compare_labels(const storage::Queryable& database, const std::string& name,
                                       const model::Matchers& matchers, std::int64_t mint,
                                       std::int64_t maxt) const {
  // Exactly what has samples in the interval is needed; a store may answer by whole days, and knows
  // series whose samples were deleted.
  std::set<std::string> names[2], values[2], sets[2];
  for (const Series& series : series_) {
    if (!model::matches_all(matchers, series.labels)) continue;
    const bool needed = has(series, mint, maxt, true);
    for (int i = needed ? 0 : 1; i < 2; ++i) {
      for (const model::LabelView& label : series.labels) names[i].emplace(label.name);
      if (series.labels.has(name)) values[i].emplace(series.labels.get(name));
      sets[i].insert(series.labels.to_series_string());
    }
  }
  const storage::LabelHints hints{base::from_ms(mint), base::from_ms(maxt)};
  const auto found_names = database.label_names(matchers, hints, {});
  const auto found_values = database.label_values(name, matchers, hints, {});
  const auto found_sets = database.series({matchers}, hints, {});
  if (!found_names.ok() || !found_values.ok() || !found_sets.ok()) return "a label query failed";
  std::vector<std::string> texts;
  for (const model::Labels& labels : *found_sets) texts.push_back(labels.to_series_string());
  std::string difference = compare_sets("names", names[0], names[1], found_names->values);
  if (difference.empty()) {
    difference = compare_sets("values of " + name, values[0], values[1], found_values->values);
  }
  if (difference.empty()) difference = compare_sets("series", sets[0], sets[1], texts);
  return difference;
}

void NaiveStore::settle(const storage::Queryable& database, const model::Matchers& matchers) {
  const auto selection = database.select(matchers, hints_of(INT64_MIN / 8, INT64_MAX / 8), {});
  std::vector<std::set<std::int64_t>> found(series_.size());
  for (std::size_t b = 0; selection.ok() && b < (*selection)->batch_count(); ++b) {
    storage::ColumnBatch batch;
    static_cast<void>((*selection)->read(b, &batch));
    for (const storage::SeriesColumn& column : batch.series) {
      auto& times = found[numbers_.at((*selection)->labels(column.series))];
      for (std::uint32_t row = 0; row < column.rows; ++row) {
        if (column.has(row)) times.insert(column.times->ms[column.first + row]);
      }
    }
  }
  for (std::size_t i = 0; i < series_.size(); ++i) {
    for (auto at = series_[i].samples.begin(); at != series_[i].samples.end();) {
      const bool certain = at->second.required && at->first >= floor_ms_;
      if (certain || found[i].contains(at->first)) {
        at->second.required = true;
        ++at;
      } else {
        at = series_[i].samples.erase(at);
      }
    }
  }
}

std::uint64_t NaiveStore::samples() const {
  std::uint64_t count = 0;
  for (const Series& series : series_) count += series.samples.size();
  return count;
}

}  // namespace tocsin::tsdb::testing
