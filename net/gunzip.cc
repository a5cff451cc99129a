// SPDX-License-Identifier: Apache-2.0
#include "net/gunzip.h"

#include <libdeflate.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/check.h"
#include "net/curl/inflater.h"

namespace tocsin::net {
namespace {

struct FreeDecompressor {
  void operator()(libdeflate_decompressor* d) const { libdeflate_free_decompressor(d); }
};

// The size that the end of the body states, as far as such a body can be that large at all.
std::uint64_t stated_size(std::string_view input) {
  constexpr std::uint64_t kMaxRatio = 1032;  // of deflate
  constexpr std::size_t kSizeBytes = 4;
  if (input.size() < kSizeBytes) return 0;
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < kSizeBytes; ++i) {
    const auto byte = static_cast<unsigned char>(input[input.size() - kSizeBytes + i]);
    size |= std::uint64_t{byte} << (8 * i);
  }
  return std::min(size, input.size() * kMaxRatio);
}

// Decodes it again, slowly, for the error that users know.
Status explain(std::string_view input, std::uint64_t limit) {
  Inflater inflater(limit);
  std::string out;
  RETURN_IF_ERROR(inflater.append(input, &out));
  RETURN_IF_ERROR(inflater.finish());
  return data_loss("gzip: invalid data");
}

}  // namespace

Status gunzip(std::string_view input, std::uint64_t limit, std::string* out) {
  thread_local const std::unique_ptr<libdeflate_decompressor, FreeDecompressor> decompressor(
      libdeflate_alloc_decompressor());
  CHECK(decompressor != nullptr);
  const std::uint64_t most = limit == 0 ? UINT64_MAX : limit;
  std::string_view rest = input;
  std::uint64_t size = 0;
  out->resize(std::min(most, std::max<std::uint64_t>(stated_size(input), 64)));
  do {
    std::size_t used = 0;
    std::size_t produced = 0;
    const libdeflate_result result =
        libdeflate_gzip_decompress_ex(decompressor.get(), rest.data(), rest.size(),
                                      out->data() + size, out->size() - size, &used, &produced);
    if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
      if (out->size() >= most) return resource_exhausted("body size limit exceeded");
      out->resize(std::min(most, std::max<std::uint64_t>(out->size(), 1024) * 2));
      continue;
    }
    if (result != LIBDEFLATE_SUCCESS) return explain(input, limit);
    size += produced;
    rest.remove_prefix(used);
  } while (!rest.empty());
  out->resize(size);
  return ok();
}

}  // namespace tocsin::net
