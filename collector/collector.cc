// SPDX-License-Identifier: Apache-2.0
#include "collector/collector.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/hash.h"
#include "collector/scrape/pool.h"

namespace tocsin::collector {

struct Collector::Impl {
  explicit Impl(const Services& s)
      : services(s), shared(std::make_shared<ScrapeShared>(s.metrics)) {}

  const Services services;
  // Targets that are gone keep it until their last timer is.
  const std::shared_ptr<ScrapeShared> shared;
  base::Mutex mutex;
  std::map<std::string, std::unique_ptr<Pool>> pools ABSL_GUARDED_BY(mutex);
  model::Labels external_labels ABSL_GUARDED_BY(mutex);
  bool stopped ABSL_GUARDED_BY(mutex) = false;
};

Collector::Collector(Services services) : impl_(std::make_unique<Impl>(services)) {}

Collector::~Collector() { stop(); }

void Collector::apply(const CollectorOptions& options) {
  std::vector<std::unique_ptr<Pool>> removed;
  std::vector<Pool*> added;
  base::MutexLock lock(impl_->mutex);
  if (impl_->stopped) return;
  impl_->external_labels = options.external_labels;
  const std::uint64_t seed = base::fnv1a64(options.external_labels.encoded());
  std::map<std::string, std::unique_ptr<Pool>> next;
  for (const ScrapeOptions& job : options.jobs) {
    auto old = impl_->pools.find(job.job);
    if (old != impl_->pools.end() && old->second->options().fingerprint == job.fingerprint) {
      next.emplace(job.job, std::move(old->second));
      impl_->pools.erase(old);
      continue;
    }
    auto pool = std::make_unique<Pool>(std::make_shared<const ScrapeOptions>(job), impl_->services,
                                       impl_->shared, seed);
    added.push_back(pool.get());
    next.emplace(job.job, std::move(pool));
  }
  for (auto& [name, pool] : impl_->pools) removed.push_back(std::move(pool));
  impl_->pools = std::move(next);
  // Old loops stop before new ones of the same targets start, so that no row is written twice; the
  // staleness markers of those that come back are refused as out of order.
  for (auto& pool : removed) pool->stop(ScrapeLoop::AfterStop::kMarkStale);
  for (Pool* pool : added) pool->start();
}

TargetsSnapshot Collector::targets() const {
  TargetsSnapshot snapshot;
  base::MutexLock lock(impl_->mutex);
  for (const auto& [name, pool] : impl_->pools) pool->describe(&snapshot);
  std::sort(snapshot.active.begin(), snapshot.active.end(),
            [](const TargetStatus& a, const TargetStatus& b) {
              return std::tie(a.job, a.scrape_url, a.labels) <
                     std::tie(b.job, b.scrape_url, b.labels);
            });
  return snapshot;
}

std::vector<TargetMetadata> Collector::metadata(const model::Matchers& matchers,
                                                std::string_view metric, std::size_t limit) const {
  std::vector<std::shared_ptr<const ScrapeLoop>> loops;
  {
    base::MutexLock lock(impl_->mutex);
    for (const auto& [name, pool] : impl_->pools) pool->list(matchers, &loops);
  }
  const auto place = [](const auto& loop) {
    return std::tie(loop->job(), loop->target().url, loop->target().labels);
  };
  std::sort(loops.begin(), loops.end(),
            [&](const auto& a, const auto& b) { return place(a) < place(b); });
  std::vector<TargetMetadata> found;
  std::size_t metrics = 0;
  for (const auto& loop : loops) {
    if (metrics >= limit) break;
    TargetMetadata of_target{loop->target().labels, loop->metadata()};
    if (!metric.empty()) {
      std::erase_if(of_target.metrics, [&](const auto& m) { return m.metric != metric; });
    }
    metrics += of_target.metrics.size();
    if (!of_target.metrics.empty()) found.push_back(std::move(of_target));
  }
  return found;
}

std::vector<std::string> Collector::pools() const {
  std::vector<std::string> names;
  base::MutexLock lock(impl_->mutex);
  for (const auto& [name, pool] : impl_->pools) names.push_back(name);
  return names;
}

void Collector::stop() {
  {
    base::MutexLock lock(impl_->mutex);
    if (std::exchange(impl_->stopped, true)) return;
    for (auto& [name, pool] : impl_->pools) pool->stop(ScrapeLoop::AfterStop::kLeave);
  }
  impl_->shared->gate.close();
}

}  // namespace tocsin::collector
