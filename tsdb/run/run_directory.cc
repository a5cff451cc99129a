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

std::size_t bytes_of(const RunDirectory& directory) {
  return (directory.ids.size() + directory.positions.size()) * sizeof(std::uint32_t);
}

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

StatusOr<std::shared_ptr<const RunDirectory>> RunDirectories::load(const RunRecord& run) const {
  std::vector<std::string> keys;
  for (std::uint32_t part = 0; part < run.directory_parts; ++part) {
    keys.push_back(sample_key(run.info, FrameKind::kDirectory, part));
  }
  auto directory = std::make_shared<RunDirectory>();
  Status result = ok();
  kv_.get_samples(keys, [&](std::size_t part, const Status& status, std::string_view frame) {
    if (!result.ok()) return;
    result = status.ok() ? append_directory_part(frame, directory.get()) : status;
    result = annotate(result, "run {}: directory part {}", run.info.id.value(), part);
  });
  RETURN_IF_ERROR(result);
  return std::shared_ptr<const RunDirectory>(std::move(directory));
}

StatusOr<std::shared_ptr<const RunDirectory>> RunDirectories::get(const RunRecord& run) {
  {
    const auto cache = cache_.lock();
    if (const auto it = cache->entries.find(run.info.id); it != cache->entries.end()) {
      it->second.last_use = ++cache->uses;
      return it->second.directory;
    }
  }
  ASSIGN_OR_RETURN(const std::shared_ptr<const RunDirectory> directory, load(run));
  const auto cache = cache_.lock();
  const auto [it, is_new] = cache->entries.try_emplace(run.info.id);
  if (is_new) cache->bytes += bytes_of(*directory);
  it->second = {directory, ++cache->uses};
  while (cache->bytes > max_bytes_ && cache->entries.size() > 1) {
    const auto oldest = std::min_element(
        cache->entries.begin(), cache->entries.end(),
        [](const auto& a, const auto& b) { return a.second.last_use < b.second.last_use; });
    cache->bytes -= bytes_of(*oldest->second.directory);
    cache->entries.erase(oldest);
  }
  return directory;
}

void RunDirectories::forget(RunId id) {
  const auto cache = cache_.lock();
  const auto it = cache->entries.find(id);
  if (it == cache->entries.end()) return;
  cache->bytes -= bytes_of(*it->second.directory);
  cache->entries.erase(it);
}

std::size_t RunDirectories::cached_bytes() const { return cache_.lock()->bytes; }

}  // namespace tocsin::tsdb
