// SPDX-License-Identifier: Apache-2.0
//
// HeadState: what the head must know after a restart that is not in its series: stored with each
// run.
//
//   state = version u8 (1) | last covered batch u64 | next group id u32
// A value.
// Errors: kFailedPrecondition for a newer version, kDataLoss for a damaged state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {

struct HeadState {
  static constexpr std::uint8_t kVersion = 1;

  std::uint64_t last_covered = 0;  // batches up to it are in runs
  std::uint32_t next_group = 1;

  std::string encode() const {
    std::string out;
    put_fixed(&out, kVersion);
    put_fixed(&out, last_covered);
    put_fixed(&out, next_group);
    return out;
  }
  // Empty bytes are the state of a new database.
  static StatusOr<HeadState> decode(std::string_view bytes) {
    HeadState state;
    if (bytes.empty()) return state;
    ByteReader reader(bytes);
    const std::uint8_t version = reader.byte();
    if (version > kVersion)
      return failed_precondition("head state {} is newer than this program", version);
    state.last_covered = reader.fixed<std::uint64_t>();
    state.next_group = reader.fixed<std::uint32_t>();
    if (!reader.ok() || !reader.at_end() || version == 0) return data_loss("head state is damaged");
    return state;
  }
};

}  // namespace tocsin::tsdb
