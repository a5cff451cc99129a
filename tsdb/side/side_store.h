// SPDX-License-Identifier: Apache-2.0
//
// SideStore: the part of the head that holds what is not an in-order float: per series an
// append-only log of side samples, in chunks that a seal takes over.
//
// A series without side data costs nothing here: whether it has some is one bit. A chunk belongs to
// an epoch of the head, is closed at a number of entries or when a later epoch writes, and is whole
// in itself. What a series had last is remembered after its chunks are sealed.
// Hides: the coding of samples.
// Threads: shared, except that apply() is called by one thread at a time (the commit leader). Its
// stripes are locked innermost.
// Errors: none; ids without side data are answered with nothing.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "tsdb/side/side_chunk.h"
#include "tsdb/side/side_codec.h"

namespace tocsin::tsdb {

class SideStore {
 public:
  SideStore();
  ~SideStore();
  SideStore(const SideStore&) = delete;
  SideStore& operator=(const SideStore&) = delete;

  // Whether the series has, or had since the start, side data. Cheap.
  bool has(storage::SeriesId id) const;
  // Whether any series has.
  bool any() const { return series_.load(std::memory_order_acquire) != 0; }

  struct Last {
    std::optional<std::int64_t> time_ms;  // of the newest in-order histogram
    SideValue value;                      // it; a float of 0 bits when it is in a run already
    bool in_memory = false;               // `value` is known
    std::int64_t start_ms = 0;            // of the newest in-order float, 0: none
  };
  Last last(storage::SeriesId id) const;
  // Sets the newest in-order histogram from runs, when none is known.
  void learn_last(storage::SeriesId id, std::int64_t time_ms);

  // Adds the sample to the log of `epoch`. False when it is in order no more: then another batch
  // has overtaken it.
  bool apply(const SideSample& sample, std::uint64_t epoch);

  // Appends the samples of chunks that touch [min_ms, max_ms], in the order of their coming, and
  // the start changes before them; not cut to the range.
  Status read(storage::SeriesId id, std::int64_t min_ms, std::int64_t max_ms,
              std::vector<SideSample>* out) const;
  bool has_samples(storage::SeriesId id, std::int64_t min_ms, std::int64_t max_ms) const;

  struct Sealed {
    storage::SeriesId id;
    std::shared_ptr<const SideChunk> chunk;
    bool starts = false;  // has start changes
  };
  // Closes the chunks of epochs before `epoch` and returns them, ascending by series, then age.
  std::vector<Sealed> close_before(std::uint64_t epoch);
  // Lets go of chunks that a run now holds.
  void drop(std::span<const Sealed> chunks);
  // Forgets the series and what it has here.
  void remove(storage::SeriesId id);

  struct Stats {
    std::uint64_t series = 0;      // that have, or had, side data
    std::uint64_t histograms = 0;  // applied
    std::uint64_t out_of_order = 0;
    std::uint64_t bytes = 0;  // of chunks in memory
  };
  Stats stats() const;

 private:
  static constexpr std::size_t kStripes = 64;
  static constexpr std::size_t kPageSeries = std::size_t{1} << 16U;

  struct Chunk : SideChunk {
    std::uint64_t epoch = 0;
    std::uint32_t entries = 0;
    std::uint64_t buckets = 0;
    bool starts = false;
    bool closed = false;
  };
  struct Record {
    std::vector<std::shared_ptr<Chunk>> chunks;  // oldest first
    std::unique_ptr<SideCodec> codec;            // of the open one
    std::optional<std::int64_t> newest_ms;       // of in-order histograms
    SideValue newest;
    bool newest_here = false;
    std::int64_t start_ms = 0;
    std::uint64_t start_epoch = 0;
  };
  struct Stripe {
    mutable base::Mutex mutex;
    std::unordered_map<storage::SeriesId, Record> records ABSL_GUARDED_BY(mutex);
  };
  using Page = std::array<std::atomic<std::uint64_t>, kPageSeries / 64>;

  Stripe& stripe(storage::SeriesId id) const { return stripes_[id.value() % kStripes]; }
  void mark(storage::SeriesId id);
  Chunk& open_chunk(Record* record, std::uint64_t epoch, const SideSample& sample);
  void put(const SideSample& sample, Chunk* chunk, SideCodec* codec);

  mutable std::array<Stripe, kStripes> stripes_;
  // Bits by id, in pages that are made when first needed and live as long as this object.
  std::unique_ptr<std::atomic<Page*>[]> pages_;
  std::atomic<std::uint64_t> series_{0};
  std::atomic<std::uint64_t> histograms_{0};
  std::atomic<std::uint64_t> out_of_order_{0};
  std::atomic<std::uint64_t> bytes_{0};
};

// Puts samples that are in the order of their coming into chunks; start changes are left out.
std::vector<SideChunk> make_side_chunks(std::span<const SideSample> samples);

}  // namespace tocsin::tsdb
