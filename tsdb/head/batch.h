// SPDX-License-Identifier: Apache-2.0
//
// Batch: the changes of one Appender, in the order in which they are applied; what a journal record
// says.
//
// A value, confined to its appender until commit.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "storage/types.h"
#include "tsdb/head/change_log.h"
#include "tsdb/index/series_rows.h"
#include "tsdb/notes/note.h"
#include "tsdb/side/side_sample.h"

namespace tocsin::tsdb {

struct Batch {
  using NewSeries = NamedSeries;
  struct Definition {
    storage::GroupId group;
    std::vector<storage::SeriesId> members;
    bool shared = false;  // by the head; it keeps the series that are in a group already there
  };
  // Where a series was when its sample was checked; it may have moved since.
  // kRepeat: the series is in the batch already.
  enum class Home : std::uint8_t { kNone, kPool, kShared, kDefined, kRepeat };
  struct Sample {
    storage::SeriesId id;
    std::int64_t time_ms;
    std::uint64_t bits;
    storage::GroupId group = {};  // of kPool and kShared, else 0
    std::uint32_t slot = 0;
    Home home = Home::kNone;
    std::int64_t before_ms = 0;  // the newest sample before this one
  };
  // A row of a group. Member i has a sample when bit i % 64 of set[set_at + i / 64] is 1; its bits
  // are values[values_at + i], or a staleness marker in a stale row (which has no values).
  struct Row {
    storage::GroupId group;
    std::int64_t time_ms = 0;
    bool stale = false;
    std::uint32_t members = 0;
    std::size_t set_at = 0;
    std::size_t values_at = 0;
    std::size_t written_at = 0;  // of the row's tokens in `written`
    std::size_t written_count = 0;
  };
  // The token with which the journal wrote a changed value of a row. The head's change log takes it
  // over where it has the same base: `base_bits` with `base_exponent`.
  struct Written {
    std::uint32_t member;
    std::uint8_t base_exponent;
    std::uint8_t exponent;  // of the base that follows
    std::uint64_t base_bits;
    Token token;
  };
  enum class OpKind : std::uint8_t { kDefine, kSamples, kRow, kSide, kNotes };
  struct Op {
    OpKind kind;
    std::size_t first;  // index into definitions, samples, rows, side or notes
    std::size_t count;
  };

  std::vector<NewSeries> new_series;  // before everything else
  std::vector<Definition> definitions;
  std::vector<Sample> samples;
  std::vector<Row> rows;
  std::vector<SideSample> side;
  std::vector<Note> notes;
  std::vector<std::uint64_t> set;
  std::vector<std::uint64_t> values;
  std::vector<Written> written;  // by rows, ascending members; empty until the batch is encoded
  std::vector<Op> ops;
  bool repeats = false;  // a series has several samples

  bool empty() const { return new_series.empty() && ops.empty(); }
  bool is_set(const Row& row, std::uint32_t member) const {
    return ((set[row.set_at + member / 64] >> (member % 64)) & 1U) != 0;
  }
  void mark_set(const Row& row, std::uint32_t member) {
    set[row.set_at + member / 64] |= 1ULL << (member % 64);
  }
  // Members [first, first + count).
  void mark_set(const Row& row, std::uint32_t first, std::uint32_t count) {
    for (const std::uint32_t end = first + count; first != end;) {
      const std::uint32_t in_word = std::min(64 - first % 64, end - first);
      const std::uint64_t ones = in_word == 64 ? ~0ULL : (1ULL << in_word) - 1;
      set[row.set_at + first / 64] |= ones << (first % 64);
      first += in_word;
    }
  }
  void add_side(SideSample sample) {
    if (ops.empty() || ops.back().kind != OpKind::kSide)
      ops.push_back({OpKind::kSide, side.size(), 0});
    ++ops.back().count;
    side.push_back(std::move(sample));
  }
  void add_note(Note note) {
    if (ops.empty() || ops.back().kind != OpKind::kNotes) {
      ops.push_back({OpKind::kNotes, notes.size(), 0});
    }
    ++ops.back().count;
    notes.push_back(std::move(note));
  }
  // Keeps memory.
  void clear() {
    new_series.clear();
    definitions.clear();
    samples.clear();
    rows.clear();
    side.clear();
    notes.clear();
    set.clear();
    values.clear();
    written.clear();
    ops.clear();
    repeats = false;
  }
  std::size_t memory_bytes() const {
    const auto of = [](const auto& values_of) {
      return values_of.capacity() * sizeof(values_of[0]);
    };
    return of(new_series) + of(definitions) + of(samples) + of(rows) + of(side) + of(notes) +
           of(set) + of(values) + of(written) + of(ops);
  }
};

}  // namespace tocsin::tsdb
