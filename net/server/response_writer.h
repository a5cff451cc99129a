// SPDX-License-Identifier: Apache-2.0
//
// ResponseWriter turns an HttpResponse into the bytes of HTTP/1.x, for both servers: framing,
// compression, HEAD, Date, and headers that cannot be split by their values.
//
// Threads: confined, to one thread after another. next() runs the handler's BodySource.
// Errors: a failed BodySource; the connection must then be closed without an end of the body.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"
#include "net/http.h"
#include "net/server/gzip.h"

namespace tocsin::net {

// What of the request decides how its response is written.
struct RequestTraits {
  bool is_head = false;
  bool is_http_1_0 = false;
  bool takes_gzip = false;
  bool keep_alive = false;  // the client's wish

  static RequestTraits of(const HttpRequest& request, bool is_http_1_0);
};

class ResponseWriter {
 public:
  // `keep_alive`: the server's wish. Compresses a whole body here.
  ResponseWriter(HttpResponse response, RequestTraits traits, bool keep_alive, base::Timestamp now);

  // Status line and headers, with the empty line.
  const std::string& head() const { return head_; }
  // A whole body; "" for a stream.
  const std::string& body() const { return response_.body; }
  bool is_stream() const { return streams_; }
  // The next framed piece of a stream; "" after its end.
  StatusOr<std::string> next();
  // Whether the connection may take another request after the response.
  bool keeps_alive() const { return keep_alive_; }

 private:
  void frame();
  void compress();
  void write_head(base::Timestamp now);

  HttpResponse response_;
  const RequestTraits traits_;
  bool keep_alive_;
  bool streams_ = false;
  bool chunked_ = false;
  bool ended_ = false;
  std::string framing_;  // header lines
  std::unique_ptr<GzipStream> gzip_;
  std::string head_;
};

// A response of the server itself, for what never reaches a handler.
HttpResponse server_error(int status, std::string_view text);

// IMF-fixdate of a Date header.
std::string http_date(base::Timestamp t);

// Calls `handler`; an exception becomes an error.
StatusOr<HttpResponse> call_handler(const std::function<HttpResponse(const HttpRequest&)>& handler,
                                    const HttpRequest& request);

}  // namespace tocsin::net
