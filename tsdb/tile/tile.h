// SPDX-License-Identifier: Apache-2.0
//
// Tile: the samples of up to 64 series of one run, each decodable alone, and TimesBlock: up to 64
// timestamp columns that series of the run share.
//
// Builders make values; TimesBlock borrows the frame it was parsed from, and so does a Tile that is
// not compressed.
// Threads: confined.
// Errors: kDataLoss for damaged bytes, kUnimplemented for what a newer program
// wrote.
// Read next: docs/formats/tsdb_runs.md.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "tsdb/tile/frame.h"
#include "tsdb/tile/rows.h"
#include "tsdb/tile/value_codec.h"

namespace tocsin::tsdb {

inline constexpr std::uint32_t kTileSeries = 64;

// Rows [first, first + rows) of timestamp column `column` of the run.
struct TileRows {
  std::uint32_t column = 0;
  std::uint32_t first = 0;
  std::uint32_t rows = 0;
};

// Rows [first, first + rows.rows) of the column; of a part of a series first is that of the part.
struct TileSamples {
  TileRows rows;
  std::vector<double> floats;  // one per row; 0 where not present
  std::vector<std::uint64_t> present;
  std::vector<std::int64_t> start_ms;
};

// Puts up to 64 series into one tile after the other.
class TileBuilder {
 public:
  explicit TileBuilder(Effort effort) : effort_(effort), values_(effort) {}

  // REQUIRES: count() < kTileSeries, rows.rows == changes.rows, 1 to kMaxRows, a row is present.
  void add(std::uint64_t id, const TileRows& rows, const RowChanges& changes);
  std::uint32_t count() const { return count_; }
  std::size_t bytes() const { return heads_.size() + pieces_.size(); }
  // The frame; the builder is empty after it.
  std::string finish();

 private:
  void add_piece(const RowChanges& changes, unsigned* flags);

  const Effort effort_;
  ValueEncoder values_;
  std::uint32_t count_ = 0;
  std::uint64_t last_id_ = 0;
  std::uint64_t last_step_ = 0;
  TileRows last_rows_;
  std::string heads_;
  std::string pieces_;
  std::vector<std::uint64_t> bitmap_;
};

// REQUIRES: at most kTileSeries columns, each as encode_times() makes it.
std::string make_times_block(std::span<const std::string> columns);

class Tile {
 public:
  static StatusOr<Tile> parse(std::string_view frame);
  // Borrows nothing of the frame.
  static StatusOr<Tile> parse_owned(std::string_view frame);
  Tile(Tile&&) = default;
  Tile& operator=(Tile&&) = default;

  std::uint32_t count() const { return static_cast<std::uint32_t>(slots_.size()); }
  // REQUIRES for all: slot < count().
  std::uint64_t id(std::uint32_t slot) const { return slots_[slot].id; }
  const TileRows& rows(std::uint32_t slot) const { return slots_[slot].rows; }
  // Without a frame that it borrows.
  std::size_t memory_bytes() const { return slots_.size() * sizeof(Slot) + unpacked_bytes_; }
  Status decode(std::uint32_t slot, TileSamples* out) const;
  // Rows [begin, end) of the slot, which are the same when all of it decodes; takes time for few other
  // ones. REQUIRES: begin < end <= rows(slot).rows.
  Status decode(std::uint32_t slot, std::uint32_t begin, std::uint32_t end, TileSamples* out) const;
  // Replaces what `out` holds.
  Status decode(std::uint32_t slot, RowChanges* out) const;

 private:
  struct Slot {
    std::uint64_t id = 0;
    TileRows rows;
    bool has_flags = false;
    std::string_view piece;
  };
  struct Piece;
  Tile() = default;
  static StatusOr<Tile> parse(std::string_view frame, bool owned);
  bool parse_slots(std::string_view bytes, std::uint32_t count);
  Status open(std::uint32_t slot, Piece* piece) const;

  std::vector<Slot> slots_;
  std::unique_ptr<char[]> unpacked_;
  std::size_t unpacked_bytes_ = 0;
};

class TimesBlock {
 public:
  static StatusOr<TimesBlock> parse(std::string_view frame);
  std::uint32_t count() const { return slots_.count(); }
  Status decode(std::uint32_t number, std::vector<std::int64_t>* out) const;

 private:
  TimesBlock() = default;
  Slots slots_;
};

}  // namespace tocsin::tsdb
