// SPDX-License-Identifier: Apache-2.0
#include "tsdb/run/run_side.h"

#include <algorithm>
#include <map>
#include <utility>

#include "tsdb/run/run_directory.h"
#include "tsdb/run/run_snapshot.h"
#include "tsdb/tile/coding.h"
#include "tsdb/tile/frame.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint32_t kPartEntries = 16384;
constexpr std::uint32_t kBlockSeries = 64;
constexpr std::size_t kBlockBytes = 64U << 10;

std::uint64_t span_of(std::int64_t min_ms, std::int64_t max_ms) {
  return static_cast<std::uint64_t>(max_ms) - static_cast<std::uint64_t>(min_ms);
}
std::int64_t end_of(std::int64_t min_ms, std::uint64_t span) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(min_ms) + span);
}

}  // namespace

std::string encode_side_chunks(const std::vector<SideChunk>& chunks) {
  std::string out;
  put_varint(&out, chunks.size());
  for (const SideChunk& chunk : chunks) {
    put_signed(&out, chunk.min_ms);
    put_varint(&out, span_of(chunk.min_ms, chunk.max_ms));
    put_varint(&out, chunk.samples);
    put_varint(&out, chunk.bytes.size());
  }
  for (const SideChunk& chunk : chunks) out.append(chunk.bytes);
  return out;
}

Status decode_side_chunks(std::string_view piece, const SideRequest& request,
                          std::vector<SideChunk>* out) {
  ByteReader in(piece);
  const std::uint64_t count = in.varint();
  if (count > in.remaining() / 4) in.fail();
  std::vector<std::pair<SideChunk, std::uint64_t>> chunks;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    SideChunk chunk;
    chunk.min_ms = in.signed_varint();
    chunk.max_ms = end_of(chunk.min_ms, in.varint());
    if (chunk.max_ms < chunk.min_ms) in.fail();  // nobody would look for its samples
    chunk.samples = in.varint32();
    chunks.emplace_back(std::move(chunk), in.varint());
  }
  for (auto& [chunk, length] : chunks) {
    const std::string_view bytes = in.bytes(length);
    if (!chunk.overlaps(request.min_ms, request.max_ms)) continue;
    chunk.bytes = bytes;
    out->push_back(std::move(chunk));
  }
  if (!in.ok() || !in.at_end()) return data_loss("damaged side samples");
  return ok();
}

std::vector<std::string> encode_side_directory(const SideDirectory& directory) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < directory.size(); begin += kPartEntries) {
    const std::size_t end = std::min<std::size_t>(directory.size(), begin + kPartEntries);
    std::string payload;
    put_varint(&payload, end - begin);
    SideEntry last;
    for (std::size_t i = begin; i < end; ++i) {
      const SideEntry& entry = directory[i];
      put_varint(&payload, entry.id - last.id);
      put_varint(&payload, entry.block - last.block);
      put_signed(&payload, entry.min_ms);
      put_varint(&payload, span_of(entry.min_ms, entry.max_ms));
      last = entry;
    }
    parts.push_back(make_frame(FrameKind::kSideDirectory, payload));
  }
  return parts;
}

Status append_side_part(std::string_view frame, SideDirectory* directory) {
  ASSIGN_OR_RETURN(const std::string_view payload, open_frame(FrameKind::kSideDirectory, frame));
  ByteReader in(payload);
  std::uint64_t id = 0;
  std::uint64_t block = 0;
  for (std::uint32_t left = in.varint32(kPartEntries); left > 0 && in.ok(); --left) {
    id += in.varint();
    block += in.varint();
    SideEntry entry;
    entry.id = static_cast<std::uint32_t>(id);
    entry.block = static_cast<std::uint32_t>(block);
    entry.min_ms = in.signed_varint();
    entry.max_ms = end_of(entry.min_ms, in.varint());
    if (entry.max_ms < entry.min_ms) in.fail();
    if (!directory->empty()) {
      const SideEntry& last = directory->back();
      if (last.id >= id || last.block > block) in.fail();
      if (last.block == entry.block) entry.slot = last.slot + 1;
    }
    if (id > 0xffffffffU || block > 0xffffffffU) in.fail();
    directory->push_back(entry);
  }
  if (!in.ok() || !in.at_end()) return data_loss("damaged directory");
  return ok();
}

namespace {

SideEntry entry_of(const RunSideInput& series, RunInfo* info) {
  SideEntry entry{static_cast<std::uint32_t>(series.id.value()), 0, 0, INT64_MAX, INT64_MIN};
  for (const SideChunk& chunk : series.chunks) {
    entry.min_ms = std::min(entry.min_ms, chunk.min_ms);
    entry.max_ms = std::max(entry.max_ms, chunk.max_ms);
    info->side_samples += chunk.samples;
  }
  info->side_min_ms = std::min(info->side_min_ms, entry.min_ms);
  info->side_max_ms = std::max(info->side_max_ms, entry.max_ms);
  return entry;
}

}  // namespace

