// SPDX-License-Identifier: Apache-2.0
//
// info(): adds to series the labels of info metrics with the same instance and job.
//
// The base is evaluated first, since it says which instances and jobs to look for. Then, for each
// name of an info metric and each pair of instance and job, it is worked out once which info series
// is the newest at each step; a base series with the same pair takes its labels from that one. A
// base series becomes one series per combination of info series that it meets, mostly one.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "promql/eval/evaluation.h"

namespace tocsin::promql::eval {

namespace {

constexpr std::string_view kIdentifying[] = {"instance", "job"};
// Longer sets of values are not given to the store: more series are read, and left out here.
constexpr std::size_t kMaxPatternBytes = 64 << 10;
constexpr std::int32_t kNone = -1;

// The values of instance and job in the base.
using Values = std::map<std::string_view, std::set<std::string_view>>;

std::string alternatives(const std::set<std::string_view>& values) {
  std::string pattern;
  for (std::string_view value : values) {
    if (!pattern.empty()) pattern.push_back('|');
    for (char c : value) {
      if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) {
        pattern.push_back('\\');
      }
      pattern.push_back(c);
    }
  }
  return pattern;
}

// Info series of one name and one pair of instance and job, and which of them holds at each step.
struct Candidates {
  std::vector<std::size_t> members;
  std::vector<std::int32_t> newest;  // index of an info series, or kNone
};

class InfoRun {
 public:
  InfoRun(Evaluation& run, const plan::InfoNode& node, const Grid& grid, VectorSet base)
      : run_(run), node_(node), grid_(grid), base_(std::move(base)) {
    identifying_.assign(std::begin(kIdentifying), std::end(kIdentifying));
    for (const OutSeries& series : base_) {
      is_info_.push_back(std::all_of(
          node.names.begin(), node.names.end(),
          [&](const model::Matcher& m) { return m.matches(series.labels.metric_name()); }));
    }
    dropped_without_info_ = std::any_of(node.data.begin(), node.data.end(),
                                        [](const model::Matcher& m) { return !m.matches_empty(); });
  }

  StatusOr<VectorSet> all() {
    RETURN_IF_ERROR(read_info());
    RETURN_IF_ERROR(choose_newest());
    VectorSet out;
    for (std::size_t i = 0; i < base_.size(); ++i) {
      RETURN_IF_ERROR(run_.check());
      if (is_info_[i]) {
        out.push_back(std::move(base_[i]));
      } else {
        RETURN_IF_ERROR(add_enriched(std::move(base_[i]), &out));
      }
    }
    RETURN_IF_ERROR(merge_same_labels(&out));
    return out;
  }

 private:
  // Candidates by instance and job.
  using ByPair = std::unordered_map<model::Labels, Candidates, model::LabelsHash>;

  Values values_of_base() const {
    Values values;
    for (std::size_t i = 0; i < base_.size(); ++i) {
      if (is_info_[i]) continue;
      for (std::string_view name : kIdentifying) {
        const std::string_view value = base_[i].labels.get(name);
        if (!value.empty()) values[name].insert(value);
      }
    }
    return values;
  }

  Status read_info() {
    const Values values = values_of_base();
    if (values.empty()) return ok();
    model::Matchers matchers = node_.names;
    matchers.insert(matchers.end(), node_.data.begin(), node_.data.end());
    for (const auto& [name, set] : values) {
      const std::string pattern = alternatives(set);
      if (pattern.size() > kMaxPatternBytes) continue;
      ASSIGN_OR_RETURN(model::Matcher matcher,
                       model::Matcher::make(model::Matcher::Type::kRegex, name, pattern));
      matchers.push_back(std::move(matcher));
    }
    storage::SelectHints hints;
    hints.mint = model::from_ms(node_.shift.apply(grid_.start_ms) - run_.setup().lookback_ms + 1);
    hints.maxt = model::from_ms(node_.shift.apply(grid_.last()));
    hints.step = model::Duration(grid_.count > 1 ? grid_.step_ms : 0);
    hints.function = "info";
    ASSIGN_OR_RETURN(const std::size_t source, run_.add_source(matchers, hints));
    ASSIGN_OR_RETURN(info_, eval_select_times(run_, {source, node_.shift, {}}, grid_));
    for (std::size_t i = 0; i < info_.size(); ++i) {
      const model::Labels& labels = info_[i].labels;
      const bool wanted = std::all_of(values.begin(), values.end(), [&](const auto& known) {
        return known.second.contains(labels.get(known.first));
      });
      if (!wanted) continue;
      by_name_[std::string(labels.metric_name())][labels.keep(identifying_)].members.push_back(i);
    }
    return ok();
  }

