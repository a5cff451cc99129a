// SPDX-License-Identifier: Apache-2.0
#include "tsdb/head/chunk.h"

#include "tsdb/head/change_log.h"

namespace tocsin::tsdb {

Piece decode_own_log(std::string_view log, std::uint32_t rows, std::int64_t base_ms) {
  auto times = std::make_shared<storage::TimestampColumn>();
  times->ms.reserve(rows);
  Piece piece;
  ByteReader reader(log);
  auto ms = static_cast<std::uint64_t>(base_ms);
  std::int32_t step = 0;
  std::uint32_t next_row = 0;
  for (std::uint32_t row = 0; row < rows && reader.ok(); ++row) {
    const std::uint64_t head = reader.varint();
    const std::uint64_t taken =
        unzigzag(head >> 1U) + static_cast<std::uint64_t>(std::int64_t{step});
    step = static_cast<std::int32_t>(taken);
    ms += taken;
    times->ms.push_back(static_cast<std::int64_t>(ms));
    if ((head & 1U) == 0) continue;
    Token token;
    token.code = reader.varint();
    const std::string_view before = log.substr(log.size() - reader.remaining());
    Decimal base;
    static_cast<void>(read_token(token.code, &reader, &base));
    token.extra_size = static_cast<std::uint8_t>(before.size() - reader.remaining());
    before.copy(token.extra, token.extra_size);
    char bytes[kMaxTokenBytes];
    piece.own_log.append(bytes, write_token(token, row, &next_row, bytes));
  }
  piece.length = static_cast<std::uint32_t>(times->ms.size());
  piece.times = std::move(times);
  return piece;
}

Piece Chunk::piece(std::uint32_t slot) const {
  Piece piece;
  if (times == nullptr) {
    piece = decode_own_log(log(slot), lengths[slot], base_ms);
  } else {
    piece.times = times;
    piece.length = lengths[slot];
    piece.chunk = shared_from_this();
    piece.slot = slot;
  }
  piece.order = order;
  return piece;
}

}  // namespace tocsin::tsdb
