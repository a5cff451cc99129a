// SPDX-License-Identifier: Apache-2.0
//
// Every change of a batch is checked against the store and the batch's own samples when it is
// appended, kept aside, and applied under the lock by commit().
#include "storage/testing/mem_store.h"

#include <algorithm>
#include <bit>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "model/histogram_buckets.h"
#include "model/value.h"
#include "storage/testing/mem_selection.h"

namespace tocsin::storage::testing {

namespace {

bool same_sample(const MemSample& a, const MemSample& b) {
  if ((a.histogram == nullptr) != (b.histogram == nullptr)) return false;
  if (a.histogram != nullptr) return *a.histogram == *b.histogram;
  return std::bit_cast<std::uint64_t>(a.value) == std::bit_cast<std::uint64_t>(b.value);
}

Status check_labels(const model::Labels& labels) {
  if (labels.empty()) return invalid_argument("empty label set");
  for (const model::LabelView& label : labels) {
    if (!model::is_label_name(label.name)) {
      return invalid_argument("invalid label name {}", model::go_quote(label.name));
    }
  }
  return ok();
}

// Holds the place of a member that another group took over.
constexpr std::uint64_t kMovedAway = 0;

struct Group {
  std::vector<std::uint64_t> members;  // series ids
  std::optional<std::int64_t> last_row;
};

struct Data {
  std::map<model::Labels, std::uint64_t> ids;
  std::map<std::uint64_t, MemSeries> series;
  std::map<std::uint32_t, Group> groups;
  std::map<std::uint64_t, std::vector<model::Exemplar>> exemplars;
  std::map<std::uint64_t, model::Metadata> metadata;
  std::optional<std::int64_t> newest;
};

void apply_group(Data* data, std::uint32_t id, const Group& group) {
  for (auto& [other_id, other] : data->groups) {
    if (other_id == id) continue;
    for (std::uint64_t& member : other.members) {
      const auto& now = group.members;
      if (std::find(now.begin(), now.end(), member) != now.end()) member = kMovedAway;
    }
  }
  for (std::uint64_t old : data->groups[id].members) {
    if (old != kMovedAway) data->series.at(old).group = 0;
  }
  for (std::uint64_t member : group.members) {
    if (member != kMovedAway) data->series.at(member).group = id;
  }
  data->groups[id] = group;
}

// What a store says of a histogram: a gauge, or a counter that follows the histogram before it
// without a reset; else nothing.
model::CounterResetHint hint_of(const MemSample* before, const model::FloatHistogram& h) {
  using Hint = model::CounterResetHint;
  if (h.reset_hint == Hint::kGauge) return Hint::kGauge;
  if (h.reset_hint == Hint::kReset || before == nullptr || before->histogram == nullptr) {
    return Hint::kUnknown;
  }
  const model::FloatHistogram& earlier = *before->histogram;
  if (model::is_stale(earlier.sum)) return Hint::kUnknown;
  const bool alike = earlier.reset_hint != Hint::kGauge && earlier.schema == h.schema &&
                     earlier.zero_threshold == h.zero_threshold &&
                     earlier.custom_values == h.custom_values;
  model::FloatHistogram unhinted = h;
  unhinted.reset_hint = Hint::kUnknown;
  return alike && !model::detect_reset(unhinted, earlier) ? Hint::kNotReset : Hint::kUnknown;
}

// For the samples of `some`, which are among `all`.
void set_reset_hints(const MemSamples& all, MemSamples* some) {
  for (auto& [t, sample] : *some) {
    if (sample.histogram == nullptr) continue;
    auto at = all.find(t);
    const MemSample* before = at == all.begin() ? nullptr : &std::prev(at)->second;
    model::FloatHistogram hinted = *sample.histogram;
    hinted.reset_hint = hint_of(before, hinted);
    sample.histogram = std::make_shared<const model::FloatHistogram>(std::move(hinted));
  }
}

bool has_sample_in(const MemSeries& series, const LabelHints& hints) {
  auto it = series.samples.lower_bound(model::to_ms(hints.mint));
  return it != series.samples.end() && it->first <= model::to_ms(hints.maxt);
}

LabelResult cut(std::set<std::string> values, std::size_t limit) {
  LabelResult result;
  for (const std::string& value : values) {
    if (limit != 0 && result.values.size() == limit) {
      result.truncated = true;
      break;
    }
    result.values.push_back(value);
  }
  return result;
}

}  // namespace

struct MemStore::State {
  MemStoreOptions options;
  mutable base::Mutex mutex;
  Data data ABSL_GUARDED_BY(mutex);
  std::uint64_t next_series ABSL_GUARDED_BY(mutex) = 1;
  std::uint32_t next_group ABSL_GUARDED_BY(mutex) = 1;
};

class MemStore::Batch final : public Appender {
 public:
  explicit Batch(State& state) : state_(state) {}

