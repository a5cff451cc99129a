// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/pool.h"

#include <utility>

#include "base/log.h"

namespace tocsin::collector {

Pool::Pool(std::shared_ptr<const ScrapeOptions> options, const Collector::Services& services,
           std::shared_ptr<ScrapeShared> shared, std::uint64_t seed)
    : options_(std::move(options)), services_(services), shared_(std::move(shared)), seed_(seed) {
  shared_->metrics.pools.inc();
  const discovery::SourceServices source_services{
      services.clock, services.timers, services.blocking, services.files, services.metrics};
  for (const discovery::SourceOptions& source : options_->sources) {
    sources_.push_back(discovery::make_source(source, source_services));
  }
}

Pool::~Pool() { stop(ScrapeLoop::AfterStop::kLeave); }

void Pool::start() {
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    sources_[i]->start(
        [this, i](std::vector<discovery::TargetGroup> groups) { update(i, std::move(groups)); });
  }
}

void Pool::stop(ScrapeLoop::AfterStop after) {
  for (auto& source : sources_) source->stop();
  std::map<std::string, std::shared_ptr<ScrapeLoop>> loops;
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
    loops.swap(loops_);
  }
  for (auto& [key, loop] : loops) loop->stop(after);
}

void Pool::update(std::size_t source, std::vector<discovery::TargetGroup> groups) {
  std::vector<std::shared_ptr<ScrapeLoop>> added;
  std::vector<std::shared_ptr<ScrapeLoop>> removed;
  {
    base::MutexLock lock(mutex_);
    if (stopped_) return;
    for (discovery::TargetGroup& group : groups) {
      GroupKey key{source, group.source};
      if (group.targets.empty()) {
        groups_.erase(key);
      } else {
        groups_[std::move(key)] = std::move(group);
      }
    }
    std::map<std::string, Target> wanted = wanted_targets();
    for (auto it = loops_.begin(); it != loops_.end();) {
      if (wanted.contains(it->first)) {
        ++it;
        continue;
      }
      removed.push_back(std::move(it->second));
      it = loops_.erase(it);
    }
    for (auto& [key, target] : wanted) {
      if (loops_.contains(key)) continue;
      const auto options = options_for(target);
      added.push_back(
          std::make_shared<ScrapeLoop>(std::move(target), options, services_, shared_, seed_));
      loops_.emplace(key, added.back());
    }
    shared_->metrics.pool_targets.with({options_->job}).set(static_cast<double>(loops_.size()));
  }
  for (auto& loop : removed) loop->stop(ScrapeLoop::AfterStop::kMarkStale);
  for (auto& loop : added) loop->start();
}

// The job's options, or a copy for a target with its own settings.
std::shared_ptr<const ScrapeOptions> Pool::options_for(const Target& target) const {
  if (target.histograms == options_->histograms &&
      target.convert_classic == options_->convert_classic) {
    return options_;
  }
  auto own = std::make_shared<ScrapeOptions>(*options_);
  own->histograms = target.histograms;
  own->convert_classic = target.convert_classic;
  return own;
}

std::map<std::string, Target> Pool::wanted_targets() {
  std::map<std::string, Target> wanted;
  dropped_.clear();
  dropped_count_ = 0;
  std::size_t discovered = 0;
  for (const auto& [key, group] : groups_) {
    for (const model::Labels& labels : group.targets) {
      ++discovered;
      const model::Labels all = discovered_labels(group, labels, *options_);
      StatusOr<std::optional<Target>> target = make_target(all, *options_);
      if (!target.ok()) {
        shared_->metrics.sync_failed.with({options_->job}).inc();
        base::log::warn("target left out", {{"job", options_->job},
                                            {"labels", all.to_string()},
                                            {"error", message(target.status())}});
        continue;
      }
      if (!target->has_value()) {
        const std::uint64_t kept = options_->limits.kept_dropped_targets;
        if (kept == 0 || dropped_.size() < kept) dropped_.push_back({options_->job, all});
        ++dropped_count_;
        continue;
      }
      std::string name = (*target)->key();
      wanted.emplace(std::move(name), **std::move(target));
    }
  }
  shared_->metrics.discovered.with({"scrape", options_->job}).set(static_cast<double>(discovered));
  const std::uint64_t limit = options_->limits.targets;
  limit_error_.clear();
  if (limit != 0 && wanted.size() > limit) {
    shared_->metrics.exceeded_target_limit.inc();
    limit_error_ = fmt::format("target_limit exceeded (number of targets: {}, limit: {})",
                               wanted.size(), limit);
    base::log::warn("no target of the job is scraped",
                    {{"job", options_->job}, {"error", limit_error_}});
    wanted.clear();
  }
  return wanted;
}

void Pool::describe(TargetsSnapshot* out) const {
  base::MutexLock lock(mutex_);
  for (const auto& [key, loop] : loops_) out->active.push_back(loop->status());
  out->dropped.insert(out->dropped.end(), dropped_.begin(), dropped_.end());
  out->dropped_counts.emplace_back(options_->job, dropped_count_);
}

void Pool::list(const model::Matchers& matchers,
                std::vector<std::shared_ptr<const ScrapeLoop>>* out) const {
  base::MutexLock lock(mutex_);
  for (const auto& [key, loop] : loops_) {
    if (model::matches_all(matchers, loop->target().labels)) out->push_back(loop);
  }
}

}  // namespace tocsin::collector
