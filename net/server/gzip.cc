// SPDX-License-Identifier: Apache-2.0
//
// Whole bodies go through libdeflate, which is about twice as fast; streams need zlib.
#include "net/server/gzip.h"

#include <libdeflate.h>
#define ZLIB_CONST
#include <zlib.h>

#include <array>

#include "base/check.h"

namespace tocsin::net {
namespace {

// The fastest level: answers are sent once, and to a client that is usually near.
constexpr int kLevel = 1;

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool is_same(std::string_view text, std::string_view lower_case) {
  return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(),
                    [](char a, char b) {
                      return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
                    });
}

// Whether the parameters of one coding say "q=0".
bool is_refused(std::string_view parameters) {
  const std::size_t q = parameters.find_first_of("qQ");
  if (q == std::string_view::npos) return false;
  const std::string_view value = trim(parameters.substr(q + 1));
  if (!value.starts_with('=')) return false;
  const std::string_view number = trim(value.substr(1));
  return number.starts_with('0') && number.find_first_not_of("0.") == std::string_view::npos;
}

}  // namespace

bool accepts_gzip(std::string_view accept_encoding) {
  bool any = false;
  while (!accept_encoding.empty()) {
    const std::size_t comma = accept_encoding.find(',');
    const std::string_view item = accept_encoding.substr(0, comma);
    accept_encoding =
        comma == std::string_view::npos ? std::string_view{} : accept_encoding.substr(comma + 1);
    const std::size_t semicolon = item.find(';');
    const std::string_view coding = trim(item.substr(0, semicolon));
    const bool refused =
        semicolon != std::string_view::npos && is_refused(item.substr(semicolon + 1));
    if (is_same(coding, "gzip") || is_same(coding, "x-gzip")) return !refused;
    if (coding == "*") any = !refused;
  }
  return any;
}

std::string gzip(std::string_view data) {
  const auto free_compressor = [](libdeflate_compressor* c) { libdeflate_free_compressor(c); };
  const std::unique_ptr<libdeflate_compressor, decltype(free_compressor)> compressor(
      libdeflate_alloc_compressor(kLevel), free_compressor);
  CHECK(compressor != nullptr);
  std::string out(libdeflate_gzip_compress_bound(compressor.get(), data.size()), '\0');
  out.resize(
      libdeflate_gzip_compress(compressor.get(), data.data(), data.size(), out.data(), out.size()));
  CHECK(!out.empty());
  return out;
}

struct GzipStream::Stream {
  z_stream z{};
};

GzipStream::GzipStream() : stream_(std::make_unique<Stream>()) {
  constexpr int kGzip = 16;
  constexpr int kMemory = 8;
  CHECK(deflateInit2(&stream_->z, kLevel, Z_DEFLATED, MAX_WBITS + kGzip, kMemory,
                     Z_DEFAULT_STRATEGY) == Z_OK);
}

GzipStream::~GzipStream() { deflateEnd(&stream_->z); }

std::string GzipStream::compress(std::string_view piece) {
  return deflate_all(piece, Z_SYNC_FLUSH);
}

std::string GzipStream::finish() { return deflate_all({}, Z_FINISH); }

std::string GzipStream::deflate_all(std::string_view input, int flush) {
  z_stream& z = stream_->z;
  std::array<Bytef, 16 << 10> buffer;
  std::string out;
  z.next_in = reinterpret_cast<const Bytef*>(input.data());
  z.avail_in = static_cast<uInt>(input.size());
  do {
    z.next_out = buffer.data();
    z.avail_out = static_cast<uInt>(buffer.size());
    deflate(&z, flush);
    out.append(reinterpret_cast<const char*>(buffer.data()), buffer.size() - z.avail_out);
  } while (z.avail_out == 0);
  return out;
}

}  // namespace tocsin::net