  Status choose_newest() {
    Bitmap needed(grid_.count);
    for (const OutSeries& series : base_) needed |= series.column.present;
    for (auto& [name, pairs] : by_name_) {
      for (auto& [pair, candidates] : pairs) RETURN_IF_ERROR(choose_newest(needed, &candidates));
    }
    return ok();
  }

  Status choose_newest(const Bitmap& needed, Candidates* candidates) const {
    candidates->newest.assign(grid_.count, kNone);
    for (std::size_t member : candidates->members) {
      const Column& times = info_[member].column;
      if (times.has_histograms()) return failed_precondition("info sample should be float");
      Bitmap present = times.present;
      present &= needed;
      Status status;
      present.for_each([&](std::size_t i) {
        std::int32_t& newest = candidates->newest[i];
        const double known = newest == kNone
                                 ? times.values[i] - 1
                                 : info_[static_cast<std::size_t>(newest)].column.values[i];
        if (times.values[i] == known && status.ok()) status = duplicate(newest, member, i);
        if (times.values[i] > known) newest = static_cast<std::int32_t>(member);
      });
      RETURN_IF_ERROR(status);
    }
    return ok();
  }

  Status duplicate(std::int32_t known, std::size_t added, std::size_t step) const {
    const OutSeries& first = info_[static_cast<std::size_t>(known)];
    const OutSeries& second = info_[added];
    auto ms = [&](const OutSeries& series) {
      return std::llround(series.column.values[step] * 1000);
    };
    return failed_precondition(
        "found duplicate series for info metric: existing {} @ {}, new {} @ {}",
        first.labels.to_string(), ms(first), second.labels.to_string(), ms(second));
  }

  // Adds `series` with the labels of the info series it meets, split where those change.
  Status add_enriched(OutSeries series, VectorSet* out) const {
    std::vector<const Candidates*> sources;
    const model::Labels pair = series.labels.keep(identifying_);
    for (const auto& [name, pairs] : by_name_) {
      auto found = pairs.find(pair);
      if (found != pairs.end()) sources.push_back(&found->second);
    }
    using Combination = std::vector<std::int32_t>;
    std::map<Combination, Bitmap> steps_of;
    Combination now(sources.size());
    series.column.present.for_each([&](std::size_t i) {
      for (std::size_t k = 0; k < sources.size(); ++k) now[k] = sources[k]->newest[i];
      steps_of.try_emplace(now, grid_.count).first->second.set(i);
    });
    for (const auto& [combination, steps] : steps_of) {
      const bool matched = std::any_of(combination.begin(), combination.end(),
                                       [](std::int32_t info) { return info != kNone; });
      if (!matched && dropped_without_info_) continue;
      OutSeries part;
      ASSIGN_OR_RETURN(part.labels, enriched(series.labels, combination));
      part.drop_name = series.drop_name;
      const bool whole = steps_of.size() == 1;
      part.column = whole ? std::move(series.column) : series.column;
      part.column.present &= steps;
      out->push_back(std::move(part));
    }
    return ok();
  }

  StatusOr<model::Labels> enriched(const model::Labels& base,
                                   const std::vector<std::int32_t>& combination) const {
    model::LabelsBuilder added;
    for (std::int32_t info : combination) {
      if (info == kNone) continue;
      for (const model::LabelView& label : info_[static_cast<std::size_t>(info)].labels) {
        if (label.name == model::kMetricName || !joins(label.name)) continue;
        const std::string_view before = added.get(label.name);
        if (!before.empty() && before != label.value) {
          return failed_precondition("conflicting label: {}", label.name);
        }
        if (!base.has(label.name)) added.set(label.name, label.value);
      }
    }
    model::LabelsBuilder labels(base);
    for (const auto& [name, value] : added.labels()) labels.set(name, value);
    return labels.build();
  }

  // Whether a label was asked for.
  bool joins(std::string_view name) const {
    return node_.data.empty() ||
           std::any_of(node_.data.begin(), node_.data.end(),
                       [&](const model::Matcher& m) { return m.name() == name; });
  }

  Evaluation& run_;
  const plan::InfoNode& node_;
  const Grid grid_;
  VectorSet base_;
  std::vector<bool> is_info_;  // of base_: those stay as they are
  bool dropped_without_info_ = false;
  std::vector<std::string> identifying_;
  VectorSet info_;  // values are times in seconds
  std::map<std::string, ByPair> by_name_;
};

}  // namespace

StatusOr<VectorSet> eval_info(Evaluation& run, const plan::InfoNode& node, const Grid& grid) {
  ASSIGN_OR_RETURN(VectorSet base, run.eval_vector(*node.inner, grid));
  return InfoRun(run, node, grid, std::move(base)).all();
}

}  // namespace tocsin::promql::eval