  StatusOr<AppendResult> append(SeriesRef ref, const model::Labels& labels, model::Timestamp t,
                                double value, const AppendOptions& options) override {
    return add(ref, labels, t, MemSample{value, nullptr, 0}, options);
  }
  StatusOr<AppendResult> append_histogram(SeriesRef ref, const model::Labels& labels,
                                          model::Timestamp t,
                                          const model::FloatHistogram& histogram,
                                          const AppendOptions& options) override {
    auto shared = std::make_shared<const model::FloatHistogram>(histogram);
    return add(ref, labels, t, MemSample{0, std::move(shared), 0}, options);
  }
  StatusOr<AppendResult> append_histogram(SeriesRef ref, const model::Labels& labels,
                                          model::Timestamp t, const model::Histogram& histogram,
                                          const AppendOptions& options) override {
    RETURN_IF_ERROR(model::validate(histogram));
    return append_histogram(ref, labels, t, model::to_float(histogram), options);
  }
  Status append_exemplar(SeriesRef ref, const model::Labels& labels,
                         const model::Exemplar& exemplar) override {
    base::MutexLock lock(state_.mutex);
    ASSIGN_OR_RETURN(const AppendResult result, find_or_resolve(ref, labels));
    const std::uint64_t id = result.ref.value();
    std::vector<model::Exemplar>& added = exemplars_[id];
    const std::vector<model::Exemplar>& stored = state_.data.exemplars[id];
    const std::vector<model::Exemplar>& newest = added.empty() ? stored : added;
    if (!newest.empty()) {
      const model::Exemplar& last = newest.back();
      const bool alike = last.value == exemplar.value && last.labels == exemplar.labels;
      const bool assumed = last.assumed_time && exemplar.assumed_time;
      if (alike && (assumed || last.time == exemplar.time)) return ok();
      if (std::tie(exemplar.time, exemplar.value, exemplar.labels) <
          std::tie(last.time, last.value, last.labels)) {
        return out_of_range("out of order exemplar");
      }
    }
    added.push_back(exemplar);
    return ok();
  }
  Status update_metadata(SeriesRef ref, const model::Labels& labels,
                         const model::Metadata& metadata) override {
    base::MutexLock lock(state_.mutex);
    ASSIGN_OR_RETURN(const AppendResult result, find_or_resolve(ref, labels));
    metadata_[result.ref.value()] = metadata;
    return ok();
  }

  StatusOr<GroupId> define_group(GroupId group, std::span<const SeriesRef> members) override {
    base::MutexLock lock(state_.mutex);
    std::uint32_t id = group.value();
    if (id == 0) {
      id = state_.next_group++;
    } else if (!groups_.contains(id) && !state_.data.groups.contains(id)) {
      return not_found("no such group");
    }
    Group defined = current_group(id);
    defined.members.clear();
    for (SeriesRef member : members) {
      if (!known(member.value())) return not_found("outdated series reference");
      defined.members.push_back(member.value());
    }
    groups_[id] = std::move(defined);
    return GroupId(id);
  }

