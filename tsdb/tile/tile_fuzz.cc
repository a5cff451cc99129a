// SPDX-License-Identifier: Apache-2.0
//
// Tiles and blocks of timestamp columns: every slot of what parsed decodes or is refused, in bounds. The
// bytes are framed here, so that the checksum is right; frame_fuzz.cc is about the frame. The first byte
// says what the rest is: a tile, times, or numbers to build one from and then damage.
#include "tsdb/tile/tile.h"

#include "base/check.h"
#include "base/testing/fuzz.h"
#include "tsdb/tile/time_codec.h"

namespace tocsin::tsdb {
namespace {

void check_tile(std::string_view payload) {
  const std::string frame = make_frame(FrameKind::kTile, payload);
  const StatusOr<Tile> tile = Tile::parse(frame);
  if (!tile.ok()) return;
  CHECK(tile->count() <= kTileSeries);
  for (std::uint32_t slot = 0; slot < tile->count(); ++slot) {
    static_cast<void>(tile->id(slot));
    const StatusOr<TileRows> rows = tile->rows(slot);
    TileSamples samples;
    if (!tile->decode(slot, &samples).ok()) continue;
    CHECK(rows.ok() && rows->rows == samples.rows.rows && rows->rows <= kMaxRows);
    CHECK(samples.floats.size() == samples.rows.rows);
    CHECK(samples.start_ms.empty() || samples.start_ms.size() == samples.rows.rows);
    CHECK(samples.present.empty() || samples.present.size() == (samples.rows.rows + 63) / 64);
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
  struct Data {
    std::vector<double> floats;
    std::vector<std::uint64_t> present;
    std::vector<std::int64_t> starts;
  };
  std::vector<Data> all(in->byte() % 4 + 1U);
  std::vector<TileSeries> series;
  for (Data& data : all) {
    const std::uint8_t kind = in->byte();
    const std::uint32_t rows = in->byte() % 80 + 1U;
    double value = 0;
    for (std::uint32_t i = 0; i < rows; ++i) {
      value += static_cast<std::int8_t>(in->byte());
      data.floats.push_back(kind % 2 == 0 ? value / 10 : std::sqrt(value));
      if (kind & 4U) data.starts.push_back(i / 8);
    }
    if (kind & 8U) data.present.assign((rows + 63) / 64, 1U + kind);
    const TileRows where{kind, rows, rows};
    series.push_back({kind + 1ULL, where, data.floats, data.present, data.starts});
  }
  std::string payload = payload_of(FrameKind::kTile, encode_tile(series));
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
  const std::vector<std::span<const std::int64_t>> spans(columns.begin(), columns.end());
  std::string payload = payload_of(FrameKind::kTimes, encode_times_block(spans));
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
