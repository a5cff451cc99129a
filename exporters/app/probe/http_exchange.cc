// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe/http_exchange.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "exporters/app/probe/http_text.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kReadBytes = 16 << 10;
constexpr std::size_t kMaxChunkLine = 4096;
constexpr int kMaxInterim = 5;  // 1xx before the response, as Go takes them

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

template <typename Number>
bool parse_number(std::string_view text, int base, Number* out) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *out, base);
  return error == std::errc() && stop == end;
}

// "HTTP/1.1 200 OK"
Status parse_status_line(std::string_view line, HttpReply* reply) {
  const bool is_http = line.size() >= 12 && line.starts_with("HTTP/1.") &&
                       (line[7] == '0' || line[7] == '1') && line[8] == ' ';
  if (!is_http || !parse_number(line.substr(9, 3), 10, &reply->status) || reply->status < 100 ||
      (line.size() > 12 && line[12] != ' ')) {
    return data_loss("malformed HTTP response {:?}", line.substr(0, 60));
  }
  reply->protocol = line.substr(0, 8);
  return ok();
}

}  // namespace

Status HttpExchange::send(std::string_view request) { return stream_.write(request, deadline_); }

StatusOr<bool> HttpExchange::fill() {
  if (used_ == buffer_.size()) {
    buffer_.clear();
    used_ = 0;
  }
  std::array<char, kReadBytes> piece;
  ASSIGN_OR_RETURN(const std::size_t got, stream_.read(piece.data(), piece.size(), deadline_));
  if (got != 0 && !std::exchange(has_first_byte_, true)) first_byte_at_ = clock_.steady_now();
  buffer_.append(piece.data(), got);
  return got != 0;
}

StatusOr<std::string> HttpExchange::read_line(std::size_t max) {
  std::size_t searched = used_;
  for (;;) {
    const std::size_t end = buffer_.find('\n', searched);
    const std::size_t size = (end == std::string::npos ? buffer_.size() : end) - used_;
    if (size > max) return data_loss("a line of the HTTP response has more than {} bytes", max);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(used_, size);
      used_ = end + 1;
      if (line.ends_with('\r')) line.pop_back();
      return line;
    }
    // fill() may move what is left to the front.
    const std::size_t left = buffer_.size() - used_;
    ASSIGN_OR_RETURN(const bool has_more, fill());
    if (!has_more) return data_loss("EOF");
    searched = used_ + left;
  }
}

StatusOr<HttpReply> HttpExchange::read_one_head(std::string_view method) {
  HttpReply reply;
  ASSIGN_OR_RETURN(const std::string status_line, read_line(kMaxHead));
  RETURN_IF_ERROR(parse_status_line(status_line, &reply));
  std::size_t total = status_line.size();
  for (;;) {
    ASSIGN_OR_RETURN(const std::string line, read_line(kMaxHead - std::min(total, kMaxHead)));
    total += line.size();
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || colon == 0 || line[0] == ' ' || line[0] == '\t') {
      return data_loss("malformed HTTP header {:?}", std::string_view(line).substr(0, 60));
    }
    const std::string_view text = line;
    reply.headers.add(trimmed(text.substr(0, colon)), trimmed(text.substr(colon + 1)));
  }
  RETURN_IF_ERROR(choose_framing(method, &reply));
  return reply;
}

StatusOr<HttpReply> HttpExchange::read_head(std::string_view method) {
  for (int interim = 0; interim <= kMaxInterim; ++interim) {
    ASSIGN_OR_RETURN(HttpReply reply, read_one_head(method));
    if (reply.status >= 200 || reply.status == 101) return reply;
  }
  return data_loss("too many 1xx responses");
}

Status HttpExchange::choose_framing(std::string_view method, HttpReply* reply) {
  bool is_chunked = false;
  for (const auto& [name, value] : reply->headers.all()) {
    if (same_word(name, "Transfer-Encoding")) {
      if (!same_word(value, "chunked"))
        return data_loss("unsupported transfer encoding: {:?}", value);
      is_chunked = true;
    } else if (same_word(name, "Content-Length")) {
      std::uint64_t length = 0;
      if (!parse_number(value, 10, &length) || length > INT64_MAX) {
        return data_loss("bad Content-Length {:?}", value);
      }
      const auto given = static_cast<std::int64_t>(length);
      if (reply->content_length >= 0 && reply->content_length != given) {
        return data_loss("different values of Content-Length");
      }
      reply->content_length = given;
    }
  }
  const bool has_no_body = reply->status == 204 || reply->status == 304 || reply->status < 200;
  if (has_no_body || method == "HEAD") {
    framing_ = Framing::kNone;
    if (has_no_body && reply->content_length < 0) reply->content_length = 0;
  } else if (is_chunked) {
    framing_ = Framing::kChunked;
    reply->content_length = -1;
  } else if (reply->content_length >= 0) {
    framing_ = Framing::kLength;
    length_ = static_cast<std::uint64_t>(reply->content_length);
  } else {
    framing_ = Framing::kUntilEnd;
  }
  return ok();
}

Status HttpExchange::read_body(const Sink& sink) {
  switch (framing_) {
    case Framing::kNone:
      return ok();
    case Framing::kLength:
      return read_length(length_, sink);
    case Framing::kChunked:
      return read_chunks(sink);
    case Framing::kUntilEnd:
      return read_until_end(sink);
  }
  return ok();
}

Status HttpExchange::read_length(std::uint64_t length, const Sink& sink) {
  while (length != 0) {
    if (used_ == buffer_.size()) {
      ASSIGN_OR_RETURN(const bool has_more, fill());
      if (!has_more) return data_loss("unexpected EOF");
    }
    const std::string_view piece = std::string_view(buffer_).substr(used_, length);
    RETURN_IF_ERROR(sink(piece));
    used_ += piece.size();
    length -= piece.size();
  }
  return ok();
}

Status HttpExchange::read_chunks(const Sink& sink) {
  for (;;) {
    ASSIGN_OR_RETURN(const std::string line, read_line(kMaxChunkLine));
    const std::string_view digits = trimmed(std::string_view(line).substr(0, line.find(';')));
    std::uint64_t size = 0;
    if (!parse_number(digits, 16, &size)) return data_loss("malformed chunked encoding");
    if (size == 0) break;
    RETURN_IF_ERROR(read_length(size, sink));
    ASSIGN_OR_RETURN(const std::string end, read_line(kMaxChunkLine));
    if (!end.empty()) return data_loss("malformed chunked encoding");
  }
  // Trailers.
  for (std::size_t total = 0;;) {
    ASSIGN_OR_RETURN(const std::string line, read_line(kMaxHead));
    total += line.size();
    if (line.empty()) return ok();
    if (total > kMaxHead) return data_loss("too many trailers");
  }
}

Status HttpExchange::read_until_end(const Sink& sink) {
  for (;;) {
    if (used_ == buffer_.size()) {
      ASSIGN_OR_RETURN(const bool has_more, fill());
      if (!has_more) return ok();
    }
    RETURN_IF_ERROR(sink(std::string_view(buffer_).substr(used_)));
    used_ = buffer_.size();
  }
}

std::string HttpExchange::take_rest() {
  std::string rest = buffer_.substr(used_);
  buffer_.clear();
  used_ = 0;
  return rest;
}

}  // namespace tocsin::exporters::app
