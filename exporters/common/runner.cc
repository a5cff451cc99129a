// SPDX-License-Identifier: Apache-2.0
//
// A Slot is a collector with the scrapes that wait for its next run. The state is shared with the
// work on the executor, because that may outlive the Runner.
#include "exporters/common/runner.h"

#include <algorithm>

#include "base/log.h"
#include "base/mutex.h"

namespace tocsin::exporters {

struct Runner::Result {
  bool done = false;
  bool success = false;
  double seconds = 0;
  std::vector<base::MetricFamily> families;
};

struct Runner::Scrape {
  explicit Scrape(std::size_t collectors) : pending(collectors), results(collectors) {}

  void deliver(std::size_t index, Result result) {
    base::MutexLock lock(mutex);
    if (closed) return;
    results[index] = std::move(result);
    if (--pending == 0) changed.notify_all();
  }

  void expire() {
    base::MutexLock lock(mutex);
    expired = true;
    changed.notify_all();
  }

  // Waits for all results or the end of the budget; later results are thrown away.
  std::vector<Result> wait() {
    base::MutexLock lock(mutex);
    while (pending != 0 && !expired) changed.wait(mutex);
    closed = true;
    return std::move(results);
  }

  base::Mutex mutex;
  base::CondVar changed;
  std::size_t pending ABSL_GUARDED_BY(mutex);
  bool expired ABSL_GUARDED_BY(mutex) = false;
  bool closed ABSL_GUARDED_BY(mutex) = false;
  std::vector<Result> results ABSL_GUARDED_BY(mutex);
};

struct Runner::Slot {
  struct Wish {
    std::shared_ptr<Scrape> scrape;
    std::size_t index;
  };
  enum class Health { kGood, kFailing, kLate };

  std::unique_ptr<Collector> collector;
  std::vector<Wish> wishes;  // guarded by State::mutex, as the rest
  bool running = false;
  Health health = Health::kGood;
};

struct Runner::State {
  explicit State(const base::Clock& c) : clock(c) {}

  const base::Clock& clock;
  mutable base::Mutex mutex;
  std::vector<std::unique_ptr<Slot>> slots;  // the list itself does not change
  std::vector<std::shared_ptr<Scrape>> scrapes ABSL_GUARDED_BY(mutex);  // those that wait
  bool stopped ABSL_GUARDED_BY(mutex) = false;

