// SPDX-License-Identifier: Apache-2.0
//
// A Source is shared by the runners of all configurations that have it; each runner knows it by a
// SourceCollector of its own.
#include "exporters/app/inputs.h"

#include <algorithm>

#include "base/log.h"
#include "exporters/common/families.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::string_view kDurations = "app_exporter_scrape_collector_duration_seconds";
constexpr std::string_view kSuccesses = "app_exporter_scrape_collector_success";

void add_labels(const LabelPairs& labels, std::vector<base::MetricFamily>* families) {
  if (labels.empty()) return;
  for (base::MetricFamily& family : *families) {
    for (base::MetricSample& sample : family.samples) {
      for (const auto& label : labels) {
        const auto place = std::lower_bound(
            sample.labels.begin(), sample.labels.end(), label.first,
            [](const auto& have, const std::string& name) { return have.first < name; });
        // What the input says itself counts.
        if (place != sample.labels.end() && place->first == label.first) continue;
        sample.labels.insert(place, label);
      }
    }
  }
}

}  // namespace

class Inputs::Source {
 public:
  explicit Source(InputSpec spec) : spec_(std::move(spec)) {}

  Input& input() const { return *spec_.input; }
  const InputSpec& spec() const { return spec_; }

  // Starts the input when it does not run yet; nothing happens while it is in use.
  void start() {
    if (enter().ok()) leave(start_if_needed());
  }

  Status collect(std::vector<base::MetricFamily>* out) {
    RETURN_IF_ERROR(enter());
    Status status = start_if_needed();
    if (status.ok()) status = input().collect(out);
    leave(status);
    return status;
  }

  void stop() {
    bool must_stop = false;
    {
      base::MutexLock lock(mutex_);
      stopped_ = true;
      must_stop = std::exchange(running_, false);
    }
    if (must_stop) input().stop();
  }

 private:
  Status enter() {
    base::MutexLock lock(mutex_);
    if (stopped_) return cancelled("the source has been stopped");
    if (busy_) return unavailable("the source still answers a request from before the reload");
    busy_ = true;
    return ok();
  }

  Status start_if_needed() {
    {
      base::MutexLock lock(mutex_);
      if (running_) return ok();
    }
    const Status status = annotate(input().start(), "start");
    bool came_late = false;
    {
      base::MutexLock lock(mutex_);
      came_late = status.ok() && stopped_;
      running_ = status.ok() && !stopped_;
    }
    if (came_late) input().stop();
    return came_late ? cancelled("the source has been stopped") : status;
  }

  void leave(const Status& status) {
    if (!status.ok()) base::log::debug("source failed", {{"source", input().name()}});
    base::MutexLock lock(mutex_);
    busy_ = false;
  }

  const InputSpec spec_;
  base::Mutex mutex_;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;  // between start() and stop() of the input
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;     // a thread is in start() or collect()
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

class Inputs::SourceCollector final : public Collector {
 public:
  explicit SourceCollector(std::shared_ptr<Source> source) : source_(std::move(source)) {}
  std::string_view name() const override { return source_->input().name(); }
  Status collect(std::vector<base::MetricFamily>* out) override { return source_->collect(out); }
  void append_late(std::vector<base::MetricFamily>* out) const override {
    source_->input().append_late(out);
  }

