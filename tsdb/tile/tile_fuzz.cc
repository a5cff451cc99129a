// SPDX-License-Identifier: Apache-2.0
//
// Tiles and blocks of timestamp columns: every slot of what parsed decodes or is refused, in bounds. The
// bytes are framed here, so that the checksum is right; frame_fuzz.cc is about the frame. The first byte
// says what the rest is: a tile, times, or numbers to build one from and then damage.
#include "tsdb/tile/tile.h"

#include <bit>

#include "base/check.h"
#include "base/testing/fuzz.h"
#include "tsdb/tile/time_codec.h"

namespace tocsin::tsdb {
namespace {

// The middle third of a slot that decodes as a whole.
void check_part(const Tile& tile, std::uint32_t slot, const TileSamples& all) {
  const std::uint32_t begin = all.rows.rows / 3;
  const std::uint32_t end = begin + (all.rows.rows + 2) / 3;
  TileSamples part;
  CHECK(tile.decode(slot, begin, end, &part).ok());
  CHECK(part.floats.size() == end - begin);
  for (std::uint32_t row = begin; row < end; ++row) {
    CHECK(std::bit_cast<std::uint64_t>(part.floats[row - begin]) ==
          std::bit_cast<std::uint64_t>(all.floats[row]));
  }
}

void check_tile(std::string_view payload) {
  const std::string frame = make_frame(FrameKind::kTile, payload);
  const StatusOr<Tile> tile = Tile::parse(frame);
  if (!tile.ok()) return;
  CHECK(tile->count() <= kTileSeries);
  for (std::uint32_t slot = 0; slot < tile->count(); ++slot) {
    static_cast<void>(tile->id(slot));
    const TileRows& rows = tile->rows(slot);
    TileSamples samples;
    RowChanges changes;
    const bool good = tile->decode(slot, &samples).ok();
    CHECK(tile->decode(slot, &changes).ok() == good);
    if (!good) continue;
    CHECK(rows.rows == samples.rows.rows && rows.rows <= kMaxRows && changes.rows == rows.rows);
    CHECK(samples.floats.size() == samples.rows.rows);
    CHECK(samples.start_ms.empty() || samples.start_ms.size() == samples.rows.rows);
    CHECK(samples.present.empty() || samples.present.size() == (samples.rows.rows + 63) / 64);
    check_part(*tile, slot, samples);
  }
}

void check_times(std::string_view payload) {
  const std::string frame = make_frame(FrameKind::kTimes, payload);
  const StatusOr<TimesBlock> block = TimesBlock::parse(frame);
  if (!block.ok()) return;
  for (std::uint32_t number = 0; number < block->count(); ++number) {
    std::vector<std::int64_t> times;
    if (!block->decode(number, &times).ok()) continue;
    CHECK(times.size() <= kMaxRows);
    for (std::size_t i = 1; i < times.size(); ++i) CHECK(times[i - 1] < times[i]);
  }
}

// Takes pairs of position and byte from `in` and puts them into `payload`.
void damage(ByteReader* in, std::string* payload) {
  while (in->remaining() >= 3 && !payload->empty()) {
    const auto position = in->fixed<std::uint16_t>();
    (*payload)[position % payload->size()] = static_cast<char>(in->byte());
  }
}

std::string payload_of(FrameKind kind, const std::string& frame) {
  const StatusOr<std::string_view> payload = open_frame(kind, frame);
  CHECK(payload.ok());
  return std::string(*payload);
}

// A tile made of what the bytes say, decoded, then damaged and decoded again.
void built_tile(ByteReader* in) {
  const std::uint8_t head = in->byte();
  TileBuilder builder(head >= 128 ? Effort::kCold : Effort::kSeal);
  for (unsigned left = head % 4 + 1U; left > 0; --left) {
    const std::uint8_t kind = in->byte();
    const std::uint32_t rows = in->byte() % 80 + 1U;
    RowChanges changes;
    std::vector<std::int64_t> starts;
    double value = 0;
    for (std::uint32_t i = 0; i < rows; ++i) {
      value += static_cast<std::int8_t>(in->byte());
      const double kept = kind % 2 == 0 ? value / 10 : std::sqrt(value);
      if (i > 0 && (kind & 8U) && (i * kind) % 7 == 0) {
        changes.append_absent(1);
      } else {
        changes.append_bits(1, std::bit_cast<std::uint64_t>(kept));
      }
      if (kind & 4U) starts.push_back(i / 8);
    }
    changes.start_ms = starts;
    builder.add(kind + 1ULL, {kind, rows, rows}, changes);
  }
  std::string payload = payload_of(FrameKind::kTile, builder.finish());
  check_tile(payload);
  damage(in, &payload);
  check_tile(payload);
}

void built_times(ByteReader* in) {
  std::vector<std::vector<std::int64_t>> columns(in->byte() % 3 + 1U);
  for (auto& column : columns) {
    std::int64_t t = in->fixed<std::int32_t>();
    for (std::uint32_t rows = in->byte() % 80 + 1U; rows > 0; --rows) {
      column.push_back(t += in->byte() + 1);
    }
  }
  std::vector<std::string> encoded;
  for (const auto& column : columns) encode_times(column, &encoded.emplace_back());
  std::string payload = payload_of(FrameKind::kTimes, make_times_block(encoded));
  check_times(payload);
  damage(in, &payload);
  check_times(payload);
}

void fuzz(std::string_view bytes) {
  if (bytes.empty()) return;
  const std::string_view rest = bytes.substr(1);
  ByteReader in(rest);
  switch (bytes.front()) {
    case 'b':
      return built_tile(&in);
    case 'c':
      return built_times(&in);
    case 't':
      return check_times(rest);
    default:
      check_tile(rest);
  }
}

}  // namespace

TOCSIN_FUZZ_TARGET(tile, fuzz)

}  // namespace tocsin::tsdb
