// SPDX-License-Identifier: Apache-2.0
//
// The state is shared with timers and with probes that run, because both may end after the list has
// been stopped; nobody sees what they find then.
#include "exporters/app/probe/probe_list.h"

#include <algorithm>

#include "base/hash.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/string_map.h"
#include "exporters/app/fields.h"
#include "exporters/app/probe/probes.h"
#include "exporters/app/probe_config.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kMaxTargets = 10'000;
constexpr base::Duration kDefaultInterval{15'000};
// First runs are spread over this, so that a start is no burst.
constexpr base::Duration kFirstRuns{2'000};

struct ListOptions {
  std::string name, module;
  base::Duration interval = kDefaultInterval;
  LabelPairs labels;
  std::vector<std::string> targets;
};

class ProbeList final : public Input {
 public:
  ProbeList(std::string name, ListOptions options, std::shared_ptr<const ProbeConfig> config,
            InputServices services)
      : Input(std::move(name)),
        state_(std::make_shared<State>(std::move(options), std::move(config), services)) {}
  ~ProbeList() override { stop(); }

  Status start() override {
    const base::SteadyTime now = state_->services.clock.steady_now();
    const auto spread = std::min(state_->options.interval, kFirstRuns);
    for (std::size_t i = 0; i < state_->options.targets.size(); ++i) {
      const std::uint64_t hash = base::xxhash64(state_->options.targets[i]);
      const base::Duration offset(static_cast<std::int64_t>(hash) & 0xFFFFFFFF);
      schedule(state_, i, now + offset % spread);
    }
    return ok();
  }

  void stop() override {
    base::MutexLock lock(state_->mutex);
    state_->stopped = true;
    for (const State::Target& target : state_->targets) {
      state_->services.timers.cancel(target.timer);
    }
  }

  Status collect(std::vector<base::MetricFamily>* out) override {
    Families families(out);
    double skipped = 0;
    {
      base::MutexLock lock(state_->mutex);
      skipped = static_cast<double>(state_->skipped);
      for (const State::Target& target : state_->targets) {
        for (const base::MetricFamily& family : target.families) families.append(family);
      }
    }
    families.counter("app_exporter_probes_skipped_total",
                     "Turns of probes that were left out because the one before was not done.",
                     {{"source", name()}}, skipped);
    return ok();
  }

 private:
  struct State {
    State(ListOptions o, std::shared_ptr<const ProbeConfig> c, InputServices s)
        : options(std::move(o)),
          config(std::move(c)),
          services(s),
          targets(options.targets.size()) {}

    struct Target {
      base::Timers::Id timer = 0;
      bool is_busy = false;
      std::vector<base::MetricFamily> families;  // with all labels
    };

    const ListOptions options;
    const std::shared_ptr<const ProbeConfig> config;  // has the module
    const InputServices services;
    base::Mutex mutex;
    std::vector<Target> targets ABSL_GUARDED_BY(mutex);
    std::uint64_t skipped ABSL_GUARDED_BY(mutex) = 0;
    bool stopped ABSL_GUARDED_BY(mutex) = false;
  };

  static void schedule(const std::shared_ptr<State>& state, std::size_t index,
                       base::SteadyTime when) {
    base::MutexLock lock(state->mutex);
    if (state->stopped) return;
    state->targets[index].timer =
        state->services.timers.schedule(when, [weak = std::weak_ptr<State>(state), index, when] {
          if (const auto alive = weak.lock()) take_turn(alive, index, when);
        });
  }

  static void take_turn(const std::shared_ptr<State>& state, std::size_t index,
                        base::SteadyTime when) {
    schedule(state, index, when + state->options.interval);
    {
      base::MutexLock lock(state->mutex);
      if (state->stopped) return;
      if (std::exchange(state->targets[index].is_busy, true)) {
        ++state->skipped;
        return;
      }
    }
    if (state->services.workers.post([state, index] { run(state, index); })) return;
    base::MutexLock lock(state->mutex);
    state->targets[index].is_busy = false;
    ++state->skipped;
  }

  static void run(const std::shared_ptr<State>& state, std::size_t index) {
    {
      base::MutexLock lock(state->mutex);
      if (state->stopped) return;
    }
    const ListOptions& options = state->options;
    const ProbeModule& module = *state->config->find(options.module);
    const base::Duration timeout =
        module.timeout.count() != 0 ? std::min(module.timeout, options.interval) : options.interval;
    const std::string& target = options.targets[index];
    ProbeOutcome outcome = run_probe(
        module, {.target = target, .hostname = {}},
        {state->services.clock, state->services.files, state->services.lookup}, timeout, {});
    for (base::MetricFamily& family : outcome.families) {
      for (base::MetricSample& sample : family.samples) add_labels(options, target, &sample);
    }
    base::MutexLock lock(state->mutex);
    state->targets[index].families = std::move(outcome.families);
    state->targets[index].is_busy = false;
  }

  static void add_labels(const ListOptions& options, const std::string& target,
                         base::MetricSample* sample) {
    sample->labels.emplace_back("instance", target);
    sample->labels.insert(sample->labels.end(), options.labels.begin(), options.labels.end());
    std::sort(sample->labels.begin(), sample->labels.end());
  }

  const std::shared_ptr<State> state_;
};

// Another list that has this target with the same labels would give the same series.
Status check_unique(const base::YamlNode& section, const base::YamlNode& root) {
  const base::YamlNode* lists = root.find("probes");
  if (lists == nullptr) return ok();
  const auto key_of = [](const base::YamlNode& list, const base::YamlNode& target) {
    const base::YamlNode* labels = list.find("labels");
    return fmt::format("{} {}", labels != nullptr ? fingerprint(*labels) : "{}", target.scalar());
  };
  StringSet seen;
  for (const base::YamlNode& list : lists->items()) {
    const base::YamlNode* targets = list.find("targets");
    if (targets == nullptr) continue;
    for (const base::YamlNode& target : targets->items()) {
      if (seen.insert(key_of(list, target)).second) continue;
      if (list.line() != section.line() || list.column() != section.column()) continue;
      return target.error("this target is probed twice with the same labels");
    }
  }
  return ok();
}

}  // namespace

StatusOr<std::unique_ptr<Input>> make_probe_list(const base::YamlNode& section,
                                                 const InputContext& context) {
  ListOptions options;
  base::YamlMapping mapping(section);
  mapping.string("name", &options.name);
  mapping.string("module", &options.module, base::YamlMapping::kRequired);
  read_duration(mapping, "interval", &options.interval);
  read_labels(mapping, "labels", &options.labels);
  mapping.string_list("targets", &options.targets, base::YamlMapping::kRequired);
  RETURN_IF_ERROR(mapping.finish());
  const ProbeModule* module = context.probes->find(options.module);
  if (module == nullptr) {
    return section.error(fmt::format("Unknown module {:?}", options.module));
  }
  if (options.targets.size() > kMaxTargets) {
    return section.error(fmt::format("more than {} targets", kMaxTargets));
  }
  for (const auto& [name, value] : options.labels) {
    // These tell the series of one probe apart.
    for (const std::string_view taken : {"instance", "phase", "version", "cipher"}) {
      if (name == taken) return section.error(fmt::format("the label {} is taken", name));
    }
  }
  for (const std::string& target : options.targets) {
    const StatusOr<HostPort> place = asked_place(*module, target);
    if (!place.ok()) {
      return section.error(fmt::format("bad target {:?}: {}", target, message(place.status())));
    }
  }
  RETURN_IF_ERROR(check_unique(section, context.root));
  std::string name = source_name("probes", options.name, options.module);
  return std::make_unique<ProbeList>(std::move(name), std::move(options), context.probes,
                                     context.services);
}

}  // namespace tocsin::exporters::app
