// SPDX-License-Identifier: Apache-2.0
//
// NoteStore: exemplars in a ring of fixed size, the oldest overwritten first, and metadata of series
// with equal ones kept once.
//
// Both are journaled, and written whole to a note file before the journal that has them is given up.
// Without a size exemplars are accepted and dropped, as Prometheus does when they are not enabled.
// Hides: both structures.
// Threads: shared; its lock is a leaf.
// Errors: kInvalidArgument for labels that are too long, kOutOfRange ("out of order exemplar").
// Read next: docs/formats/tsdb_notes.md.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "tsdb/notes/note.h"

namespace tocsin::tsdb {

// Of the names and values of an exemplar's labels together.
inline constexpr std::size_t kMaxExemplarRunes = 128;

enum class ExemplarVerdict { kTake, kDrop };  // kDrop: a repetition, or none are kept
// How `exemplar` follows `newest` of the same series.
StatusOr<ExemplarVerdict> judge_exemplar(const model::Exemplar& exemplar,
                                         const model::Exemplar* newest);

class NoteStore {
 public:
  // Drops the oldest that are too many.
  void set_max_exemplars(std::size_t count);
  void set_max_metadata_bytes(std::size_t bytes);

  // Compares with the newest of the series, `pending` when the batch has one. One whose time is
  // only assumed is dropped when it is the newest again but for the time.
  StatusOr<ExemplarVerdict> check(storage::SeriesId id, const model::Exemplar& exemplar,
                                  const model::Exemplar* pending) const;
  // Whether the series has this metadata already.
  bool has(storage::SeriesId id, const model::Metadata& metadata) const;
  // Notes that do not follow are left out, so applying the journal again changes nothing.
  void apply(const Note& note);
  void remove(storage::SeriesId id);

  // The exemplars of a series in [min_ms, max_ms], ascending.
  std::vector<model::Exemplar> exemplars(storage::SeriesId id, std::int64_t min_ms,
                                         std::int64_t max_ms) const;
  std::optional<model::Metadata> metadata(storage::SeriesId id) const;
  // What is said of any of the series, each once.
  std::vector<model::Metadata> distinct_metadata(std::span<const storage::SeriesId> ids) const;

  // All notes as the bytes of a note file; empty when nothing changed since the last call.
  std::optional<std::string> encode_if_changed();
  // Says that what encode_if_changed() gave was not written.
  void keep_changed();
  Status decode(std::string_view bytes);

  struct Stats {
    std::uint64_t exemplars = 0;
    std::uint64_t exemplar_series = 0;
    std::uint64_t exemplars_appended = 0;
    std::uint64_t metadata_series = 0;
    std::uint64_t metadata_bytes = 0;    // of distinct ones
    std::uint64_t metadata_dropped = 0;  // above the limit
  };
  Stats stats() const;

 private:
  struct Less {
    bool operator()(const model::Metadata& a, const model::Metadata& b) const {
      return std::tie(a.kind, a.unit, a.help) < std::tie(b.kind, b.unit, b.help);
    }
  };
  using Interned = std::map<model::Metadata, std::uint64_t, Less>;  // with how many series use it
  struct State {
    std::size_t max_exemplars = 0;
    std::size_t max_metadata_bytes = 0;
    std::deque<storage::SeriesId> ring;  // whose exemplars came, oldest first
    std::unordered_map<storage::SeriesId, std::deque<model::Exemplar>> exemplars;
    Interned interned;
    std::unordered_map<storage::SeriesId, Interned::iterator> metadata;
    bool changed = false;
    Stats stats;
  };
  static void apply_exemplar(storage::SeriesId id, const model::Exemplar& exemplar, State* state);
  static void apply_metadata(storage::SeriesId id, const model::Metadata& metadata, State* state);
  static void drop_oldest(State* state);
  static void forget_metadata(storage::SeriesId id, State* state);

  base::Guarded<State> state_;
};

}  // namespace tocsin::tsdb
