// SPDX-License-Identifier: Apache-2.0
//
// tile        = frame(ids | slots); ids = first varint, then zigzag of the difference to the one
// before, per slot;
//               the number of ids is that of the slots, which comes first as a varint
// slot        = column | first | rows | flags u8 | presence if kPartial | values of present rows
//               | changes of start timestamps if kStarts
// times block = frame(slots), each slot one column
#include "tsdb/tile/tile.h"

#include <utility>

#include "base/check.h"
#include "tsdb/tile/time_codec.h"
#include "tsdb/tile/value_codec.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint8_t kPartial = 1;
constexpr std::uint8_t kStarts = 2;

bool has(std::span<const std::uint64_t> present, std::uint32_t row) {
  return ((present[row / 64] >> (row % 64)) & 1U) != 0;
}

std::string encode_series(const TileSeries& series) {
  std::string out;
  const std::uint32_t rows = series.rows.rows;
  DCHECK(rows > 0 && rows <= kMaxRows && series.floats.size() == rows);
  const bool partial = !series.present.empty() && count_present(series.present, rows) != rows;
  put_varint(&out, series.rows.column);
  put_varint(&out, series.rows.first);
  put_varint(&out, rows);
  const unsigned flags = (partial ? kPartial : 0U) | (series.start_ms.empty() ? 0U : kStarts);
  out.push_back(static_cast<char>(flags));
  if (partial) {
    encode_presence(series.present, rows, &out);
    std::vector<double> values;
    for (std::uint32_t row = 0; row < rows; ++row) {
      if (has(series.present, row)) values.push_back(series.floats[row]);
    }
    encode_values(values, &out);
  } else {
    encode_values(series.floats, &out);
  }
  if (!series.start_ms.empty()) encode_changes(series.start_ms, &out);
  return out;
}

TileRows read_rows(ByteReader* in) {
  TileRows rows;
  rows.column = in->varint32();
  rows.first = in->varint32(kMaxRows);
  rows.rows = in->varint32(kMaxRows);
  if (rows.rows == 0) in->fail();
  return rows;
}

// Moves the values of present rows from the front to their rows.
void spread(std::span<const std::uint64_t> present, std::uint32_t rows,
            std::vector<double>* values) {
  std::size_t next = values->size();
  values->resize(rows);
  for (std::uint32_t row = rows; row-- > 0;) {
    (*values)[row] = has(present, row) ? (*values)[--next] : 0.0;
  }
}

}  // namespace

std::string encode_tile(std::span<const TileSeries> series) {
  CHECK(series.size() <= kTileSeries);
  std::string payload;
  std::vector<std::string> pieces;
  put_varint(&payload, series.size());
  std::uint64_t last = 0;
  for (const TileSeries& one : series) {
    put_varint(&payload, zigzag(one.id - last));
    last = one.id;
    pieces.push_back(encode_series(one));
  }
  put_slots(pieces, &payload);
  return make_frame(FrameKind::kTile, payload);
}

std::string encode_times_block(std::span<const std::span<const std::int64_t>> columns) {
  CHECK(columns.size() <= kTileSeries);
  std::vector<std::string> pieces;
  for (const auto& column : columns) encode_times(column, &pieces.emplace_back());
  std::string payload;
  put_slots(pieces, &payload);
  return make_frame(FrameKind::kTimes, payload);
}

StatusOr<Tile> Tile::parse(std::string_view frame) {
  ASSIGN_OR_RETURN(const std::string_view payload, open_frame(FrameKind::kTile, frame));
  ByteReader in(payload);
  Tile tile;
  tile.ids_.resize(in.varint32(kTileSeries));
  std::uint64_t last = 0;
  for (std::uint64_t& id : tile.ids_) id = last += unzigzag(in.varint());
  if (!in.ok() || !tile.slots_.parse(&in, kTileSeries) || tile.count() != tile.ids_.size()) {
    return data_loss("damaged tile");
  }
  return tile;
}

StatusOr<TileRows> Tile::rows(std::uint32_t slot) const {
  ByteReader in(slots_.piece(slot));
  const TileRows rows = read_rows(&in);
  if (!in.ok()) return data_loss("damaged slot {}", slot);
  return rows;
}

Status Tile::decode(std::uint32_t slot, TileSamples* out) const {
  ByteReader in(slots_.piece(slot));
  *out = TileSamples();
  out->rows = read_rows(&in);
  const unsigned flags = in.byte();
  if ((flags & ~(kPartial | kStarts)) != 0) {
    return unimplemented("not supported yet: flags {} of slot {}", flags, slot);
  }
  const std::uint32_t rows = out->rows.rows;
  bool good = in.ok();
  std::uint32_t values = rows;
  if (good && (flags & kPartial) != 0) {
    good = decode_presence(&in, rows, &out->present);
    if (good) values = count_present(out->present, rows);
  }
  good = good && decode_values(&in, values, &out->floats);
  if (good && (flags & kPartial) != 0) spread(out->present, rows, &out->floats);
  if (good && (flags & kStarts) != 0) good = decode_changes(&in, rows, &out->start_ms);
  if (!good || !in.at_end()) return data_loss("damaged slot {}", slot);
  return ok();
}

StatusOr<TimesBlock> TimesBlock::parse(std::string_view frame) {
  ASSIGN_OR_RETURN(const std::string_view payload, open_frame(FrameKind::kTimes, frame));
  ByteReader in(payload);
  TimesBlock block;
  if (!block.slots_.parse(&in, kTileSeries)) return data_loss("damaged timestamp block");
  return block;
}

Status TimesBlock::decode(std::uint32_t number, std::vector<std::int64_t>* out) const {
  if (number >= count()) return data_loss("no timestamp column {}", number);
  ByteReader in(slots_.piece(number));
  if (!decode_times(&in, out) || !in.at_end()) {
    return data_loss("damaged timestamp column {}", number);
  }
  return ok();
}

}  // namespace tocsin::tsdb
