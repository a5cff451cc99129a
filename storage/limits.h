// SPDX-License-Identifier: Apache-2.0
//
// MemoryAccount and CancelToken: what every query carries so that it can be charged, listed and
// killed.
//
// Threads: shared.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/status.h"
#include "base/time.h"

namespace tocsin::storage {

// Counts the bytes a query holds. Accounts form a tree: a charge counts in the parent too.
class MemoryAccount {
 public:
  // limit_bytes 0 means no limit of its own. Borrows: parent (may be null, must outlive it).
  explicit MemoryAccount(std::uint64_t limit_bytes, MemoryAccount* parent = nullptr);
  ~MemoryAccount();  // gives back what is still charged
  MemoryAccount(const MemoryAccount&) = delete;
  MemoryAccount& operator=(const MemoryAccount&) = delete;

  // kResourceExhausted when this or a parent would exceed its limit; nothing is charged then.
  Status charge(std::uint64_t bytes);
  void release(std::uint64_t bytes);
  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  std::uint64_t peak() const { return peak_.load(std::memory_order_relaxed); }
  // Whether a charge to this account was ever refused.
  bool refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t limit_;
  MemoryAccount* const parent_;
  std::atomic<std::uint64_t> used_{0};
  std::atomic<std::uint64_t> peak_{0};
  std::atomic<bool> refused_{false};
};

// Set once, from any thread, to stop a query; checked at least once per batch of series.
class CancelToken {
 public:
  CancelToken() = default;
  // Also counts as cancelled (kDeadlineExceeded) once `clock` passes `deadline`, and once
  // `abandoned` is true: nobody waits for the answer any more. Borrows: all; `abandoned` may be
  // null.
  CancelToken(const base::Clock* clock, base::SteadyTime deadline,
              const std::atomic<bool>* abandoned = nullptr)
      : clock_(clock), deadline_(deadline), abandoned_(abandoned) {}

  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  // OK, kCancelled ("query was canceled in WHERE") or kDeadlineExceeded ("query timed out in WHERE").
  Status check(std::string_view where = "expression evaluation") const;

 private:
  std::atomic<bool> cancelled_{false};
  const base::Clock* clock_ = nullptr;
  base::SteadyTime deadline_{};
  const std::atomic<bool>* abandoned_ = nullptr;
};

}  // namespace tocsin::storage
