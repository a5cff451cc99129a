// SPDX-License-Identifier: Apache-2.0
//
// SeriesBudget keeps the number of series of one source bounded, whatever a log, a client or a queue
// sends as label values.
//
// A series that is new when max_series are alive is folded: all its label values become "other", so
// that sums stay true. Values are cut to kMaxValueBytes.
//
// Threads: admit() and release() belong to one thread at a time (the lock of the source);
// dropped() is shared. Does not fail.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/hash.h"
#include "exporters/common/families.h"

namespace tocsin::exporters::app {

class SeriesBudget {
 public:
  static constexpr std::size_t kDefaultMaxSeries = 5000;
  static constexpr std::size_t kMaxValueBytes = 256;
  static constexpr std::string_view kOther = "other";

  explicit SeriesBudget(std::size_t max_series = kDefaultMaxSeries);
  SeriesBudget(const SeriesBudget&) = delete;
  SeriesBudget& operator=(const SeriesBudget&) = delete;

  enum class Verdict { kKnown, kNew, kFolded };
  // Cuts the values of `labels` (sorted by name; only those that vary, not the configured ones) and
  // decides under which labels a sample of `metric` counts; kFolded has changed them to "other". A
  // series without labels is never folded. A histogram is one series.
  Verdict admit(std::string_view metric, LabelPairs* labels);
  // The series is gone (its time is up) and makes room. `labels` as admit() left them.
  void release(std::string_view metric, const LabelPairs& labels);

  std::size_t size() const { return alive_.size(); }
  // Samples that were folded.
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

  // Cuts `value` before the byte limit, never inside a character; what is no UTF-8 becomes '?'.
  static void cut_value(std::string* value);

 private:
  struct KeyHash {
    std::size_t operator()(const base::Hash128& key) const { return key.low; }
  };
  base::Hash128 key_of(std::string_view metric, const LabelPairs& labels);

  const std::size_t max_series_;
  // Of this process, so that nobody can choose texts that collide.
  const base::Hash128 seed_{base::random_u64(), base::random_u64()};
  std::unordered_set<base::Hash128, KeyHash> alive_;
  std::string scratch_;
  std::atomic<std::uint64_t> dropped_ = 0;
};

}  // namespace tocsin::exporters::app