  Status step(GroupId group, model::Timestamp t) override {
    base::MutexLock lock(state_.mutex);
    if (!known_group(group.value())) return not_found("no such group");
    Group& g = groups_.try_emplace(group.value(), current_group(group.value())).first->second;
    const std::int64_t ms = model::to_ms(t);
    if (g.last_row && ms <= *g.last_row) return out_of_range("out of order sample");
    g.last_row = ms;
    open_group_ = group.value();
    open_row_ = ms;
    return ok();
  }

  Status set(std::uint32_t position, double value) override {
    base::MutexLock lock(state_.mutex);
    const Group& g = groups_.at(open_group_);
    CHECK(position < g.members.size());
    if (g.members[position] == kMovedAway) return not_found("the series is in another group now");
    return put(g.members[position], open_row_, MemSample{value, nullptr, 0}, AppendOptions{});
  }

  Status stale_all(GroupId group, model::Timestamp t) override {
    base::MutexLock lock(state_.mutex);
    if (!known_group(group.value())) return not_found("no such group");
    const std::int64_t ms = model::to_ms(t);
    for (std::uint64_t member : current_group(group.value()).members) {
      if (member == kMovedAway) continue;
      std::optional<std::pair<std::int64_t, MemSample>> last = newest(member);
      if (!last || last->first >= ms) continue;
      if (last->second.histogram == nullptr && model::is_stale(last->second.value)) continue;
      RETURN_IF_ERROR(put(member, ms, MemSample{model::stale_nan(), nullptr, 0}, AppendOptions{}));
    }
    return ok();
  }

  void commit(CommitCallback done) override {
    {
      base::MutexLock lock(state_.mutex);
      Data& data = state_.data;
      for (const auto& [labels, id] : created_) {
        data.ids.emplace(labels, id);
        data.series[id].labels = labels;
      }
      for (const auto& [id, samples] : samples_) {
        for (const auto& [t, sample] : samples) {
          data.series.at(id).samples[t] = sample;
          data.newest = std::max(data.newest.value_or(t), t);
        }
      }
      for (const auto& [id, group] : groups_) apply_group(&data, id, group);
      for (const auto& [id, added] : exemplars_) {
        std::vector<model::Exemplar>& all = data.exemplars[id];
        all.insert(all.end(), added.begin(), added.end());
      }
      for (const auto& [id, metadata] : metadata_) data.metadata[id] = metadata;
    }
    rollback();
    done(ok());
  }

  void rollback() override {
    created_.clear();
    samples_.clear();
    groups_.clear();
    exemplars_.clear();
    metadata_.clear();
  }

 private:
  StatusOr<AppendResult> add(SeriesRef ref, const model::Labels& labels, model::Timestamp t,
                             MemSample sample, const AppendOptions& options) {
    base::MutexLock lock(state_.mutex);
    ASSIGN_OR_RETURN(const AppendResult result, find_or_resolve(ref, labels));
    if (options.start) sample.start_ms = model::to_ms(*options.start);
    RETURN_IF_ERROR(put(result.ref.value(), model::to_ms(t), std::move(sample), options));
    return result;
  }

  StatusOr<AppendResult> find_or_resolve(SeriesRef ref, const model::Labels& labels)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex) {
    if (ref && known(ref.value())) return AppendResult{ref, false};
    if (ref && labels.empty()) return not_found("outdated series reference");
    RETURN_IF_ERROR(check_labels(labels));
    return resolve(labels);
  }

