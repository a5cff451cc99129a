// SPDX-License-Identifier: Apache-2.0
#include "storage/limits.h"

#include "base/mutex.h"
#include "storage/appender.h"

namespace tocsin::storage {

MemoryAccount::MemoryAccount(std::uint64_t limit_bytes, MemoryAccount* parent)
    : limit_(limit_bytes), parent_(parent) {}

MemoryAccount::~MemoryAccount() {
  if (parent_ != nullptr) parent_->release(used());
}

Status MemoryAccount::charge(std::uint64_t bytes) {
  const std::uint64_t now = used_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (limit_ != 0 && now > limit_) {
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    refused_.store(true, std::memory_order_relaxed);
    return resource_exhausted("query needs more than its limit of {} bytes of memory", limit_);
  }
  if (parent_ != nullptr) {
    if (Status status = parent_->charge(bytes); !status.ok()) {
      used_.fetch_sub(bytes, std::memory_order_relaxed);
      refused_.store(true, std::memory_order_relaxed);
      return status;
    }
  }
  std::uint64_t peak = peak_.load(std::memory_order_relaxed);
  while (now > peak && !peak_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
  return ok();
}

void MemoryAccount::release(std::uint64_t bytes) {
  used_.fetch_sub(bytes, std::memory_order_relaxed);
  if (parent_ != nullptr) parent_->release(bytes);
}

Status CancelToken::check(std::string_view where) const {
  const bool gone = abandoned_ != nullptr && abandoned_->load(std::memory_order_relaxed);
  if (gone || cancelled_.load(std::memory_order_relaxed)) {
    return cancelled("query was canceled in {}", where);
  }
  if (clock_ != nullptr && clock_->steady_now() >= deadline_) {
    return deadline_exceeded("query timed out in {}", where);
  }
  return ok();
}

void Appender::append_known(std::span<const KnownSample> samples, const Refused& refused) {
  const model::Labels no_labels;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const KnownSample& sample = samples[i];
    AppendOptions options;
    if (sample.start_ms != 0) options.start = model::from_ms(sample.start_ms);
    const StatusOr<AppendResult> result =
        append(sample.ref, no_labels, sample.t, sample.value, options);
    if (!result.ok()) refused(i, result.status());
  }
}

Status commit_and_wait(Appender& appender) {
  struct Shared {
    base::Mutex mutex;
    base::CondVar ready;
    std::optional<Status> status;
  };
  auto shared = std::make_shared<Shared>();
  appender.commit([shared](Status status) {
    base::MutexLock lock(shared->mutex);
    shared->status = std::move(status);
    shared->ready.notify_one();
  });
  base::MutexLock lock(shared->mutex);
  while (!shared->status) shared->ready.wait(shared->mutex);
  return *shared->status;
}

}  // namespace tocsin::storage