 private:
  const std::shared_ptr<Source> source_;
};

struct Inputs::Generation {
  std::vector<std::shared_ptr<Source>> sources;
  std::unique_ptr<Runner> runner;
  LabelPairs labels;
};

Inputs::Inputs(Runner::Services services) : services_(services) {
  auto empty = std::make_shared<Generation>();
  empty->runner = std::make_unique<Runner>("app_exporter",
                                           std::vector<std::unique_ptr<Collector>>(), services_);
  base::MutexLock lock(mutex_);
  generation_ = std::move(empty);
}

Inputs::~Inputs() { stop(); }

std::shared_ptr<const Inputs::Generation> Inputs::current() const {
  base::MutexLock lock(mutex_);
  return generation_;
}

void Inputs::apply(std::vector<InputSpec> specs, LabelPairs labels) {
  const std::shared_ptr<const Generation> before = current();
  auto next = std::make_shared<Generation>();
  next->labels = std::move(labels);
  std::vector<std::unique_ptr<Collector>> collectors;
  std::vector<std::shared_ptr<Source>> fresh;
  for (InputSpec& spec : specs) {
    const auto same = std::find_if(before->sources.begin(), before->sources.end(),
                                   [&](const std::shared_ptr<Source>& source) {
                                     return source->spec().identity == spec.identity;
                                   });
    if (same != before->sources.end()) {
      next->sources.push_back(*same);
    } else {
      next->sources.push_back(std::make_shared<Source>(std::move(spec)));
      fresh.push_back(next->sources.back());
    }
    collectors.push_back(std::make_unique<SourceCollector>(next->sources.back()));
  }
  next->runner = std::make_unique<Runner>("app_exporter", std::move(collectors), services_);
  // The old one first: the new one may want the same socket.
  for (const std::shared_ptr<Source>& source : before->sources) {
    if (std::find(next->sources.begin(), next->sources.end(), source) == next->sources.end()) {
      source->stop();
    }
  }
  for (const std::shared_ptr<Source>& source : fresh) source->start();
  base::MutexLock lock(mutex_);
  std::erase_if(failures_, [&](const auto& entry) {
    return std::none_of(next->sources.begin(), next->sources.end(),
                        [&](const auto& source) { return source->input().name() == entry.first; });
  });
  generation_ = std::move(next);
}

void Inputs::append_own(const Generation& generation, const std::vector<base::MetricFamily>& runs,
                        std::vector<base::MetricFamily>* out) {
  Families families(out);
  for (const base::MetricFamily& run : runs) {
    const bool is_success = run.name == kSuccesses;
    for (const base::MetricSample& sample : run.samples) {
      const std::string& name = sample.labels.front().second;
      if (!is_success) {
        families.gauge("app_exporter_source_last_scrape_duration_seconds",
                       "How long it took to ask this source.", {{"source", name}}, sample.value);
        continue;
      }
      families.gauge("app_exporter_source_up", "Whether this source could be asked.",
                     {{"source", name}}, sample.value);
      base::MutexLock lock(mutex_);
      std::uint64_t& failures = failures_[name];
      if (sample.value == 0) ++failures;
      families.counter("app_exporter_source_errors_total",
                       "Scrapes in which this source failed or was too slow.", {{"source", name}},
                       static_cast<double>(failures));
    }
  }
  for (const std::shared_ptr<Source>& source : generation.sources) {
    families.counter("app_exporter_series_dropped_total",
                     "Samples that were counted as \"other\" because this source had max_series "
                     "series.",
                     {{"source", source->input().name()}},
                     static_cast<double>(source->input().dropped_series()));
  }
}

std::vector<base::MetricFamily> Inputs::collect(base::Duration budget) {
  const std::shared_ptr<const Generation> generation = current();
  std::vector<base::MetricFamily> out =
      generation->runner->collect(generation->runner->names(), budget);
  const auto own = std::stable_partition(out.begin(), out.end(), [](const base::MetricFamily& f) {
    return f.name != kDurations && f.name != kSuccesses;
  });
  const std::vector<base::MetricFamily> runs(std::make_move_iterator(own),
                                             std::make_move_iterator(out.end()));
  out.erase(own, out.end());
  add_labels(generation->labels, &out);
  append_own(*generation, runs, &out);
  return out;
}

net::HttpResponse Inputs::serve(std::string_view route, const net::HttpRequest& request) {
  const std::shared_ptr<const Generation> generation = current();
  for (const std::shared_ptr<Source>& source : generation->sources) {
    if (source->spec().route == route) return source->input().serve(request);
  }
  return net::HttpResponse::text(404, fmt::format("{} is not configured\n", route));
}

void Inputs::stop() { apply({}, {}); }

}  // namespace tocsin::exporters::app