  AppendResult resolve(const model::Labels& labels) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex) {
    auto stored = state_.data.ids.find(labels);
    if (stored != state_.data.ids.end()) return {SeriesRef(stored->second), false};
    auto [it, inserted] = created_.try_emplace(labels, state_.next_series);
    if (inserted) ++state_.next_series;
    return {SeriesRef(it->second), inserted};
  }

  bool known(std::uint64_t id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex) {
    return state_.data.series.contains(id) ||
           std::any_of(created_.begin(), created_.end(), [&](auto& c) { return c.second == id; });
  }
  bool known_group(std::uint32_t id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex) {
    return groups_.contains(id) || state_.data.groups.contains(id);
  }
  Group current_group(std::uint32_t id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex) {
    if (auto mine = groups_.find(id); mine != groups_.end()) return mine->second;
    auto stored = state_.data.groups.find(id);
    return stored == state_.data.groups.end() ? Group{} : stored->second;
  }

  const MemSample* find(std::uint64_t id, std::int64_t t) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex) {
    if (auto mine = samples_.find(id); mine != samples_.end()) {
      auto it = mine->second.find(t);
      if (it != mine->second.end()) return &it->second;
    }
    auto stored = state_.data.series.find(id);
    if (stored == state_.data.series.end()) return nullptr;
    auto it = stored->second.samples.find(t);
    return it == stored->second.samples.end() ? nullptr : &it->second;
  }

  std::optional<std::pair<std::int64_t, MemSample>> newest(std::uint64_t id) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex) {
    std::optional<std::pair<std::int64_t, MemSample>> last;
    auto consider = [&](const MemSamples& samples) {
      if (samples.empty()) return;
      if (!last || samples.rbegin()->first >= last->first) last = *samples.rbegin();
    };
    if (auto it = state_.data.series.find(id); it != state_.data.series.end()) {
      consider(it->second.samples);
    }
    if (auto it = samples_.find(id); it != samples_.end()) consider(it->second);
    return last;
  }

  Status put(std::uint64_t id, std::int64_t t, MemSample sample, const AppendOptions& options)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex) {
    if (const MemSample* old = find(id, t)) {
      if (same_sample(*old, sample)) return ok();
      return already_exists("duplicate sample for timestamp");
    }
    auto last = newest(id);
    if (last && t < last->first) {
      const std::int64_t window = state_.options.out_of_order_window.count();
      if (window == 0 || options.in_order_only) return out_of_range("out of order sample");
      if (state_.data.newest && t < *state_.data.newest - window) {
        return out_of_range("too old sample");
      }
    }
    samples_[id][t] = std::move(sample);
    return ok();
  }

  State& state_;
  std::map<model::Labels, std::uint64_t> created_;
  std::map<std::uint64_t, MemSamples> samples_;
  std::map<std::uint64_t, std::vector<model::Exemplar>> exemplars_;
  std::map<std::uint64_t, model::Metadata> metadata_;
  std::map<std::uint32_t, Group> groups_;
  std::uint32_t open_group_ = 0;
  std::int64_t open_row_ = 0;
};

MemStore::MemStore(MemStoreOptions options) : state_(std::make_unique<State>()) {
  state_->options = options;
}
MemStore::~MemStore() = default;

std::unique_ptr<Appender> MemStore::appender() { return std::make_unique<Batch>(*state_); }

void MemStore::drop_group(GroupId group) {
  base::MutexLock lock(state_->mutex);
  auto it = state_->data.groups.find(group.value());
  if (it == state_->data.groups.end()) return;
  for (std::uint64_t member : it->second.members) {
    if (member != kMovedAway) state_->data.series.at(member).group = 0;
  }
  state_->data.groups.erase(it);
}

StatusOr<std::unique_ptr<Selection>> MemStore::select(const model::Matchers& matchers,
                                                      const SelectHints& hints,
                                                      const QueryContext& context) const {
  if (context.cancel != nullptr) RETURN_IF_ERROR(context.cancel->check());
  std::vector<MemSelected> matched;
  base::MutexLock lock(state_->mutex);
  for (const auto& [id, series] : state_->data.series) {
    if (!model::matches_all(matchers, series.labels)) continue;
    if (hints.limit != 0 && matched.size() == hints.limit) break;
    MemSelected entry{{SeriesId(id), GroupId(series.group)}, series.labels, {}};
    auto from = series.samples.lower_bound(model::to_ms(hints.mint));
    auto to = series.samples.upper_bound(model::to_ms(hints.maxt));
    if (hints.mint <= hints.maxt) entry.samples.insert(from, to);
    set_reset_hints(series.samples, &entry.samples);
    matched.push_back(std::move(entry));
  }
  return make_mem_selection(std::move(matched), context);
}

