// SPDX-License-Identifier: Apache-2.0
//
// Inflater decodes a gzip body as it arrives and stops at a limit, so that a bomb costs no more
// than the limit.
// Threads: confined. Errors: kResourceExhausted, kDataLoss; useless after an error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tocsin::net {

class Inflater {
 public:
  // `limit` of the decoded bytes; 0: none.
  explicit Inflater(std::uint64_t limit);
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Decodes `input` to the end of `out`.
  Status append(std::string_view input, std::string* out);
  // An error when the stream is not complete.
  Status finish() const;

 private:
  struct Stream;
  const std::uint64_t limit_;
  std::unique_ptr<Stream> stream_;
};

// The error of a body above its limit, decoded or not.
Status body_too_large();

}  // namespace tocsin::net
