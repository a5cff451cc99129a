// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/tail/positions.h"

#include <algorithm>
#include <charconv>

#include "base/hash.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::string_view kTitle = "tocsin log positions 1\n";

// Takes a number and the space behind it off `text`.
bool take_number(std::string_view* text, std::uint64_t* out) {
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, *out);
  if (error != std::errc() || stop == end || *stop != ' ') return false;
  text->remove_prefix(static_cast<std::size_t>(stop - text->data()) + 1);
  return true;
}

}  // namespace

FileHead FileHead::of(std::string_view bytes) {
  bytes = bytes.substr(0, kMaxBytes);
  return {base::xxhash64(bytes), static_cast<std::uint32_t>(bytes.size())};
}

std::string print_positions(const Positions& positions) {
  std::string out(kTitle);
  for (const auto& [id, position] : positions) {
    // A path may hold any byte but NUL; one with a line end is not kept.
    if (position.path.find('\n') != std::string::npos) continue;
    out.append(fmt::format("{} {} {} {} {} {}\n", id.device, id.inode, position.offset,
                           position.head.size, position.head.hash, position.path));
  }
  return out;
}

StatusOr<Positions> parse_positions(std::string_view text) {
  if (!text.starts_with(kTitle)) return data_loss("no file of log positions");
  text.remove_prefix(kTitle.size());
  Positions out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return data_loss("the last line is cut");
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    FileId id;
    Position position;
    std::uint64_t size = 0;
    if (!take_number(&line, &id.device) || !take_number(&line, &id.inode) ||
        !take_number(&line, &position.offset) || !take_number(&line, &size) ||
        !take_number(&line, &position.head.hash) || size > FileHead::kMaxBytes || line.empty()) {
      return data_loss("a line that is no position");
    }
    position.head.size = static_cast<std::uint32_t>(size);
    position.path = line;
    out[id] = std::move(position);
  }
  return out;
}

}  // namespace tocsin::exporters::app