StatusOr<LabelResult> MemStore::label_names(const model::Matchers& matchers,
                                            const LabelHints& hints, const QueryContext&) const {
  std::set<std::string> names;
  base::MutexLock lock(state_->mutex);
  for (const auto& [id, series] : state_->data.series) {
    if (!model::matches_all(matchers, series.labels) || !has_sample_in(series, hints)) continue;
    for (const model::LabelView& label : series.labels) names.emplace(label.name);
  }
  return cut(std::move(names), hints.limit);
}

StatusOr<LabelResult> MemStore::label_values(std::string_view name, const model::Matchers& matchers,
                                             const LabelHints& hints, const QueryContext&) const {
  std::set<std::string> values;
  base::MutexLock lock(state_->mutex);
  for (const auto& [id, series] : state_->data.series) {
    if (!model::matches_all(matchers, series.labels) || !has_sample_in(series, hints)) continue;
    if (std::string_view value = series.labels.get(name); !value.empty()) values.emplace(value);
  }
  return cut(std::move(values), hints.limit);
}

StatusOr<std::vector<model::Labels>> MemStore::series(
    const std::vector<model::Matchers>& matcher_sets, const LabelHints& hints,
    const QueryContext&) const {
  std::vector<model::Labels> found;
  base::MutexLock lock(state_->mutex);
  for (const auto& [labels, id] : state_->data.ids) {  // in order of labels
    if (!has_sample_in(state_->data.series.at(id), hints)) continue;
    const bool matches =
        std::any_of(matcher_sets.begin(), matcher_sets.end(),
                    [&](const model::Matchers& m) { return model::matches_all(m, labels); });
    if (!matches) continue;
    if (hints.limit != 0 && found.size() == hints.limit) break;
    found.push_back(labels);
  }
  return found;
}

StatusOr<std::vector<ExemplarSeries>> MemStore::exemplars(
    const std::vector<model::Matchers>& matcher_sets, model::Timestamp mint,
    model::Timestamp maxt) const {
  std::vector<ExemplarSeries> found;
  base::MutexLock lock(state_->mutex);
  for (const auto& [labels, id] : state_->data.ids) {  // in order of labels
    const bool matches =
        std::any_of(matcher_sets.begin(), matcher_sets.end(),
                    [&](const model::Matchers& m) { return model::matches_all(m, labels); });
    const auto of_series = state_->data.exemplars.find(id);
    if (!matches || of_series == state_->data.exemplars.end()) continue;
    ExemplarSeries series{labels, {}};
    for (const model::Exemplar& exemplar : of_series->second) {
      if (exemplar.time >= mint && exemplar.time <= maxt) series.exemplars.push_back(exemplar);
    }
    if (!series.exemplars.empty()) found.push_back(std::move(series));
  }
  return found;
}

StatusOr<std::vector<SeriesMetadata>> MemStore::metadata(const model::Matchers& matchers,
                                                         std::size_t limit) const {
  std::vector<SeriesMetadata> found;
  base::MutexLock lock(state_->mutex);
  for (const auto& [labels, id] : state_->data.ids) {
    const auto of_series = state_->data.metadata.find(id);
    if (of_series == state_->data.metadata.end() || !model::matches_all(matchers, labels)) continue;
    if (limit != 0 && found.size() == limit) break;
    found.push_back({labels, of_series->second});
  }
  return found;
}

StatusOr<std::vector<model::MetricMetadata>> MemStore::metric_metadata(
    std::string_view metric) const {
  std::vector<model::MetricMetadata> found;
  base::MutexLock lock(state_->mutex);
  for (const auto& [labels, id] : state_->data.ids) {
    const std::string_view name = labels.metric_name();
    const auto of_series = state_->data.metadata.find(id);
    if (of_series == state_->data.metadata.end() || (!metric.empty() && name != metric)) continue;
    const bool known = std::any_of(found.begin(), found.end(), [&](const model::MetricMetadata& m) {
      return m.metric == name && m.metadata == of_series->second;
    });
    if (!known) found.push_back({std::string(name), of_series->second});
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.metric < b.metric; });
  return found;
}

}  // namespace tocsin::storage::testing
