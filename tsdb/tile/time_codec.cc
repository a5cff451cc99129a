// SPDX-License-Identifier: Apache-2.0
//
// times    = count | first (zigzag) | tokens: zigzag of delta - last delta when not 0, or 0 and a
// run length - 1 presence = 0 | lengths of alternating runs, present first      or    1 | ceil(rows
// / 8) bytes changes  = first (zigzag) | changes | per change: gap - 1 and delta (zigzag)
#include "tsdb/tile/time_codec.h"

#include <algorithm>

#include "base/check.h"

namespace tocsin::tsdb {
namespace {

bool bit(std::span<const std::uint64_t> bitmap, std::uint32_t row) {
  return ((bitmap[row / 64] >> (row % 64)) & 1U) != 0;
}

std::uint64_t unsigned_of(std::int64_t value) { return static_cast<std::uint64_t>(value); }

}  // namespace

void encode_times(std::span<const std::int64_t> times, std::string* out) {
  put_varint(out, times.size());
  if (times.empty()) return;
  put_signed(out, times[0]);
  std::uint64_t last_delta = 0;
  std::uint64_t zeros = 0;
  const auto flush = [&] {
    if (zeros == 0) return;
    put_varint(out, 0);
    put_varint(out, zeros - 1);
    zeros = 0;
  };
  for (std::size_t i = 1; i < times.size(); ++i) {
    DCHECK(times[i] > times[i - 1]);
    const std::uint64_t delta = unsigned_of(times[i]) - unsigned_of(times[i - 1]);
    if (delta == last_delta) {
      ++zeros;
      continue;
    }
    flush();
    put_varint(out, zigzag(delta - last_delta));
    last_delta = delta;
  }
  flush();
}

bool decode_times(ByteReader* in, std::vector<std::int64_t>* out) {
  const std::uint32_t count = in->varint32(kMaxRows);
  out->clear();
  if (!in->ok() || count == 0) return in->ok();
  out->reserve(count);
  out->push_back(in->signed_varint());
  std::uint64_t delta = 0;
  while (out->size() < count && in->ok()) {
    const std::uint64_t token = in->varint();
    std::uint64_t repeat = 1;
    if (token == 0) repeat += in->varint32(count);
    if (!in->ok() || repeat > count - out->size()) return false;
    delta += unzigzag(token);
    for (; repeat > 0; --repeat) {
      const auto next = static_cast<std::int64_t>(unsigned_of(out->back()) + delta);
      if (next <= out->back()) return false;
      out->push_back(next);
    }
  }
  return in->ok();
}

void encode_presence(std::span<const std::uint64_t> bitmap, std::uint32_t rows, std::string* out) {
  std::string runs(1, '\0');
  bool current = true;
  std::uint32_t begin = 0;
  const std::size_t plain_size = 1 + (rows + 7) / 8;
  for (std::uint32_t row = 0; row < rows && runs.size() < plain_size; ++row) {
    if (bit(bitmap, row) == current) continue;
    put_varint(&runs, row - begin);
    begin = row;
    current = !current;
  }
  put_varint(&runs, rows - begin);
  if (runs.size() < plain_size) {
    out->append(runs);
    return;
  }
  out->push_back(1);
  for (std::uint32_t row = 0; row < rows; row += 8) {
    unsigned byte = 0;
    for (std::uint32_t i = row; i < std::min(rows, row + 8); ++i) {
      byte |= bit(bitmap, i) ? 1U << (i - row) : 0U;
    }
    out->push_back(static_cast<char>(byte));
  }
}

bool decode_presence(ByteReader* in, std::uint32_t rows, std::vector<std::uint64_t>* out) {
  out->assign((std::size_t{rows} + 63) / 64, 0);
  const std::uint8_t kind = in->byte();
  if (kind == 1) {
    const std::string_view bytes = in->bytes((std::size_t{rows} + 7) / 8);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      (*out)[i / 8] |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes[i]))
                       << (i % 8 * 8);
    }
    if (rows % 64 != 0) out->back() &= (std::uint64_t{1} << (rows % 64)) - 1;
    return in->ok();
  }
  if (kind != 0) return false;
  bool current = true;
  for (std::uint32_t row = 0; row < rows && in->ok(); current = !current) {
    const std::uint32_t length = in->varint32(rows - row);
    if (length == 0 && row != 0) return false;  // only the first run may be empty
    for (std::uint32_t end = row + length; row < end; ++row) {
      if (current) (*out)[row / 64] |= std::uint64_t{1} << (row % 64);
    }
  }
  return in->ok();
}

std::uint32_t count_present(std::span<const std::uint64_t> bitmap, std::uint32_t rows) {
  if (bitmap.empty()) return rows;
  std::uint32_t count = 0;
  for (std::uint32_t row = 0; row < rows; row += 64) {
    std::uint64_t word = bitmap[row / 64];
    if (rows - row < 64) word &= (std::uint64_t{1} << (rows - row)) - 1;
    count += static_cast<std::uint32_t>(std::popcount(word));
  }
  return count;
}

void encode_changes(std::span<const std::int64_t> values, std::string* out) {
  if (values.empty()) return;
  put_signed(out, values[0]);
  std::uint64_t changes = 0;
  for (std::size_t i = 1; i < values.size(); ++i) changes += values[i] != values[i - 1];
  put_varint(out, changes);
  std::size_t last = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (values[i] == values[i - 1]) continue;
    put_varint(out, i - last - 1);
    put_varint(out, zigzag(unsigned_of(values[i]) - unsigned_of(values[i - 1])));
    last = i;
  }
}

bool decode_changes(ByteReader* in, std::uint32_t count, std::vector<std::int64_t>* out) {
  out->clear();
  if (count == 0) return true;
  std::uint64_t value = unsigned_of(in->signed_varint());
  const std::uint32_t changes = in->varint32(count);
  if (!in->ok()) return false;
  out->reserve(count);
  for (std::uint32_t i = 0; i < changes && in->ok(); ++i) {
    const std::uint64_t gap = std::uint64_t{1} + in->varint32(count);
    if (gap >= count - out->size()) return false;
    out->insert(out->end(), gap, static_cast<std::int64_t>(value));
    value += unzigzag(in->varint());
  }
  out->resize(count, static_cast<std::int64_t>(value));
  return in->ok();
}

}  // namespace tocsin::tsdb
