// SPDX-License-Identifier: Apache-2.0
//
// Tile: the samples of up to 64 series of one run, each decodable alone, and TimesBlock: up to 64
// timestamp columns that series of the run share.
//
// Encoders build values; Tile and TimesBlock borrow the frame they were parsed from.
// Threads: confined.
// Errors: kDataLoss for damaged bytes, kUnimplemented for what a newer program
// wrote.
// Read next: docs/formats/tsdb_runs.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "tsdb/tile/frame.h"

namespace tocsin::tsdb {

inline constexpr std::uint32_t kTileSeries = 64;

// Rows [first, first + rows) of timestamp column `column` of the run.
struct TileRows {
  std::uint32_t column = 0;
  std::uint32_t first = 0;
  std::uint32_t rows = 0;
};

struct TileSeries {
  std::uint64_t id = 0;
  TileRows rows;
  std::span<const double> floats;          // one per row
  std::span<const std::uint64_t> present;  // bitmap over rows; empty: all
  std::span<const std::int64_t> start_ms;  // one per row; empty: none
};

struct TileSamples {
  TileRows rows;
  std::vector<double> floats;  // one per row; 0 where not present
  std::vector<std::uint64_t> present;
  std::vector<std::int64_t> start_ms;
};

// REQUIRES: at most kTileSeries series, each of 1 to kMaxRows rows.
std::string encode_tile(std::span<const TileSeries> series);
// REQUIRES: at most kTileSeries columns, each strictly ascending and of at most kMaxRows rows.
std::string encode_times_block(std::span<const std::span<const std::int64_t>> columns);

class Tile {
 public:
  static StatusOr<Tile> parse(std::string_view frame);

  std::uint32_t count() const { return slots_.count(); }
  // REQUIRES for all: slot < count().
  std::uint64_t id(std::uint32_t slot) const { return ids_[slot]; }
  StatusOr<TileRows> rows(std::uint32_t slot) const;
  Status decode(std::uint32_t slot, TileSamples* out) const;

 private:
  Tile() = default;
  std::vector<std::uint64_t> ids_;
  Slots slots_;
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
