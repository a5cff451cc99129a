// SPDX-License-Identifier: Apache-2.0
//
// gzip of responses. GzipStream is confined; the functions are pure.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace tocsin::net {

// Whether an Accept-Encoding header takes gzip: named or "*", and not with q=0.
bool accepts_gzip(std::string_view accept_encoding);

std::string gzip(std::string_view data);

// Compresses a body that is produced in pieces; each piece can be decoded as soon as it is there.
class GzipStream {
 public:
  GzipStream();
  ~GzipStream();
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  std::string compress(std::string_view piece);
  std::string finish();

 private:
  std::string deflate_all(std::string_view input, int flush);
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace tocsin::net
