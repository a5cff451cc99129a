// SPDX-License-Identifier: Apache-2.0
#include "formats/remote_write/wire.h"

namespace tocsin::formats {

bool WireReader::long_varint(std::uint64_t* value) {
  std::uint64_t result = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (p_ == end_) return fail();
    const auto byte = static_cast<unsigned char>(*p_++);
    result |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if (byte >= 0x80) continue;
    if (shift == 63 && byte > 1) return fail();
    *value = result;
    return true;
  }
  return fail();
}

bool WireReader::skip() {
  std::uint64_t ignored = 0;
  std::string_view ignored_bytes;
  switch (type_) {
    case kVarint:
      return raw_varint(&ignored);
    case kBytes:
      return bytes(&ignored_bytes);
    case kFixed64:
    case kFixed32: {
      const std::ptrdiff_t size = type_ == kFixed64 ? 8 : 4;
      if (end_ - p_ < size) return fail();
      p_ += size;
      return true;
    }
    default:
      return fail();
  }
}

}  // namespace tocsin::formats
