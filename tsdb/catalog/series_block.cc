// SPDX-License-Identifier: Apache-2.0
//
//   block = version u8 (1)
//           | bytes of texts varint | pairs varint | per pair: name text, value text
//           | sets varint | per set: count varint, number of a pair varint * count
//           | rows varint | ids: differences varint | targets varint | metrics varint | tags u32
//           | crc32c u32 of all before
#include "tsdb/catalog/series_block.h"

#include <algorithm>

#include "base/record_log.h"
#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kCrcBytes = 4;

// Finds where each pair ends; false unless the texts are exactly `count` pairs.
bool split_texts(std::string_view text, std::uint64_t count, std::vector<std::uint32_t>* ends) {
  ByteReader in(text);
  for (; count > 0 && in.ok() && !in.at_end(); --count) {
    in.bytes(in.varint32());
    in.bytes(in.varint32());
    ends->push_back(static_cast<std::uint32_t>(text.size() - in.remaining()));
  }
  return count == 0 && in.ok() && in.at_end();
}

Status read_sets(ByteReader* in, SeriesRows* rows) {
  for (std::uint32_t left = in->varint32(); left > 0 && in->ok(); --left) {
    for (std::uint32_t members = in->varint32(); members > 0 && in->ok(); --members) {
      const std::uint32_t pair = in->varint32();
      if (pair >= rows->pair_ends.size()) return data_loss("block of series: no such pair");
      rows->members.push_back(pair);
    }
    rows->set_ends.push_back(static_cast<std::uint32_t>(rows->members.size()));
  }
  return ok();
}

Status read_rows(ByteReader* in, SeriesRows* rows) {
  const std::uint32_t count = in->varint32();
  if (count > kBlockIds) return data_loss("block of series: {} rows", count);
  rows->rows.resize(count);
  std::uint64_t id = 0;
  for (SeriesRows::Row& row : rows->rows) {
    const std::uint32_t step = in->varint32();
    id += step;
    if (step == 0 || id >= 0xffffffffU) return data_loss("block of series: ids do not ascend");
    row.id = static_cast<std::uint32_t>(id);
  }
  for (SeriesRows::Row& row : rows->rows) row.target = in->varint32();
  for (SeriesRows::Row& row : rows->rows) row.metric = in->varint32();
  for (SeriesRows::Row& row : rows->rows) row.tag = in->fixed<std::uint32_t>();
  for (const SeriesRows::Row& row : rows->rows) {
    if (row.target >= rows->set_ends.size() || row.metric >= rows->set_ends.size()) {
      return data_loss("block of series: no such list");
    }
  }
  return ok();
}

}  // namespace

std::string encode_block(const SeriesRows& rows) {
  std::string out(1, static_cast<char>(kVersion));
  put_varint(&out, rows.text.size());
  put_varint(&out, rows.pair_ends.size());
  out.append(rows.text);
  put_varint(&out, rows.set_ends.size());
  for (std::size_t i = 0; i < rows.set_ends.size(); ++i) {
    put_varint(&out, rows.set(i).size());
    for (const std::uint32_t pair : rows.set(i)) put_varint(&out, pair);
  }
  put_varint(&out, rows.rows.size());
  std::uint32_t last = 0;
  for (const SeriesRows::Row& row : rows.rows) {
    put_varint(&out, row.id - last);
    last = row.id;
  }
  for (const SeriesRows::Row& row : rows.rows) put_varint(&out, row.target);
  for (const SeriesRows::Row& row : rows.rows) put_varint(&out, row.metric);
  for (const SeriesRows::Row& row : rows.rows) put_fixed(&out, row.tag);
  put_fixed(&out, base::crc32c(out));
  return out;
}

StatusOr<SeriesRows> decode_block(std::string_view bytes) {
  if (bytes.size() < 1 + kCrcBytes) return data_loss("block of series: too short");
  const std::string_view body = bytes.substr(0, bytes.size() - kCrcBytes);
  if (base::crc32c(body) != load_fixed<std::uint32_t>(bytes.data() + body.size())) {
    return data_loss("block of series: wrong checksum");
  }
  ByteReader in(body);
  if (const unsigned version = in.byte(); version != kVersion) {
    return failed_precondition("block of series: version {}, this program reads {}", version,
                               kVersion);
  }
  SeriesRows rows;
  const std::uint32_t text_bytes = in.varint32();
  const std::uint64_t pairs = in.varint();
  rows.text = in.bytes(text_bytes);
  if (!in.ok() || !split_texts(rows.text, pairs, &rows.pair_ends)) {
    return data_loss("block of series: damaged texts");
  }
  RETURN_IF_ERROR(read_sets(&in, &rows));
  RETURN_IF_ERROR(read_rows(&in, &rows));
  if (!in.ok() || !in.at_end()) return data_loss("block of series: damaged rows");
  return rows;
}

const SeriesRows::Row* find_row(const SeriesRows& rows, std::uint32_t id) {
  const auto it = std::ranges::lower_bound(rows.rows, id, {}, &SeriesRows::Row::id);
  return it == rows.rows.end() || it->id != id ? nullptr : &*it;
}

std::uint32_t RowsBuilder::set_number(const SeriesRows& from, std::uint32_t set) {
  std::vector<std::uint32_t> members;
  for (const std::uint32_t pair : from.set(set)) {
    const std::string_view text = from.pair(pair);
    auto it = pairs_.find(text);
    if (it == pairs_.end()) {
      it = pairs_.emplace(text, static_cast<std::uint32_t>(rows_.pair_ends.size())).first;
      rows_.text.append(text);
      rows_.pair_ends.push_back(static_cast<std::uint32_t>(rows_.text.size()));
    }
    members.push_back(it->second);
  }
  const auto number = static_cast<std::uint32_t>(rows_.set_ends.size());
  const auto [it, added] = sets_.try_emplace(members, number);
  if (added) {
    rows_.members.insert(rows_.members.end(), members.begin(), members.end());
    rows_.set_ends.push_back(static_cast<std::uint32_t>(rows_.members.size()));
  }
  return it->second;
}

void RowsBuilder::add(const SeriesRows& from, const SeriesRows::Row& row) {
  rows_.rows.push_back(
      {row.id, row.tag, set_number(from, row.target), set_number(from, row.metric)});
}

}  // namespace tocsin::tsdb
