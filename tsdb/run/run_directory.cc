// SPDX-License-Identifier: Apache-2.0
//
// directory part = frame(squeezed(count | per entry: id - last id | per entry: zigzag of
// position - last position)), both from 0
// Sources of one kind repeat each other's steps, which zstd finds.
#include "tsdb/run/run_directory.h"

#include <algorithm>
#include <utility>

#include "tsdb/tile/coding.h"
#include "tsdb/tile/squeeze.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint32_t kPartEntries = 16384;

}  // namespace

bool RunDirectory::contains(storage::SeriesId id) const {
  if (id.value() > 0xffffffffU) return false;
  return std::binary_search(ids.begin(), ids.end(), static_cast<std::uint32_t>(id.value()));
}

std::vector<std::string> encode_directory(const RunDirectory& directory) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < directory.ids.size(); begin += kPartEntries) {
    const std::size_t end = std::min<std::size_t>(directory.ids.size(), begin + kPartEntries);
    std::string text;
    put_varint(&text, end - begin);
    std::uint64_t last_id = 0;
    for (std::size_t i = begin; i < end; ++i) {
      put_varint(&text, directory.ids[i] - last_id);
      last_id = directory.ids[i];
    }
    std::uint64_t last_position = 0;
    for (std::size_t i = begin; i < end; ++i) {
      put_varint(&text, zigzag(directory.positions[i] - last_position));
      last_position = directory.positions[i];
    }
    std::string payload;
    squeeze(text, 3, &payload);
    parts.push_back(make_frame(FrameKind::kDirectory, payload));
  }
  return parts;
}

Status append_directory_part(std::string_view frame, RunDirectory* directory) {
  ASSIGN_OR_RETURN(const std::string_view payload, open_frame(FrameKind::kDirectory, frame));
  ByteReader outer(payload);
  std::unique_ptr<char[]> buffer;
  std::string_view text;
  if (!unsqueeze(&outer, &buffer, &text)) return data_loss("damaged directory");
  ByteReader in(text);
  std::uint64_t id = 0;
  const std::uint32_t count = in.varint32(kPartEntries);
  for (std::uint32_t left = count; left > 0 && in.ok(); --left) {
    id += in.varint();
    const bool ascends = directory->ids.empty() || id >= directory->ids.back();
    if (!ascends || id > 0xffffffffU) in.fail();
    directory->ids.push_back(static_cast<std::uint32_t>(id));
  }
  std::uint64_t position = 0;
  for (std::uint32_t left = count; left > 0 && in.ok(); --left) {
    position += unzigzag(in.varint());
    if (position > 0xffffffffU) in.fail();
    directory->positions.push_back(static_cast<std::uint32_t>(position));
  }
  if (!in.ok() || !in.at_end()) return data_loss("damaged directory");
  return ok();
}

Status read_directory_parts(const KvStore& kv, const RunRecord& run, FrameKind kind,
                            std::uint32_t parts,
                            const std::function<Status(std::string_view frame)>& append) {
  std::vector<std::string> keys;
  keys.reserve(parts);
  for (std::uint32_t part = 0; part < parts; ++part) {
    keys.push_back(sample_key(run.info, kind, part));
  }
  Status result = ok();
  kv.get_samples(keys, [&](std::size_t part, const Status& status, std::string_view frame) {
    if (!result.ok()) return;
    result =
        annotate(status.ok() ? append(frame) : status, "run {}: {} part {}", run.info.id.value(),
                 kind == FrameKind::kDirectory ? "directory" : "side directory", part);
  });
  return result;
}

Status read_directory(const KvStore& kv, const RunRecord& run, RunDirectory* directory) {
  return read_directory_parts(
      kv, run, FrameKind::kDirectory, run.directory_parts,
      [&](std::string_view frame) { return append_directory_part(frame, directory); });
}

std::size_t bytes_of(const RunDirectory& directory) {
  return (directory.ids.size() + directory.positions.size()) * sizeof(std::uint32_t);
}

}  // namespace tocsin::tsdb