Status write_side(std::vector<RunSideInput> side, SampleFile* file, RunRecord* record) {
  std::sort(side.begin(), side.end(),
            [](const RunSideInput& a, const RunSideInput& b) { return a.id < b.id; });
  SideDirectory directory;
  std::vector<std::string> blocks;
  std::vector<std::string> pieces;
  std::size_t bytes = 0;
  const auto close = [&] {
    if (pieces.empty()) return;
    std::string payload;
    put_slots(pieces, &payload);
    blocks.push_back(make_frame(FrameKind::kSideBlock, payload));
    pieces.clear();
    bytes = 0;
  };
  for (const RunSideInput& series : side) {
    if (!series.id || series.id.value() >= 0xffffffffU) {
      return invalid_argument("series id {} is out of range", series.id.value());
    }
    SideEntry entry = entry_of(series, &record->info);
    entry.block = static_cast<std::uint32_t>(blocks.size());
    directory.push_back(entry);
    pieces.push_back(encode_side_chunks(series.chunks));
    bytes += pieces.back().size();
    if (pieces.size() == kBlockSeries || bytes >= kBlockBytes) close();
  }
  close();
  const std::vector<std::string> parts = encode_side_directory(directory);
  for (std::uint32_t part = 0; part < parts.size(); ++part) {
    RETURN_IF_ERROR(
        file->put(sample_key(record->info, FrameKind::kSideDirectory, part), parts[part]));
  }
  for (std::uint32_t block = 0; block < blocks.size(); ++block) {
    RETURN_IF_ERROR(
        file->put(sample_key(record->info, FrameKind::kSideBlock, block), blocks[block]));
  }
  record->side_parts = static_cast<std::uint32_t>(parts.size());
  record->side_blocks = static_cast<std::uint32_t>(blocks.size());
  return ok();
}

// Directories -----------------------------------------------------------------------------------

Status read_directory(const KvStore& kv, const RunRecord& run, SideDirectory* directory) {
  return read_directory_parts(
      kv, run, FrameKind::kSideDirectory, run.side_parts,
      [&](std::string_view frame) { return append_side_part(frame, directory); });
}

const SideEntry* find_side(const SideDirectory& directory, storage::SeriesId id) {
  const auto at = std::lower_bound(
      directory.begin(), directory.end(), id.value(),
      [](const SideEntry& entry, std::uint64_t value) { return entry.id < value; });
  return at != directory.end() && at->id == id.value() ? &*at : nullptr;
}

// Reading ---------------------------------------------------------------------------------------

namespace {

struct Wanted {
  std::uint32_t slot = 0;
  std::size_t output = 0;
};
using WantedBlocks = std::map<std::uint32_t, std::vector<Wanted>>;

Status decode_block(std::string_view frame, std::span<const Wanted> wanted,
                    const SideRequest& request) {
  ASSIGN_OR_RETURN(const std::string_view payload, open_frame(FrameKind::kSideBlock, frame));
  ByteReader in(payload);
  Slots slots;
  if (!slots.parse(&in, kBlockSeries)) return data_loss("damaged slots");
  for (const Wanted& one : wanted) {
    if (one.slot >= slots.count()) return data_loss("slot {} is missing", one.slot);
    std::vector<SideChunk> chunks;
    RETURN_IF_ERROR(decode_side_chunks(slots.piece(one.slot), request, &chunks));
    std::vector<SideChunk>& out = (*request.out)[one.output];
    std::move(chunks.begin(), chunks.end(), std::back_inserter(out));
  }
  return ok();
}

Status read_blocks(const KvStore& kv, const RunRecord& run, const WantedBlocks& blocks,
                   const SideRequest& request) {
  std::vector<std::string> keys;
  std::vector<const std::vector<Wanted>*> wanted;
  for (const auto& [block, series] : blocks) {
    keys.push_back(sample_key(run.info, FrameKind::kSideBlock, block));
    wanted.push_back(&series);
  }
  Status result = ok();
  kv.get_samples(keys, [&](std::size_t i, const Status& status, std::string_view frame) {
    if (!result.ok()) return;
    const Status decoded = status.ok() ? decode_block(frame, *wanted[i], request) : status;
    if (decoded.ok()) return;
    if (!is_damage(decoded)) {
      result = annotate(decoded, "run {}", run.info.id.value());
      return;
    }
    request.warnings->push_back(fmt::format(
        "run {}: a block of histograms and late samples is damaged, up to {} series are left out: "
        "{}",
        run.info.id.value(), wanted[i]->size(), message(decoded)));
  });
  return result;
}

}  // namespace

Status read_run_side(const KvStore& kv, SideDirectories& directories, const RunRecord& run,
                     const SideRequest& request) {
  const auto directory = directories.get(run);
  if (!directory.ok()) {
    if (!is_damage(directory.status())) return directory.status();
    request.warnings->push_back(fmt::format(
        "{}: histograms and late samples of the run are left out", message(directory.status())));
    return ok();
  }
  WantedBlocks blocks;
  for (std::size_t i = 0; i < request.ids.size(); ++i) {
    const SideEntry* entry = find_side(**directory, request.ids[i]);
    if (entry == nullptr || entry->min_ms > request.max_ms || entry->max_ms < request.min_ms) {
      continue;
    }
    blocks[entry->block].push_back({entry->slot, i});
  }
  if (blocks.empty()) return ok();
  return read_blocks(kv, run, blocks, request);
}

StatusOr<std::vector<RunSideInput>> read_side(const KvStore& kv, SideDirectories& directories,
                                              const RunRecord& run,
                                              std::vector<std::string>* warnings) {
  std::vector<RunSideInput> out;
  if (run.side_blocks == 0) return out;
  const auto directory = directories.get(run);
  if (!directory.ok() && is_damage(directory.status())) {
    warnings->emplace_back(message(directory.status()));
    return out;
  }
  RETURN_IF_ERROR(directory.status());
  std::vector<storage::SeriesId> ids;
  for (const SideEntry& entry : **directory) ids.emplace_back(entry.id);
  std::vector<std::vector<SideChunk>> chunks(ids.size());
  RETURN_IF_ERROR(
      read_run_side(kv, directories, run, {ids, INT64_MIN, INT64_MAX, &chunks, warnings}));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!chunks[i].empty()) out.push_back({ids[i], std::move(chunks[i])});
  }
  return out;
}

}  // namespace tocsin::tsdb
