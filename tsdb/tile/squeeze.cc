// SPDX-License-Identifier: Apache-2.0
#include "tsdb/tile/squeeze.h"

#include <zstd.h>

namespace tocsin::tsdb {

void squeeze(std::string_view text, int level, std::string* out) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  const std::size_t size =
      ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), level);
  if (ZSTD_isError(size) != 0 || size + 4 > text.size() - text.size() / 16) {
    out->push_back(0);
    out->append(text);
    return;
  }
  out->push_back(1);
  put_varint(out, text.size());
  out->append(packed, 0, size);
}

bool unsqueeze(ByteReader* in, std::unique_ptr<char[]>* buffer, std::string_view* text) {
  const unsigned kind = in->byte();
  if (kind > 1) return false;
  const std::uint32_t size = kind == 1 ? in->varint32(kMaxSqueezed) : 0;
  const std::string_view bytes = in->bytes(in->remaining());
  if (!in->ok()) return false;
  *text = bytes;
  if (kind == 0) return true;
  *buffer = std::make_unique_for_overwrite<char[]>(size);
  const std::size_t got = ZSTD_decompress(buffer->get(), size, bytes.data(), bytes.size());
  *text = std::string_view(buffer->get(), size);
  return ZSTD_isError(got) == 0 && got == size;
}

}  // namespace tocsin::tsdb
