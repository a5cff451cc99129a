// SPDX-License-Identifier: Apache-2.0
#include "tsdb/side/side_store.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace tocsin::tsdb {

using storage::SeriesId;

namespace {

constexpr std::size_t kPages = std::size_t{1} << 16U;  // for ids below 2^32
constexpr std::size_t kMaxChunkBytes = std::size_t{1} << 16U;

bool starts_change(const SideSample& sample) {
  return std::holds_alternative<StartChange>(sample.value);
}

void set_hint(model::CounterResetHint hint, SideValue* value) {
  if (auto* h = std::get_if<model::Histogram>(value)) h->reset_hint = hint;
  if (auto* h = std::get_if<model::FloatHistogram>(value)) h->reset_hint = hint;
}

}  // namespace

SideStore::SideStore() : pages_(std::make_unique<std::atomic<Page*>[]>(kPages)) {}

SideStore::~SideStore() {
  for (std::size_t i = 0; i < kPages; ++i) delete pages_[i].load(std::memory_order_relaxed);
}

bool SideStore::has(SeriesId id) const {
  const std::size_t page = id.value() / kPageSeries;
  if (page >= kPages) return false;
  const Page* bits = pages_[page].load(std::memory_order_acquire);
  if (bits == nullptr) return false;
  const std::size_t at = id.value() % kPageSeries;
  return (((*bits)[at / 64].load(std::memory_order_acquire) >> (at % 64)) & 1U) != 0;
}

void SideStore::mark(SeriesId id) {
  const std::size_t page = id.value() / kPageSeries;
  CHECK(page < kPages);
  Page* bits = pages_[page].load(std::memory_order_acquire);
  if (bits == nullptr) {
    auto made = std::make_unique<Page>();
    if (pages_[page].compare_exchange_strong(bits, made.get())) bits = made.release();
  }
  const std::size_t at = id.value() % kPageSeries;
  (*bits)[at / 64].fetch_or(std::uint64_t{1} << (at % 64));
}

SideStore::Last SideStore::last(SeriesId id) const {
  Last out;
  if (!has(id)) return out;
  const Stripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  const auto found = s.records.find(id);
  if (found == s.records.end()) return out;
  const Record& record = found->second;
  return {record.newest_ms, record.newest, record.newest_here, record.start_ms};
}

void SideStore::learn_last(SeriesId id, std::int64_t time_ms) {
  Stripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  const auto [at, inserted] = s.records.try_emplace(id);
  if (inserted) series_.fetch_add(1);
  if (!at->second.newest_ms) at->second.newest_ms = time_ms;
  mark(id);
}

// Starts a chunk when there is none of this epoch or the last one is full.
SideStore::Chunk& SideStore::open_chunk(Record* record, std::uint64_t epoch,
                                        const SideSample& sample) {
  Chunk* last = record->chunks.empty() ? nullptr : record->chunks.back().get();
  const bool fits = last != nullptr && !last->closed && last->epoch == epoch &&
                    last->entries < kMaxSideEntries && last->bytes.size() < kMaxChunkBytes &&
                    last->buckets + buckets_of(sample.value) <= kMaxSideBuckets;
  if (fits) return *last;
  if (last != nullptr) {
    last->closed = true;
    last->bytes.shrink_to_fit();
  }
  record->codec = std::make_unique<SideCodec>();
  record->chunks.push_back(std::make_shared<Chunk>());
  record->chunks.back()->epoch = epoch;
  return *record->chunks.back();
}

void SideStore::put(const SideSample& sample, Chunk* chunk, SideCodec* codec) {
  const std::size_t before = chunk->bytes.size();
  codec->put(sample, &chunk->bytes);
  bytes_.fetch_add(chunk->bytes.size() - before);
  ++chunk->entries;
  chunk->buckets += buckets_of(sample.value);
  if (starts_change(sample)) {
    chunk->starts = true;
  } else {
    chunk->take_in(sample.time_ms);
  }
}

