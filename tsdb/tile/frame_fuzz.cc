// SPDX-License-Identifier: Apache-2.0
//
// Frames with a wrong or right checksum, and the slots in them.
#include "tsdb/tile/frame.h"

#include "base/check.h"
#include "base/testing/fuzz.h"

namespace tocsin::tsdb {
namespace {

void check_slots(std::string_view payload) {
  ByteReader in(payload);
  Slots slots;
  if (!slots.parse(&in, 1000)) return;
  std::size_t bytes = 0;
  for (std::uint32_t i = 0; i < slots.count(); ++i) bytes += slots.piece(i).size();
  CHECK(bytes <= payload.size());
}

void fuzz(std::string_view bytes) {
  check_slots(bytes);
  for (const FrameKind kind : {FrameKind::kDirectory, FrameKind::kTimes, FrameKind::kTile}) {
    static_cast<void>(open_frame(kind, bytes));
    const std::string frame = make_frame(kind, bytes);
    const StatusOr<std::string_view> payload = open_frame(kind, frame);
    CHECK(payload.ok() && *payload == bytes);
  }
}

}  // namespace

TOCSIN_FUZZ_TARGET(frame, fuzz)

}  // namespace tocsin::tsdb
