// SPDX-License-Identifier: Apache-2.0
//
// Self-metrics: counters, gauges, histograms and summaries of this process, and MetricFamily, the
// value that a page of metrics is made of (exporters fill it directly; formats/text_writer prints
// it).
//
//   Registry registry;
//   CounterVec& scrapes = registry.counter("prometheus_target_scrapes_total", "Scrapes.", {"job"});
//   scrapes.with({"node"}).inc();
//
// Threads: shared; inc/set/observe are lock-free or take one short lock. A metric lives as long as
// its registry, which must outlive every user.
// Errors: registering one name twice with another type
// or label names is a programmer error (CHECK); with the same it returns the existing metric.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace tocsin::base {

enum class MetricType { kCounter, kGauge, kHistogram, kSummary, kUntyped };

struct MetricSample {
  std::string suffix;  // "", "_bucket", "_sum", "_count"
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
};

struct MetricFamily {
  std::string name;
  std::string help;
  MetricType type = MetricType::kUntyped;
  std::vector<MetricSample> samples;
};

class Counter {
 public:
  void inc(double by = 1);  // REQUIRES: by >= 0
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double by);
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Histogram {
 public:
  explicit Histogram(std::vector<double> upper_bounds);
  void observe(double value);
  void append_samples(const std::vector<std::pair<std::string, std::string>>& labels,
                      std::vector<MetricSample>* out) const;

 private:
  const std::vector<double> upper_bounds_;  // ascending, without +Inf
  mutable Mutex mutex_;
  std::vector<std::uint64_t> counts_ ABSL_GUARDED_BY(mutex_);
  double sum_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Quantiles over the last 10 minutes (5 age buckets, bounded reservoir of 500 each).
class Summary {
 public:
  Summary(std::vector<double> quantiles, std::function<std::int64_t()> steady_ms);
  void observe(double value);
  void append_samples(const std::vector<std::pair<std::string, std::string>>& labels,
                      std::vector<MetricSample>* out) const;

 private:
  struct Age {
    std::int64_t number = 0;  // steady milliseconds / length of an age
    std::uint64_t seen = 0;
    std::vector<double> values;  // a uniform sample of what was seen
  };

  const std::vector<double> quantiles_;
  const std::function<std::int64_t()> steady_ms_;
  mutable Mutex mutex_;
  std::vector<Age> ages_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  double sum_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The metrics of one family, by label values. Children are created on first use and live until
// remove(); at most kMaxChildren, above which all further label values share one child labelled
// "overflow".
template <typename M>
class MetricVec {
 public:
  static constexpr std::size_t kMaxChildren = 20'000;

  MetricVec(std::vector<std::string> label_names, std::function<std::unique_ptr<M>()> make)
      : label_names_(std::move(label_names)), make_(std::move(make)) {}

  // REQUIRES: as many values as label names.
  M& with(const std::vector<std::string>& values);
  void remove(const std::vector<std::string>& values);
  void for_each(const std::function<void(const std::vector<std::pair<std::string, std::string>>&,
                                         const M&)>& visit) const;
  const std::vector<std::string>& label_names() const { return label_names_; }

 private:
  const std::vector<std::string> label_names_;
  const std::function<std::unique_ptr<M>()> make_;
  mutable Mutex mutex_;
  std::vector<std::pair<std::vector<std::string>, std::shared_ptr<M>>> children_
      ABSL_GUARDED_BY(mutex_);
};

using CounterVec = MetricVec<Counter>;
using GaugeVec = MetricVec<Gauge>;
using HistogramVec = MetricVec<Histogram>;
using SummaryVec = MetricVec<Summary>;

class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter& counter(std::string_view name, std::string_view help);
  Gauge& gauge(std::string_view name, std::string_view help);
  Histogram& histogram(std::string_view name, std::string_view help,
                       std::vector<double> upper_bounds);
  CounterVec& counter(std::string_view name, std::string_view help,
                      std::vector<std::string> labels);
  GaugeVec& gauge(std::string_view name, std::string_view help, std::vector<std::string> labels);
  HistogramVec& histogram(std::string_view name, std::string_view help,
                          std::vector<std::string> labels, std::vector<double> upper_bounds);
  SummaryVec& summary(std::string_view name, std::string_view help, std::vector<std::string> labels,
                      std::vector<double> quantiles);
  // Calls `collect` at each gather(); it appends whole families. For values that live elsewhere.
  void collector(std::function<void(std::vector<MetricFamily>*)> collect);

  // All families, sorted by name, samples sorted by labels.
  std::vector<MetricFamily> gather() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Appends process_cpu_seconds_total, process_resident_memory_bytes, process_virtual_memory_bytes,
// process_open_fds, process_max_fds, process_start_time_seconds and
// process_virtual_memory_max_bytes of this process.
void collect_process_metrics(std::vector<MetricFamily>* out);

}  // namespace tocsin::base
