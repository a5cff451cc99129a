// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/statsd/statsd_store.h"

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "exporters/common/families.h"
#include "model/value.h"

namespace tocsin::exporters::app {
namespace {

using base::MetricType;

// Memory of names and tags, per series that there may be.
constexpr std::size_t kMeaningsPerSeries = 4;
// When there is no room, what is old is looked for at most so often.
constexpr base::Duration kExpiryPause{1'000};
constexpr std::size_t kMaxNameBytes = SeriesBudget::kMaxValueBytes;

bool is_observed(StatsdType type) {
  return type == StatsdType::kTimer || type == StatsdType::kHistogram ||
         type == StatsdType::kDistribution;
}

MetricType metric_type(StatsdType type, const StatsdShape& shape) {
  if (type == StatsdType::kCounter) return MetricType::kCounter;
  if (!is_observed(type)) return MetricType::kGauge;
  return shape.observer == StatsdShape::Observer::kHistogram ? MetricType::kHistogram
                                                             : MetricType::kSummary;
}

std::vector<std::string> names_on_page(const std::string& name, MetricType type) {
  std::vector<std::string> names = {name};
  if (type == MetricType::kHistogram || type == MetricType::kSummary) {
    names.push_back(name + "_sum");
    names.push_back(name + "_count");
  }
  if (type == MetricType::kHistogram) names.push_back(name + "_bucket");
  return names;
}

LabelPairs with(const LabelPairs& labels, std::string_view name, std::string value) {
  LabelPairs out = labels;
  const auto place = std::find_if(out.begin(), out.end(),
                                  [name](const auto& label) { return label.first > name; });
  out.emplace(place, name, std::move(value));
  return out;
}

// Labels of a rule and of a sample together, sorted.
LabelPairs joined(LabelPairs tags, const StatsdMapper::Mapped& mapped) {
  for (const auto& [name, value] : mapped.labels) {
    const auto place = std::lower_bound(
        tags.begin(), tags.end(), name,
        [](const auto& pair, const std::string& text) { return pair.first < text; });
    if (place == tags.end() || place->first != name) {
      tags.emplace(place, name, value);
    } else if (!mapped.honor_labels) {
      place->second = value;
    }
  }
  // An empty label is none.
  std::erase_if(tags, [](const auto& pair) { return pair.second.empty(); });
  return tags;
}

}  // namespace

struct StatsdStore::Series {
  LabelPairs labels;
  base::SteadyTime seen;
  base::Duration ttl{0};
  double value = 0;
  Family* family = nullptr;
  std::unique_ptr<DistinctCount> members;  // of a set
  BucketCounts buckets;
  std::unique_ptr<QuantileWindow> window;
};

struct StatsdStore::Family {
  std::string name, help;
  MetricType type = MetricType::kCounter;
  bool is_set = false;
  std::vector<double> bounds, quantiles;
  std::map<LabelPairs, std::unique_ptr<Series>> series;
};

StatsdStore::StatsdStore(Options options)
    : options_(std::move(options)), budget_(options_.max_series) {}

StatsdStore::~StatsdStore() = default;

// The budget knows a series by its labels: these are for one that has none.
LabelPairs StatsdStore::plain_labels(const Family& family) { return {{"__name__", family.name}}; }

std::size_t StatsdStore::series() const { return budget_.size(); }

void StatsdStore::take(std::string_view packet, base::SteadyTime now) {
  now_ = now;
  lines_ += static_cast<double>(read_statsd_packet(packet, *this));
}

void StatsdStore::error(StatsdError error) { ++errors_[static_cast<std::size_t>(error)]; }

void StatsdStore::sample(const StatsdSample& sample) {
  ++samples_;
  const Meaning& meaning = meaning_of(sample);
  bad_tags_ += static_cast<double>(meaning.bad_tags);
  if (!meaning.is_mapped) ++unmapped_;
  if (meaning.error) error(*meaning.error);
  if (meaning.series != nullptr) count(sample, meaning.scale, meaning.series);
}

const StatsdStore::Meaning& StatsdStore::meaning_of(const StatsdSample& sample) {
  key_.assign(sample.head);
  key_.push_back('\0');
  key_.push_back(static_cast<char>(sample.type));
  key_.append(sample.tags);
  if (!sample.container.empty()) key_.append(1, '\0').append(sample.container);
  const auto found = meanings_.find(std::string_view(key_));
  if (found != meanings_.end()) return found->second;
  if (meanings_.size() >= kMeaningsPerSeries * options_.max_series) meanings_.clear();
  // May forget series, and with them what the names meant.
  Meaning meaning = find_out(sample);
  return meanings_.insert_or_assign(key_, std::move(meaning)).first->second;
}

StatsdStore::Meaning StatsdStore::find_out(const StatsdSample& sample) {
  StatsdSeries parts = read_statsd_series(sample);
  Meaning meaning{.bad_tags = parts.bad_tags, .error = std::nullopt};
  if (!parts.is_text || parts.name.empty() || parts.name.size() > kMaxNameBytes) {
    meaning.error = StatsdError::kMalformedLine;
    return meaning;
  }
  if (parts.is_mixed) {
    meaning.error = StatsdError::kMixedTags;
    return meaning;
  }
  const StatsdMapper::Mapped mapped = options_.mapper.map(parts.name, sample.type);
  meaning.is_mapped = mapped.is_mapped;
  meaning.scale = mapped.scale;
  if (mapped.is_dropped) return meaning;
  LabelPairs labels = joined(std::move(parts.tags), mapped);
  if (series() >= options_.max_series && now_ - expired_at_ >= kExpiryPause) expire(now_);
  if (families_.size() >= options_.max_series && !families_.contains(mapped.name)) {
    meaning.error = StatsdError::kTooManySeries;
    return meaning;
  }
  Family* family = family_for(mapped, sample.type);
  if (family == nullptr) {
    meaning.error = StatsdError::kTypeConflict;
    return meaning;
  }
  meaning.series = series_for(family, std::move(labels), sample.type);
  if (meaning.series == nullptr) {
    meaning.error = StatsdError::kTooManySeries;
  } else {
    meaning.series->ttl = mapped.shape->ttl;
  }
  return meaning;
}

StatsdStore::Family* StatsdStore::family_for(const StatsdMapper::Mapped& mapped, StatsdType type) {
  const MetricType wanted = metric_type(type, *mapped.shape);
  const bool is_set = type == StatsdType::kSet;
  const auto found = families_.find(mapped.name);
  if (found != families_.end()) {
    Family& family = *found->second;
    return family.type == wanted && family.is_set == is_set ? &family : nullptr;
  }
  const std::vector<std::string> names = names_on_page(mapped.name, wanted);
  for (const std::string& name : names) {
    if (names_.contains(name)) return nullptr;
  }
  auto family = std::make_unique<Family>();
  family->name = mapped.name;
  family->help = mapped.help;
  family->type = wanted;
  family->is_set = is_set;
  family->bounds = mapped.shape->buckets;
  family->quantiles = mapped.shape->quantiles;
  for (const std::string& name : names) names_.emplace(name, family.get());
  return families_.emplace(mapped.name, std::move(family)).first->second.get();
}

StatsdStore::Series* StatsdStore::series_for(Family* family, LabelPairs labels, StatsdType type) {
  const bool is_plain = labels.empty();
  LabelPairs stand_in = is_plain ? plain_labels(*family) : LabelPairs();
  const SeriesBudget::Verdict verdict = budget_.admit(family->name, is_plain ? &stand_in : &labels);
  // What has no labels cannot be folded, and the last of several gauges says nothing about any.
  if (verdict == SeriesBudget::Verdict::kFolded &&
      (is_plain || family->type == MetricType::kGauge)) {
    return nullptr;
  }
  std::unique_ptr<Series>& place = family->series[labels];
  if (!place) {
    place = std::make_unique<Series>();
    place->family = family;
    place->labels = std::move(labels);
    if (type == StatsdType::kSet) place->members = std::make_unique<DistinctCount>();
    if (family->type == MetricType::kSummary) place->window = std::make_unique<QuantileWindow>();
  }
  place->seen = now_;
  return place.get();
}

void StatsdStore::count(const StatsdSample& sample, double scale, Series* series) {
  series->seen = now_;
  const double value = sample.value * scale;
  switch (sample.type) {
    case StatsdType::kCounter:
      series->value += value / sample.rate;
      return;
    case StatsdType::kGauge:
      series->value = sample.is_relative ? series->value + value : value;
      return;
    case StatsdType::kSet:
      if (series->members->add(base::hash128(sample.text, seed_).low, now_,
                               options_.max_set_members,
                               &set_members_) == DistinctCount::Added::kNoRoom) {
        error(StatsdError::kSetFull);
      }
      return;
    case StatsdType::kTimer:
    case StatsdType::kHistogram:
    case StatsdType::kDistribution:
      break;
  }
  const double seconds = sample.type == StatsdType::kTimer ? value / 1000 : value;
  const double times = std::max(1.0, std::round(1 / sample.rate));
  if (series->window) {
    series->window->observe(seconds, times, now_);
  } else {
    series->buckets.observe(series->family->bounds, seconds, times);
  }
}

void StatsdStore::forget(Family* family, Series* series) {
  if (series->members) series->members->clear(&set_members_);
  budget_.release(family->name, series->labels.empty() ? plain_labels(*family) : series->labels);
}

void StatsdStore::expire(base::SteadyTime now) {
  expired_at_ = now;
  bool has_forgotten = false;
  for (auto it = families_.begin(); it != families_.end();) {
    Family& family = *it->second;
    for (auto place = family.series.begin(); place != family.series.end();) {
      Series& series = *place->second;
      if (series.ttl.count() == 0 || now - series.seen <= series.ttl) {
        ++place;
        continue;
      }
      forget(&family, &series);
      place = family.series.erase(place);
      has_forgotten = true;
    }
    if (!family.series.empty()) {
      ++it;
      continue;
    }
    for (const std::string& name : names_on_page(family.name, family.type)) names_.erase(name);
    it = families_.erase(it);
    has_forgotten = true;
  }
  // What was refused for want of room may have some now, and pointers must not dangle.
  if (has_forgotten) meanings_.clear();
}

void StatsdStore::append_to(base::SteadyTime now, std::vector<base::MetricFamily>* out) {
  expire(now);
  for (const auto& [name, family] : families_) {
    base::MetricFamily shown{family->name, family->help, family->type, {}};
    for (const auto& [labels, series] : family->series) {
      if (family->type == MetricType::kHistogram) {
        const std::vector<double> counts = series->buckets.cumulative(family->bounds.size());
        for (std::size_t i = 0; i < counts.size(); ++i) {
          std::string bound =
              i < family->bounds.size() ? model::format_float(family->bounds[i]) : "+Inf";
          shown.samples.push_back({"_bucket", with(labels, "le", std::move(bound)), counts[i]});
        }
        shown.samples.push_back({"_sum", labels, series->buckets.sum()});
        shown.samples.push_back({"_count", labels, counts.back()});
      } else if (family->type == MetricType::kSummary) {
        const std::vector<double> values = series->window->quantiles(family->quantiles, now);
        for (std::size_t i = 0; i < values.size(); ++i) {
          shown.samples.push_back(
              {"", with(labels, "quantile", model::format_float(family->quantiles[i])), values[i]});
        }
        shown.samples.push_back({"_sum", labels, series->window->sum()});
        shown.samples.push_back({"_count", labels, series->window->count()});
      } else {
        const double value =
            series->members ? series->members->value(now, &set_members_) : series->value;
        shown.samples.push_back({"", labels, value});
      }
    }
    out->push_back(std::move(shown));
  }
  append_own(out);
}

// The names of statsd_exporter are for the dashboards that its users have.
void StatsdStore::append_own(std::vector<base::MetricFamily>* out) const {
  Families families(out);
  families.counter("statsd_exporter_lines_total", "Lines that came.", {}, lines_);
  families.counter("statsd_exporter_samples_total", "Samples that could be read.", {}, samples_);
  for (std::size_t i = 0; i < kStatsdErrors; ++i) {
    families.counter("statsd_exporter_sample_errors_total", "Lines and samples that were refused.",
                     {{"reason", statsd_error_text(static_cast<StatsdError>(i))}}, errors_[i]);
  }
  families.counter("statsd_exporter_tag_errors_total", "Tags that were left out.", {}, bad_tags_);
  families.counter("statsd_exporter_events_unmapped_total", "Samples that no rule maps.", {},
                   unmapped_);
}

}  // namespace tocsin::exporters::app
