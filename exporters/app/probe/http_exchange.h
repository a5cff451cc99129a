// SPDX-License-Identifier: Apache-2.0
//
// HttpExchange: one HTTP/1.1 request over a Stream and its response, read as it comes, with the time
// of its first byte.
//
// Borrows: Stream, Clock (must outlive it).
// Threads: confined; blocks until the deadline.
// Errors: those of Stream; kDataLoss for what is no HTTP or ends too early. Heads above kMaxHead are
// refused. Useless after an error.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"
#include "net/http.h"
#include "net/stream.h"

namespace tocsin::exporters::app {

struct HttpReply {
  int status = 0;
  std::string protocol;  // "HTTP/1.1"
  net::HttpHeaders headers;
  std::int64_t content_length = -1;  // as the headers say; -1: they do not
};

class HttpExchange {
 public:
  static constexpr std::size_t kMaxHead = 256 << 10;
  using Sink = std::function<Status(std::string_view piece)>;

  HttpExchange(net::Stream& stream, const base::Clock& clock, base::SteadyTime deadline)
      : stream_(stream), clock_(clock), deadline_(deadline) {}

  Status send(std::string_view request);
  // Reads the head, leaving out 1xx except 101. `method` is that of the request.
  StatusOr<HttpReply> read_head(std::string_view method);
  // Gives the body to `sink`, without framing; a failed sink ends it. REQUIRES: read_head() worked.
  Status read_body(const Sink& sink);

  // When the first byte of the response came.
  base::SteadyTime first_byte_at() const { return first_byte_at_; }
  // What was read and belongs to nobody yet (after 101).
  std::string take_rest();

 private:
  enum class Framing { kNone, kLength, kChunked, kUntilEnd };

  // Reads more; false at the end of the stream.
  StatusOr<bool> fill();
  StatusOr<std::string> read_line(std::size_t max);
  StatusOr<HttpReply> read_one_head(std::string_view method);
  Status choose_framing(std::string_view method, HttpReply* reply);
  Status read_length(std::uint64_t length, const Sink& sink);
  Status read_chunks(const Sink& sink);
  Status read_until_end(const Sink& sink);

  net::Stream& stream_;
  const base::Clock& clock_;
  const base::SteadyTime deadline_;
  std::string buffer_;
  std::size_t used_ = 0;  // of buffer_
  bool has_first_byte_ = false;
  base::SteadyTime first_byte_at_;
  Framing framing_ = Framing::kNone;
  std::uint64_t length_ = 0;
};

}  // namespace tocsin::exporters::app
