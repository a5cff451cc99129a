// SPDX-License-Identifier: Apache-2.0
//
// names part = frame(squeezed(count | per name: bytes shared with the one before, text of the rest,
// position - last position)), all from nothing in each part
#include "tsdb/run/run_names.h"

#include <algorithm>

#include "tsdb/tile/coding.h"
#include "tsdb/tile/frame.h"
#include "tsdb/tile/squeeze.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint32_t kPartNames = 4096;

}  // namespace

void RunNames::add(std::string_view name, std::uint32_t position) {
  if (names.empty() || names.back().text != name) names.push_back({std::string(name), position});
}

std::vector<std::string> RunNames::encode() const {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < names.size(); begin += kPartNames) {
    const std::size_t end = std::min<std::size_t>(names.size(), begin + kPartNames);
    std::string text;
    put_varint(&text, end - begin);
    std::string_view last;
    std::uint32_t last_position = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const std::string_view name = names[i].text;
      const auto shared = static_cast<std::size_t>(
          std::mismatch(name.begin(), name.end(), last.begin(), last.end()).first - name.begin());
      put_varint(&text, shared);
      put_varint(&text, name.size() - shared);
      text.append(name.substr(shared));
      put_varint(&text, names[i].position - last_position);
      last = name;
      last_position = names[i].position;
    }
    std::string payload;
    squeeze(text, 3, &payload);
    parts.push_back(make_frame(FrameKind::kNames, payload));
  }
  return parts;
}

Status RunNames::append_part(std::string_view frame) {
  ASSIGN_OR_RETURN(const std::string_view payload, open_frame(FrameKind::kNames, frame));
  ByteReader outer(payload);
  std::unique_ptr<char[]> buffer;
  std::string_view text;
  if (!unsqueeze(&outer, &buffer, &text)) return data_loss("damaged names");
  ByteReader in(text);
  std::string last;
  std::uint64_t position = 0;
  for (std::uint32_t left = in.varint32(kPartNames); left > 0 && in.ok(); --left) {
    last.resize(in.varint32(static_cast<std::uint32_t>(last.size())));
    last.append(in.bytes(in.varint32()));
    position += in.varint32();
    const bool ascends =
        names.empty() || (names.back().text < last && (names.back().position < position));
    if (!ascends || position > 0xffffffffU) in.fail();
    names.push_back({last, static_cast<std::uint32_t>(position)});
  }
  if (!in.ok() || !in.at_end()) return data_loss("damaged names");
  return ok();
}

}  // namespace tocsin::tsdb