bool SideStore::apply(const SideSample& sample, std::uint64_t epoch) {
  Stripe& s = stripe(sample.id);
  base::MutexLock lock(s.mutex);
  const auto [at, inserted] = s.records.try_emplace(sample.id);
  Record& record = at->second;
  if (inserted) series_.fetch_add(1);
  mark(sample.id);
  if (starts_change(sample)) {
    // Once in each epoch, so that what is sealed needs nothing from before.
    const bool known = record.start_epoch == epoch && record.start_ms == sample.start_ms;
    record.start_epoch = epoch;
    record.start_ms = sample.start_ms;
    if (known) return true;
    Chunk& chunk = open_chunk(&record, epoch, sample);
    put(sample, &chunk, record.codec.get());
    return true;
  }
  if (!sample.out_of_order && record.newest_ms && sample.time_ms <= *record.newest_ms) return false;
  Chunk& chunk = open_chunk(&record, epoch, sample);
  SideSample stored = sample;
  set_hint(record.codec->hint_of(sample), &stored.value);
  put(stored, &chunk, record.codec.get());
  if (sample.out_of_order) {
    out_of_order_.fetch_add(1);
  } else {
    record.newest_ms = sample.time_ms;
    record.newest = std::move(stored.value);
    record.newest_here = true;
  }
  if (is_histogram(sample.value)) histograms_.fetch_add(1);
  return true;
}

Status SideStore::read(SeriesId id, std::int64_t min_ms, std::int64_t max_ms,
                       std::vector<SideSample>* out) const {
  if (!has(id)) return ok();
  std::vector<std::string> copies;
  {
    const Stripe& s = stripe(id);
    base::MutexLock lock(s.mutex);
    const auto found = s.records.find(id);
    if (found == s.records.end()) return ok();
    for (const std::shared_ptr<Chunk>& chunk : found->second.chunks) {
      if (chunk->starts || chunk->overlaps(min_ms, max_ms)) copies.push_back(chunk->bytes);
    }
  }
  for (const std::string& bytes : copies) RETURN_IF_ERROR(decode_side(bytes, id, out));
  return ok();
}

bool SideStore::has_samples(SeriesId id, std::int64_t min_ms, std::int64_t max_ms) const {
  if (!has(id)) return false;
  const Stripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  const auto found = s.records.find(id);
  return found != s.records.end() &&
         std::any_of(found->second.chunks.begin(), found->second.chunks.end(),
                     [&](const auto& chunk) { return chunk->overlaps(min_ms, max_ms); });
}

std::vector<SideStore::Sealed> SideStore::close_before(std::uint64_t epoch) {
  std::vector<Sealed> out;
  for (Stripe& s : stripes_) {
    base::MutexLock lock(s.mutex);
    for (auto& [id, record] : s.records) {
      for (const std::shared_ptr<Chunk>& chunk : record.chunks) {
        if (chunk->epoch >= epoch) continue;
        chunk->closed = true;
        out.push_back({id, chunk, chunk->starts});
      }
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Sealed& a, const Sealed& b) { return a.id < b.id; });
  return out;
}

void SideStore::drop(std::span<const Sealed> chunks) {
  for (const Sealed& sealed : chunks) {
    Stripe& s = stripe(sealed.id);
    base::MutexLock lock(s.mutex);
    const auto found = s.records.find(sealed.id);
    if (found == s.records.end()) continue;
    Record& record = found->second;
    const std::size_t erased =
        std::erase_if(record.chunks, [&](const auto& chunk) { return chunk == sealed.chunk; });
    if (erased != 0) bytes_.fetch_sub(sealed.chunk->bytes.size());
    if (!record.chunks.empty()) continue;
    record.codec.reset();
    record.newest = std::uint64_t{0};
    record.newest_here = false;
  }
}

void SideStore::remove(SeriesId id) {
  if (!has(id)) return;
  Stripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  const auto found = s.records.find(id);
  if (found == s.records.end()) return;
  for (const auto& chunk : found->second.chunks) bytes_.fetch_sub(chunk->bytes.size());
  s.records.erase(found);
  series_.fetch_sub(1);
  const std::size_t at = id.value() % kPageSeries;
  (*pages_[id.value() / kPageSeries].load())[at / 64].fetch_and(~(std::uint64_t{1} << (at % 64)));
}

SideStore::Stats SideStore::stats() const {
  return {series_.load(), histograms_.load(), out_of_order_.load(), bytes_.load()};
}

std::vector<SideChunk> make_side_chunks(std::span<const SideSample> samples) {
  std::vector<SideChunk> chunks;
  SideCodec codec;
  std::uint32_t entries = 0;
  std::uint64_t buckets = 0;
  for (const SideSample& sample : samples) {
    if (starts_change(sample)) continue;
    const std::uint64_t more = buckets_of(sample.value);
    if (chunks.empty() || entries == kMaxSideEntries || buckets + more > kMaxSideBuckets ||
        chunks.back().bytes.size() >= kMaxChunkBytes) {
      chunks.emplace_back();
      codec = SideCodec();
      entries = 0;
      buckets = 0;
    }
    codec.put(sample, &chunks.back().bytes);
    chunks.back().take_in(sample.time_ms);
    ++entries;
    buckets += more;
  }
  return chunks;
}

}  // namespace tocsin::tsdb
