// SPDX-License-Identifier: Apache-2.0
//
// The state is shared with timers and work that may come late. Two locks: one for whoever reads the
// files, held over I/O, which pages only try; one for the counts, held for as long as a piece of
// lines takes.
#include "exporters/app/logs/log_input.h"

#include <algorithm>

#include "base/gate.h"
#include "base/log.h"
#include "exporters/app/fields.h"
#include "exporters/app/logs/log_config.h"
#include "exporters/common/families.h"

namespace tocsin::exporters::app {
namespace {

constexpr base::Duration kSaveInterval{10'000};

// The lines of one source, counted.
class LineCounter {
 public:
  LineCounter(const LogConfig& config, std::size_t max_series) : budget_(max_series) {
    if (config.parser) {
      access_ = std::make_unique<AccessMetrics>(*config.parser, config.access, budget_);
    } else {
      patterns_ = std::make_unique<PatternMetrics>(config.patterns, config.fixed_labels, budget_);
    }
  }

  void add(std::span<const std::string_view> lines, base::SteadyTime now) {
    base::MutexLock lock(mutex_);
    for (const std::string_view line : lines) {
      if (line.empty()) continue;
      access_ ? access_->add_line(line, now) : patterns_->add_line(line);
    }
  }
  void append_to(std::string_view source, base::SteadyTime now,
                 std::vector<base::MetricFamily>* out) const {
    base::MutexLock lock(mutex_);
    if (access_) return access_->append_to(now, out);
    patterns_->append_to(out);
    Families families(out);
    families.counter("app_exporter_log_lines_unmatched_total",
                     "Lines that no pattern of this source matched.", {{"source", source}},
                     static_cast<double>(patterns_->lines_unmatched()));
    families.counter("app_exporter_log_values_refused_total",
                     "Groups that were no number where this source needs one.",
                     {{"source", source}}, static_cast<double>(patterns_->values_refused()));
  }
  std::uint64_t dropped() const { return budget_.dropped(); }

 private:
  mutable base::Mutex mutex_;
  SeriesBudget budget_;  // admits under the lock; dropped() is shared
  std::unique_ptr<AccessMetrics> access_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<PatternMetrics> patterns_ ABSL_GUARDED_BY(mutex_);
};

struct State {
  State(LogConfig from, const InputContext& context, std::string name)
      : config(std::move(from)),
        services(context.services),
        source(std::move(name)),
        counter(config, context.max_series),
        tail(config.tail, services.files) {}

  const LogConfig config;
  const InputServices services;
  const std::string source;
  LineCounter counter;
  base::Gate gate;

  base::Mutex reading;  // held while files are read
  FileTail tail ABSL_GUARDED_BY(reading);
  base::SteadyTime saved_at ABSL_GUARDED_BY(reading);

  mutable base::Mutex mutex;
  FileTail::Stats stats ABSL_GUARDED_BY(mutex);  // of the last reading
  base::Timers::Id timer ABSL_GUARDED_BY(mutex) = 0;
  bool stopped ABSL_GUARDED_BY(mutex) = false;
};

// REQUIRES: the lock `reading`. True when there is more to read.
bool read_files(State& state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.reading) {
  const base::SteadyTime now = state.services.clock.steady_now();
  const bool has_more = state.tail.poll(
      now, [&](std::span<const std::string_view> lines) { state.counter.add(lines, now); });
  base::MutexLock lock(state.mutex);
  state.stats = state.tail.stats();
  return has_more;
}

// REQUIRES: the lock `reading`.
void save(State& state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.reading) {
  state.saved_at = state.services.clock.steady_now();
  const Status status = state.tail.save();
  if (!status.ok()) {
    base::log::warn("cannot keep the log positions",
                    {{"source", state.source}, {"error", message(status)}});
  }
}

void schedule(const std::shared_ptr<State>& state, base::Duration after);

void run(const std::shared_ptr<State>& state) {
  bool has_more = false;
  {
    const base::Gate::Pass pass = state->gate.enter();
    if (!pass) return;
    base::MutexLock lock(state->reading);
    has_more = read_files(*state);
    if (state->services.clock.steady_now() - state->saved_at >= kSaveInterval) save(*state);
  }
  schedule(state, has_more ? base::Duration(0) : state->config.poll_interval);
}

void schedule(const std::shared_ptr<State>& state, base::Duration after) {
  base::MutexLock lock(state->mutex);
  if (state->stopped) return;
  state->timer =
      state->services.timers.schedule(state->services.clock.steady_now() + after, [state] {
        const bool posted = state->services.workers.post([state] { run(state); });
        if (!posted) schedule(state, state->config.poll_interval);
      });
}

class LogInput final : public Input {
 public:
  LogInput(std::string name, LogConfig config, const InputContext& context)
      : Input(name), state_(std::make_shared<State>(std::move(config), context, name)) {}

  Status start() override {
    schedule(state_, base::Duration(0));
    return ok();
  }

  void stop() override {
    {
      base::MutexLock lock(state_->mutex);
      state_->stopped = true;
      state_->services.timers.cancel(state_->timer);
    }
    state_->gate.close();
    base::MutexLock lock(state_->reading);
    save(*state_);
  }

  Status collect(std::vector<base::MetricFamily>* out) override {
    if (state_->reading.try_lock()) {
      read_files(*state_);
      state_->reading.unlock();
    }
    state_->counter.append_to(name(), state_->services.clock.steady_now(), out);
    base::MutexLock lock(state_->mutex);
    append_stats(state_->stats, out);
    if (state_->stats.files == 0 && state_->stats.unreadable > 0) {
      return unavailable("none of the files can be read");
    }
    return ok();
  }

  std::uint64_t dropped_series() const override { return state_->counter.dropped(); }

 private:
  void append_stats(const FileTail::Stats& stats, std::vector<base::MetricFamily>* out) const {
    const auto value = [](auto number) { return static_cast<double>(number); };
    Families families(out);
    const Labels source = {{"source", name()}};
    families.gauge("app_exporter_log_files", "Files that this source follows.", source,
                   value(stats.files));
    families.gauge("app_exporter_log_files_unreadable",
                   "Files that this source should follow and cannot.", source,
                   value(stats.unreadable));
    families.counter("app_exporter_log_lines_total", "Lines that were read.", source,
                     value(stats.lines));
    families.counter("app_exporter_log_read_bytes_total", "Bytes that were read.", source,
                     value(stats.bytes));
    families.counter("app_exporter_log_lines_cut_total",
                     "Lines that were longer than max_line, and lost what is behind it.", source,
                     value(stats.lines_cut));
    families.counter("app_exporter_log_truncations_total",
                     "Times that a file was truncated and is read from its beginning.", source,
                     value(stats.truncations));
  }

  const std::shared_ptr<State> state_;
};

}  // namespace

StatusOr<std::unique_ptr<Input>> make_log(const base::YamlNode& section,
                                          const InputContext& context) {
  ASSIGN_OR_RETURN(LogConfig config, read_log(section, context.root, context.directory));
  std::string name = source_name("logs", config.name, "");
  return std::make_unique<LogInput>(std::move(name), std::move(config), context);
}

}  // namespace tocsin::exporters::app
