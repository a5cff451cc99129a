// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/custom_histograms.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "model/value.h"

namespace tocsin::collector {

namespace {

constexpr std::string_view kBucket = "_bucket";
constexpr std::string_view kCount = "_count";
constexpr std::string_view kSum = "_sum";
constexpr std::array<std::string_view, 3> kSuffixes = {kBucket, kCount, kSum};
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Whole numbers up to here are exact as doubles.
constexpr double kMaxWhole = 9007199254740992.0;

std::string_view suffix_of(std::string_view name) {
  for (const std::string_view suffix : kSuffixes) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) return suffix;
  }
  return {};
}

// The text of a series as a page would have it.
std::string series_text(std::string_view name, const model::Labels& labels) {
  std::string text;
  const bool plain = model::is_legacy_metric_name(name);
  if (plain) text.append(name);
  text.push_back('{');
  if (!plain) formats::append_quoted(name, &text);
  for (const model::LabelView& label : labels) {
    if (label.name == model::kMetricName || label.name == model::kBucketLabel) continue;
    if (text.back() != '{') text.push_back(',');
    if (model::is_legacy_label_name(label.name)) {
      text.append(label.name);
    } else {
      formats::append_quoted(label.name, &text);
    }
    text.push_back('=');
    formats::append_quoted(label.value, &text);
  }
  if (text.back() == '{') {
    text.pop_back();
  } else {
    text.push_back('}');
  }
  return text;
}

// Puts what is in buckets without gaps into spans and counts without empty buckets.
template <typename H, typename Count, typename Add>
void fill(const std::vector<double>& counts, H* h, const Add& add) {
  std::int32_t gap = 0;
  bool open = false;
  for (const double count : counts) {
    if (count == 0) {
      ++gap;
      open = false;
      continue;
    }
    if (!open) h->positive_spans.push_back({gap, 0});
    open = true;
    gap = 0;
    ++h->positive_spans.back().length;
    add(static_cast<Count>(count));
  }
}

bool is_whole(double value) { return value == std::floor(value) && value <= kMaxWhole; }

}  // namespace

bool is_classic_part(std::string_view series, model::MetricKind kind) {
  if (kind != model::MetricKind::kHistogram) return false;
  if (!series.starts_with("{")) {
    return !suffix_of(series.substr(0, series.find_first_of("{ \t"))).empty();
  }
  const StatusOr<model::Labels> labels = formats::parse_series(series, kind);  // a quoted name
  return labels.ok() && !suffix_of(labels->metric_name()).empty();
}

void CustomHistograms::learn(std::size_t samples, const std::function<Line(std::size_t)>& line) {
  histograms_.clear();
  std::unordered_map<std::string, std::size_t> known;
  std::unordered_map<std::string, bool> native;
  for (std::uint32_t i = 0; i < samples; ++i) {
    const Line at = line(i);
    if (!at.native && !is_classic_part(at.series, at.kind)) continue;
    const StatusOr<model::Labels> labels = formats::parse_series(at.series, at.kind);
    if (!labels.ok()) continue;
    std::string_view name = labels->metric_name();
    if (at.native) {
      native.emplace(series_text(name, *labels), true);
      continue;
    }
    const std::string_view suffix = suffix_of(name);
    name.remove_suffix(suffix.size());
    std::string text = series_text(name, *labels);
    const auto [found, created] = known.try_emplace(text, histograms_.size());
    if (created) histograms_.push_back({std::move(text), std::string(at.unit), {}, kNone, kNone});
    Parts& parts = histograms_[found->second];
    if (suffix == kCount) parts.count = i;
    if (suffix == kSum) parts.sum = i;
    const StatusOr<double> bound = model::parse_float(labels->get(model::kBucketLabel));
    if (suffix == kBucket && bound.ok() && !std::isnan(*bound)) {
      parts.buckets.push_back({*bound, i});
    }
  }
  std::erase_if(histograms_, [&](const Parts& parts) { return native.contains(parts.series); });
  for (Parts& parts : histograms_) {
    const auto by_bound = [](const Bucket& a, const Bucket& b) { return a.bound < b.bound; };
    std::stable_sort(parts.buckets.begin(), parts.buckets.end(), by_bound);
    const auto same = [](const Bucket& a, const Bucket& b) { return a.bound == b.bound; };
    parts.buckets.erase(std::unique(parts.buckets.begin(), parts.buckets.end(), same),
                        parts.buckets.end());
  }
}

std::optional<formats::NativeHistogram> CustomHistograms::make(
    std::size_t histogram, std::span<const double> values) const {
  const Parts& parts = histograms_[histogram];
  std::vector<double> counts;
  std::vector<double> bounds;
  double before = 0;
  bool whole = true;
  const auto add = [&](double cumulative) {
    counts.push_back(cumulative - before);
    whole = whole && is_whole(cumulative);
    const bool grows = cumulative >= before && std::isfinite(cumulative);
    before = cumulative;
    return grows;
  };
  bool has_infinity = false;
  for (const Bucket& bucket : parts.buckets) {
    if (!add(values[bucket.sample])) return std::nullopt;
    has_infinity = bucket.bound == kInfinity;
    if (!has_infinity) bounds.push_back(bucket.bound);
  }
  if (parts.count != kNone) {
    const double count = values[parts.count];
    if (has_infinity ? count != before : !add(count)) return std::nullopt;
  } else if (parts.buckets.empty()) {
    return std::nullopt;
  }
  const double sum = parts.sum != kNone ? values[parts.sum] : 0;
  formats::NativeHistogram made;
  const auto set_common = [&](auto* h) {
    h->schema = model::kCustomBucketsSchema;
    h->sum = sum;
    h->custom_values = std::move(bounds);
  };
  if (whole) {
    auto& h = made.emplace<model::Histogram>();
    set_common(&h);
    h.count = static_cast<std::uint64_t>(before);
    std::int64_t last = 0;
    fill<model::Histogram, std::int64_t>(counts, &h, [&](std::int64_t count) {
      h.positive_deltas.push_back(count - last);
      last = count;
    });
  } else {
    auto& h = made.emplace<model::FloatHistogram>();
    set_common(&h);
    h.count = before;
    fill<model::FloatHistogram, double>(counts, &h,
                                        [&](double count) { h.positive_buckets.push_back(count); });
  }
  const Status valid = std::visit([](const auto& h) { return model::validate(h); }, made);
  if (!valid.ok()) return std::nullopt;
  return made;
}

}  // namespace tocsin::collector