  // Logs a change for the worse or back, not every scrape.
  void note(Slot* slot, Slot::Health health, std::string_view reason) {
    {
      base::MutexLock lock(mutex);
      if (slot->health == health) return;
      slot->health = health;
    }
    if (health == Slot::Health::kGood) {
      base::log::info("collector works again", {{"name", slot->collector->name()}});
    } else {
      base::log::warn(health == Slot::Health::kLate ? "collector is too slow" : "collector failed",
                      {{"name", slot->collector->name()}, {"error", reason}});
    }
  }
};

Runner::Runner(std::string prefix, std::vector<std::unique_ptr<Collector>> collectors,
               Services services)
    : prefix_(std::move(prefix)),
      services_(services),
      state_(std::make_shared<State>(services.clock)) {
  std::sort(collectors.begin(), collectors.end(),
            [](const auto& a, const auto& b) { return a->name() < b->name(); });
  for (std::unique_ptr<Collector>& collector : collectors) {
    names_.emplace_back(collector->name());
    state_->slots.push_back(std::make_unique<Slot>());
    state_->slots.back()->collector = std::move(collector);
  }
}

Runner::~Runner() = default;

std::size_t Runner::running() const {
  base::MutexLock lock(state_->mutex);
  return static_cast<std::size_t>(
      std::count_if(state_->slots.begin(), state_->slots.end(),
                    [](const std::unique_ptr<Slot>& slot) { return slot->running; }));
}

void Runner::stop() {
  std::vector<std::shared_ptr<Scrape>> waiting;
  {
    base::MutexLock lock(state_->mutex);
    state_->stopped = true;
    waiting = state_->scrapes;
  }
  for (const std::shared_ptr<Scrape>& scrape : waiting) scrape->expire();
}

// Returns false after stop().
bool Runner::admit(const std::shared_ptr<Scrape>& scrape) {
  base::MutexLock lock(state_->mutex);
  if (!state_->stopped) state_->scrapes.push_back(scrape);
  return !state_->stopped;
}

void Runner::run(const std::shared_ptr<State>& state, Slot* slot) {
  for (;;) {
    std::vector<Slot::Wish> wishes;
    {
      base::MutexLock lock(state->mutex);
      wishes.swap(slot->wishes);
      if (wishes.empty()) {
        slot->running = false;
        return;
      }
    }
    Result result;
    const base::SteadyTime start = state->clock.steady_now();
    const Status status = slot->collector->collect(&result.families);
    result.seconds = std::chrono::duration<double>(state->clock.steady_now() - start).count();
    result.done = true;
    result.success = status.ok();
    if (status.code() == StatusCode::kNotFound) {
      base::log::debug("collector found nothing",
                       {{"name", slot->collector->name()}, {"error", message(status)}});
    } else {
      state->note(slot, status.ok() ? Slot::Health::kGood : Slot::Health::kFailing,
                  message(status));
    }
    bool is_last = false;
    {
      // Before the scrapes hear of it: who was answered finds the collector at rest.
      base::MutexLock lock(state->mutex);
      is_last = slot->wishes.empty();
      if (is_last) slot->running = false;
    }
    while (wishes.size() > 1) {
      wishes.back().scrape->deliver(wishes.back().index, result);
      wishes.pop_back();
    }
    wishes.front().scrape->deliver(wishes.front().index, std::move(result));
    if (is_last) return;
  }
}

void Runner::enqueue(Slot* slot, const std::shared_ptr<Scrape>& scrape, std::size_t index) {
  {
    base::MutexLock lock(state_->mutex);
    slot->wishes.push_back({scrape, index});
    if (slot->running) return;
    slot->running = true;
  }
  if (services_.executor.post([state = state_, slot] { run(state, slot); })) return;
  std::vector<Slot::Wish> wishes;
  {
    base::MutexLock lock(state_->mutex);
    wishes.swap(slot->wishes);
    slot->running = false;
  }
  for (const Slot::Wish& wish : wishes)
    wish.scrape->deliver(wish.index, Result{.done = true, .families = {}});
}

// Without this the wishes of a stuck collector would grow with every scrape.
void Runner::withdraw(const std::shared_ptr<Scrape>& scrape) {
  base::MutexLock lock(state_->mutex);
  for (const std::unique_ptr<Slot>& slot : state_->slots) {
    std::erase_if(slot->wishes, [&](const Slot::Wish& wish) { return wish.scrape == scrape; });
  }
  std::erase(state_->scrapes, scrape);
}

std::vector<base::MetricFamily> Runner::collect(const std::vector<std::string>& names,
                                                base::Duration budget) {
  std::vector<Slot*> chosen;
  for (const std::unique_ptr<Slot>& slot : state_->slots) {
    if (std::find(names.begin(), names.end(), slot->collector->name()) != names.end()) {
      chosen.push_back(slot.get());
    }
  }
  const auto scrape = std::make_shared<Scrape>(chosen.size());
  const base::SteadyTime start = services_.clock.steady_now();
  const base::Timers::Id timer =
      services_.timers.schedule(start + budget, [scrape] { scrape->expire(); });
  if (!admit(scrape)) scrape->expire();
  for (std::size_t i = 0; i < chosen.size(); ++i) enqueue(chosen[i], scrape, i);
  std::vector<Result> results = scrape->wait();
  services_.timers.cancel(timer);
  withdraw(scrape);

  std::vector<base::MetricFamily> out;
  base::MetricFamily durations{prefix_ + "_scrape_collector_duration_seconds",
                               prefix_ + "_exporter: Duration of a collector scrape.",
                               base::MetricType::kGauge,
                               {}};
  base::MetricFamily successes{prefix_ + "_scrape_collector_success",
                               prefix_ + "_exporter: Whether a collector succeeded.",
                               base::MetricType::kGauge,
                               {}};
  const double elapsed =
      std::chrono::duration<double>(services_.clock.steady_now() - start).count();
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    Result& result = results[i];
    if (!result.done) {
      result.seconds = elapsed;
      chosen[i]->collector->append_late(&out);
      state_->note(chosen[i], Slot::Health::kLate, "not finished within the budget of the scrape");
    }
    const std::string name(chosen[i]->collector->name());
    durations.samples.push_back({"", {{"collector", name}}, result.seconds});
    successes.samples.push_back({"", {{"collector", name}}, result.success ? 1.0 : 0.0});
    std::move(result.families.begin(), result.families.end(), std::back_inserter(out));
  }
  out.push_back(std::move(durations));
  out.push_back(std::move(successes));
  return out;
}

}  // namespace tocsin::exporters
