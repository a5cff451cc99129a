// SPDX-License-Identifier: Apache-2.0
//
// FakeCollector: shows one gauge, fails, or is stuck, as a test says.
//
// Shared: collect() waits for the test inside a lock's CondVar, without a time limit.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "exporters/common/collector.h"

namespace tocsin::exporters::testing {

// What the test keeps of a collector that the Runner owns.
class CollectorControl {
 public:
  void set_result(Status result) {
    base::MutexLock lock(mutex_);
    result_ = std::move(result);
  }
  void hold() { set_held(true); }
  void release() { set_held(false); }
  void wait_for_starts(int count) {
    base::MutexLock lock(mutex_);
    while (starts_ < count) changed_.wait(mutex_);
  }
  int starts() const {
    base::MutexLock lock(mutex_);
    return starts_;
  }

  // Called by the collector; returns how many times it has run, this one included.
  std::pair<int, Status> run() {
    base::MutexLock lock(mutex_);
    const int mine = ++starts_;
    changed_.notify_all();
    while (held_) changed_.wait(mutex_);
    return {mine, result_};
  }

 private:
  void set_held(bool held) {
    base::MutexLock lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  int starts_ ABSL_GUARDED_BY(mutex_) = 0;
  Status result_ ABSL_GUARDED_BY(mutex_);
};

class FakeCollector final : public Collector {
 public:
  // One that tells shows a gauge fake_NAME_up 0 when it is late.
  FakeCollector(std::string name, CollectorControl& control, bool tells = false)
      : name_(std::move(name)), control_(control), tells_(tells) {}
  std::string_view name() const override { return name_; }
  Status collect(std::vector<base::MetricFamily>* out) override {
    auto [run, status] = control_.run();
    out->push_back({"fake_" + name_ + "_run",
                    "Runs so far.",
                    base::MetricType::kGauge,
                    {{"", {}, static_cast<double>(run)}}});
    return status;
  }
  void append_late(std::vector<base::MetricFamily>* out) const override {
    if (!tells_) return;
    out->push_back({"fake_" + name_ + "_up", "Up.", base::MetricType::kGauge, {{"", {}, 0.0}}});
  }

 private:
  const std::string name_;
  CollectorControl& control_;
  const bool tells_;
};

}  // namespace tocsin::exporters::testing
