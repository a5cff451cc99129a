// SPDX-License-Identifier: Apache-2.0
//
// tile  = frame(count | squeezed(heads | pieces))
// head  = varint(z << 2 | flagged << 1 | other rows), z = zigzag(step between ids - the last step)
//         | column: zigzag of the difference to the one before
//         | if other rows than the one before: first, rows | size of the piece
// piece = flags u8 if flagged | presence if kPartial | changes of start timestamps if kStarts
//         | values of present rows
// times block = frame(slots), each slot one column
#include "tsdb/tile/tile.h"

#include <utility>

#include "base/check.h"
#include "tsdb/tile/squeeze.h"
#include "tsdb/tile/time_codec.h"

namespace tocsin::tsdb {
namespace {

constexpr unsigned kPartial = 1;
constexpr unsigned kStarts = 2;
constexpr unsigned kPatched = 4;

bool has(std::span<const std::uint64_t> present, std::uint32_t row) {
  return ((present[row / 64] >> (row % 64)) & 1U) != 0;
}

void make_bitmap(const RowChanges& changes, std::vector<std::uint64_t>* bitmap) {
  bitmap->assign((std::size_t{changes.rows} + 63) / 64, 0);
  for (std::size_t at = 0; at < changes.changes.size(); ++at) {
    if (changes.changes[at].kind == Change::kAbsent) continue;
    for (std::uint32_t row = changes.changes[at].row; row < changes.end_of(at); ++row) {
      (*bitmap)[row / 64] |= std::uint64_t{1} << (row % 64);
    }
  }
}

// Rows [begin, end) of a bitmap.
std::vector<std::uint64_t> cut_bitmap(std::span<const std::uint64_t> bitmap, std::uint32_t begin,
                                      std::uint32_t end) {
  const std::uint32_t rows = end - begin;
  std::vector<std::uint64_t> result((std::size_t{rows} + 63) / 64);
  const unsigned shift = begin % 64;
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::size_t word = begin / 64 + i;
    result[i] = bitmap[word] >> shift;
    if (shift != 0 && word + 1 < bitmap.size()) result[i] |= bitmap[word + 1] << (64 - shift);
  }
  if (rows % 64 != 0) result.back() &= (std::uint64_t{1} << (rows % 64)) - 1;
  return result;
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

void TileBuilder::add_piece(const RowChanges& changes, unsigned* flags) {
  const std::size_t begin = pieces_.size();
  const bool partial = changes.count_present() != changes.rows;
  *flags = (partial ? kPartial : 0U) | (changes.start_ms.empty() ? 0U : kStarts);
  pieces_.push_back('\0');
  if (partial) {
    make_bitmap(changes, &bitmap_);
    encode_presence(bitmap_, changes.rows, &pieces_);
  }
  if (!changes.start_ms.empty()) encode_changes(changes.start_ms, &pieces_);
  if (values_.encode(changes, &pieces_)) *flags |= kPatched;
  if (*flags != 0) {
    pieces_[begin] = static_cast<char>(*flags);
  } else {
    pieces_.erase(begin, 1);
  }
}

void TileBuilder::add(std::uint64_t id, const TileRows& rows, const RowChanges& changes) {
  DCHECK(count_ < kTileSeries && rows.rows > 0 && rows.rows <= kMaxRows);
  DCHECK(changes.rows == rows.rows);
  const std::size_t begin = pieces_.size();
  unsigned flags = 0;
  add_piece(changes, &flags);
  const std::uint64_t step = id - last_id_;
  const bool other_rows = rows.first != last_rows_.first || rows.rows != last_rows_.rows;
  // Ids are below 2^61, so nothing is shifted out.
  put_varint(&heads_,
             zigzag(step - last_step_) << 2U | (flags != 0 ? 2U : 0U) | (other_rows ? 1U : 0U));
  put_varint(&heads_, zigzag(std::uint64_t{rows.column} - last_rows_.column));
  if (other_rows) {
    put_varint(&heads_, rows.first);
    put_varint(&heads_, rows.rows);
  }
  put_varint(&heads_, pieces_.size() - begin);
  last_id_ = id;
  last_step_ = step;
  last_rows_ = rows;
  ++count_;
}

std::string TileBuilder::finish() {
  std::string payload;
  put_varint(&payload, count_);
  heads_ += pieces_;
  if (effort_ == Effort::kCold) {
    squeeze(heads_, 3, &payload);
  } else {
    payload.push_back('\0');
    payload.append(heads_);
  }
  count_ = 0;
  last_id_ = 0;
  last_step_ = 0;
  last_rows_ = {};
  heads_.clear();
  pieces_.clear();
  return make_frame(FrameKind::kTile, payload);
}

std::string make_times_block(std::span<const std::string> columns) {
  CHECK(columns.size() <= kTileSeries);
  std::string payload;
  put_slots(columns, &payload);
  return make_frame(FrameKind::kTimes, payload);
}

StatusOr<Tile> Tile::parse(std::string_view frame) { return parse(frame, false); }
StatusOr<Tile> Tile::parse_owned(std::string_view frame) { return parse(frame, true); }

StatusOr<Tile> Tile::parse(std::string_view frame, bool owned) {
  ASSIGN_OR_RETURN(const std::string_view payload, open_frame(FrameKind::kTile, frame));
  ByteReader in(payload);
  Tile tile;
  const std::uint32_t count = in.varint32(kTileSeries);
  std::string_view bytes;
  if (!in.ok() || !unsqueeze(&in, &tile.unpacked_, &bytes)) return data_loss("damaged tile");
  if (owned && tile.unpacked_ == nullptr) {
    tile.unpacked_ = std::make_unique_for_overwrite<char[]>(bytes.size());
    bytes.copy(tile.unpacked_.get(), bytes.size());
    bytes = {tile.unpacked_.get(), bytes.size()};
  }
  if (!tile.parse_slots(bytes, count)) return data_loss("damaged tile");
  if (tile.unpacked_ != nullptr) tile.unpacked_bytes_ = bytes.size();
  return tile;
}

bool Tile::parse_slots(std::string_view bytes, std::uint32_t count) {
  ByteReader in(bytes);
  slots_.resize(count);
  std::array<std::uint32_t, kTileSeries> sizes;
  std::uint64_t step = 0;
  std::uint64_t id = 0;
  TileRows rows;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t head = in.varint();
    step += unzigzag(head >> 2U);
    id += step;
    rows.column += static_cast<std::uint32_t>(unzigzag(in.varint()));
    if ((head & 1U) != 0) {
      rows.first = in.varint32(kMaxRows);
      rows.rows = in.varint32(kMaxRows);
    }
    sizes[i] = in.varint32();
    if (!in.ok() || rows.rows == 0) return false;
    slots_[i] = {id, rows, (head & 2U) != 0, {}};
  }
  for (std::uint32_t i = 0; i < count; ++i) slots_[i].piece = in.bytes(sizes[i]);
  return in.ok() && in.at_end();
}

// A slot's bytes as far as its values.
struct Tile::Piece {
  ByteReader in{std::string_view()};
  unsigned flags = 0;
  std::vector<std::uint64_t> present;
  ValueShape shape;
};

Status Tile::open(std::uint32_t slot, Piece* piece) const {
  const Slot& it = slots_[slot];
  piece->in = ByteReader(it.piece);
  if (it.has_flags) piece->flags = piece->in.byte();
  if ((piece->flags & ~(kPartial | kStarts | kPatched)) != 0) {
    return unimplemented("not supported yet: flags {} of slot {}", piece->flags, slot);
  }
  piece->shape = {it.rows.rows, {}, it.rows.rows, (piece->flags & kPatched) != 0};
  if ((piece->flags & kPartial) != 0) {
    if (!decode_presence(&piece->in, it.rows.rows, &piece->present)) {
      return data_loss("damaged slot {}", slot);
    }
    piece->shape.present = piece->present;
    piece->shape.count = count_present(piece->present, it.rows.rows);
  }
  return ok();
}

Status Tile::decode(std::uint32_t slot, TileSamples* out) const {
  return decode(slot, 0, slots_[slot].rows.rows, out);
}

Status Tile::decode(std::uint32_t slot, std::uint32_t begin, std::uint32_t end,
                    TileSamples* out) const {
  Piece piece;
  RETURN_IF_ERROR(open(slot, &piece));
  const TileRows& its = slots_[slot].rows;
  DCHECK(begin < end && end <= its.rows);
  out->rows = {its.column, its.first + begin, end - begin};
  out->floats.clear();
  out->start_ms.clear();
  bool good = true;
  if ((piece.flags & kStarts) != 0) {
    good = decode_changes(&piece.in, its.rows, &out->start_ms);
    if (good) {
      out->start_ms.resize(end);
      out->start_ms.erase(out->start_ms.begin(), out->start_ms.begin() + begin);
    }
  }
  ValueRange range{begin, end};
  if ((piece.flags & kPartial) != 0) {
    range.begin = count_present(piece.present, begin);
    range.end = count_present(piece.present, end);
  }
  good = good && decode_values(&piece.in, piece.shape, range, &out->floats);
  const bool all = begin == 0 && end == its.rows;
  if (!good || (all && !piece.in.at_end())) return data_loss("damaged slot {}", slot);
  out->present = std::move(piece.present);
  if (out->present.empty()) return ok();
  if (!all) out->present = cut_bitmap(out->present, begin, end);
  spread(out->present, end - begin, &out->floats);
  return ok();
}

Status Tile::decode(std::uint32_t slot, RowChanges* out) const {
  Piece piece;
  RETURN_IF_ERROR(open(slot, &piece));
  out->clear();
  const bool starts = (piece.flags & kStarts) != 0;
  std::vector<std::int64_t> start_ms;
  bool good = !starts || decode_changes(&piece.in, slots_[slot].rows.rows, &start_ms);
  good = good && decode_values(&piece.in, piece.shape, out);
  out->start_ms = std::move(start_ms);
  if (!good || !piece.in.at_end()) return data_loss("damaged slot {}", slot);
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
