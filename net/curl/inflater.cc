// SPDX-License-Identifier: Apache-2.0
#include "net/curl/inflater.h"

#define ZLIB_CONST
#include <zlib.h>

#include "base/check.h"

namespace tocsin::net {

struct Inflater::Stream {
  z_stream z{};
  bool at_end = false;  // between members: a gzip file may have several
  std::array<Bytef, 32 << 10> buffer;
};

Status body_too_large() { return resource_exhausted("body size limit exceeded"); }

Inflater::Inflater(std::uint64_t limit) : limit_(limit), stream_(std::make_unique<Stream>()) {
  constexpr int kGzipOnly = 16;
  CHECK(inflateInit2(&stream_->z, MAX_WBITS + kGzipOnly) == Z_OK);
}

Inflater::~Inflater() { inflateEnd(&stream_->z); }

Status Inflater::append(std::string_view input, std::string* out) {
  z_stream& z = stream_->z;
  z.next_in = reinterpret_cast<const Bytef*>(input.data());
  z.avail_in = static_cast<uInt>(input.size());
  do {
    if (stream_->at_end && z.avail_in > 0) {
      inflateReset(&z);
      stream_->at_end = false;
    }
    z.next_out = stream_->buffer.data();
    z.avail_out = static_cast<uInt>(stream_->buffer.size());
    const int result = inflate(&z, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      stream_->at_end = true;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return data_loss("gzip: {}", z.msg == nullptr ? "invalid data" : z.msg);
    }
    const std::size_t produced = stream_->buffer.size() - z.avail_out;
    if (limit_ != 0 && out->size() + produced > limit_) return body_too_large();
    out->append(reinterpret_cast<const char*>(stream_->buffer.data()), produced);
  } while (z.avail_in > 0 || z.avail_out == 0);
  return ok();
}

Status Inflater::finish() const {
  if (!stream_->at_end) return data_loss("unexpected EOF");
  return ok();
}

}  // namespace tocsin::net
