// SPDX-License-Identifier: Apache-2.0
//
// Squeeze: zstd around a text that may repeat itself.
//
//   squeezed = 0 | text        or        1 | size of the text varint | zstd frame
// Pure functions; reading takes hostile bytes and bounds what it allocates.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {

inline constexpr std::size_t kMaxSqueezed = 256U << 20U;

// Appends the smaller form; compressed only when that saves a sixteenth.
void squeeze(std::string_view text, int level, std::string* out);
// Takes the rest of `in`. The result lies in it or in *buffer; false when it is damaged.
bool unsqueeze(ByteReader* in, std::unique_ptr<char[]>* buffer, std::string_view* text);

}  // namespace tocsin::tsdb
