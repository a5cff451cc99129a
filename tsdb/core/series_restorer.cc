// SPDX-License-Identifier: Apache-2.0
#include "tsdb/core/series_restorer.h"

#include <utility>

#include "base/check.h"

namespace tocsin::tsdb {

SeriesRestorer::~SeriesRestorer() { static_cast<void>(finish()); }

Status SeriesRestorer::add(NamedSeries series) {
  part_.push_back(std::move(series));
  return part_.size() < kPart ? ok() : hand_over();
}

Status SeriesRestorer::hand_over() {
  if (thread_ == nullptr) {
    thread_ = std::make_unique<base::ThreadPool>(base::ThreadPool::Options{"replay", 1, 1, 0});
    CHECK(thread_->post([this] { run(); }));
  }
  base::MutexLock lock(mutex_);
  while (waiting_.size() >= kMaxWaiting) changed_.wait(mutex_);
  waiting_.push_back(std::exchange(part_, {}));
  part_.reserve(kPart);
  changed_.notify_all();
  return status_;
}

void SeriesRestorer::run() {
  for (;;) {
    Part part;
    bool failed = false;
    {
      base::MutexLock lock(mutex_);
      while (waiting_.empty() && !ended_) changed_.wait(mutex_);
      if (waiting_.empty()) return;
      part = std::move(waiting_.front());
      waiting_.pop_front();
      failed = !status_.ok();
      changed_.notify_all();
    }
    if (failed) continue;
    Status restored = index_.restore(part);
    base::MutexLock lock(mutex_);
    status_ = std::move(restored);
  }
}

Status SeriesRestorer::finish() {
  const Part rest = std::exchange(part_, {});
  if (thread_ != nullptr) {
    {
      base::MutexLock lock(mutex_);
      ended_ = true;
      changed_.notify_all();
    }
    thread_->stop();
    thread_.reset();
  }
  base::MutexLock lock(mutex_);
  if (status_.ok() && !rest.empty()) status_ = index_.restore(rest);
  return status_;
}

}  // namespace tocsin::tsdb
