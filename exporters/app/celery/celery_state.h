// SPDX-License-Identifier: Apache-2.0
//
// CeleryState: the counters, histograms and workers that the events of a broker add up to, as
// celery-exporter names them.
//
// Most events name their task by its uuid only: the newest max_tasks are remembered. Each set of
// (task, host, queue) has all counters, so that a rate of failures is there before the first one.
//
// Hides: memory of tasks, time-outs of workers, folding.
// Threads: confined (dropped() is shared). Does not fail.
#pragma once

#include <array>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/metrics.h"
#include "base/string_map.h"
#include "base/time.h"
#include "exporters/app/celery/event.h"
#include "exporters/app/series_budget.h"
#include "exporters/common/families.h"

namespace tocsin::exporters::app {

class CeleryState {
 public:
  struct Options {
    base::Duration worker_timeout = std::chrono::minutes(5);  // then it is down; 0: never
    base::Duration purge_after = std::chrono::minutes(10);    // then it is forgotten; 0: never
    std::size_t max_tasks = 50'000;                           // remembered by uuid
    std::size_t max_series = SeriesBudget::kDefaultMaxSeries;
    std::string default_queue = "celery";  // of a task that nobody saw being sent
    bool node_names = false;               // hostname="celery@host" instead of "host"
    bool generic_sender = false;           // hostname="generic" for those who send
    std::vector<double> runtime_buckets = {.005, .01, .025, .05, .075, .1,  .25, .5,
                                           .75,  1,   2,    2.5, 5,    7.5, 10};
    std::vector<double> wait_buckets = {.05, .1, .25, .5,  1,   2,   2.5, 5,
                                        10,  30, 60,  120, 300, 600, 1800};
  };
  // How many series a set of (task, host, queue) takes of max_series.
  static constexpr std::size_t kSeriesPerTask = 10;

  explicit CeleryState(Options options);

  void apply(const CeleryEvent& event, base::SteadyTime now);
  // Appends all families, with the workers as they are at `now`.
  void append_to(base::SteadyTime now, std::vector<base::MetricFamily>* out);

  // Queues that tasks were sent to; at most kMaxQueues.
  const StringSet& queues() const { return queues_; }
  std::size_t tracked_tasks() const { return tasks_.size(); }
  std::uint64_t dropped() const { return budget_.dropped(); }

  static constexpr std::size_t kMaxQueues = 1'000;

 private:
  static constexpr std::size_t kCounters = 8;  // of Type::kSent up to kRetried

  struct Buckets {
    std::vector<double> counts;  // not cumulative; one more than there are bounds
    double sum = 0;
  };
  struct Counts {
    std::array<double, kCounters> events{};
    bool has_siblings = false;                            // shown with all counters
    std::map<std::string, double, std::less<>> failures;  // by exception
    Buckets runtime, wait;
  };
  struct Worker {
    base::SteadyTime seen;
    bool is_up = false;
    double active = 0;
  };
  // What is known of a task in flight.
  struct Task {
    base::Hash128 key;
    std::string name, queue;
    double sent = 0;        // 0: not seen
    double not_before = 0;  // its eta
  };
  struct KeyHash {
    std::size_t operator()(const base::Hash128& key) const { return key.low; }
  };

  void apply_to_worker(const CeleryEvent& event, base::SteadyTime now);
  Task& remember(const CeleryEvent& event);
  void forget(const CeleryEvent& event);
  using Entry = std::map<LabelPairs, Counts>::value_type;
  Entry& counts_of(const CeleryEvent& event, const Task& task);
  void count_failure(std::string_view exception, Entry* entry);
  void observe(const std::vector<double>& bounds, double value, Buckets* buckets);
  void expire_workers(base::SteadyTime now);
  void purge(std::string_view node);
  std::string label_of_node(std::string_view node) const;
  void append_workers(Families* families) const;
  void append_tasks(Families* families) const;
  void append_histograms(std::vector<base::MetricFamily>* out) const;

  const Options options_;
  const base::Hash128 seed_{base::random_u64(), base::random_u64()};
  SeriesBudget budget_;
  std::map<LabelPairs, Counts> counts_;                 // by hostname, name, queue_name
  std::map<std::string, Worker, std::less<>> workers_;  // by node
  std::list<Task> order_;                               // the newest first
  std::unordered_map<base::Hash128, std::list<Task>::iterator, KeyHash> tasks_;
  StringSet queues_;
};

}  // namespace tocsin::exporters::app
