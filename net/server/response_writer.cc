// SPDX-License-Identifier: Apache-2.0
#include "net/server/response_writer.h"

#include <exception>

namespace tocsin::net {
namespace {

// A smaller body goes out with the first packets of a connection anyhow, and to compress it takes as
// long as to make it.
constexpr std::size_t kMinGzipBytes = 4096;

bool is_same(std::string_view a, std::string_view b) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// Whether a comma-separated header holds `token`.
bool has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    std::string_view item = list.substr(0, comma);
    while (item.starts_with(' ') || item.starts_with('\t')) item.remove_prefix(1);
    while (item.ends_with(' ') || item.ends_with('\t')) item.remove_suffix(1);
    if (is_same(item, token)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

// Headers that frame the message belong to the writer.
bool is_framing(std::string_view name) {
  return is_same(name, "Content-Length") || is_same(name, "Transfer-Encoding") ||
         is_same(name, "Connection") || is_same(name, "Date");
}

// A line break in a value would start another header, or another response.
void append_field(std::string* out, std::string_view name, std::string_view value) {
  out->append(name).append(": ");
  for (const char c : value) out->push_back(c == '\r' || c == '\n' || c == '\0' ? ' ' : c);
  out->append("\r\n");
}

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

RequestTraits RequestTraits::of(const HttpRequest& request, bool is_http_1_0) {
  RequestTraits traits;
  traits.is_head = request.method == "HEAD";
  traits.is_http_1_0 = is_http_1_0;
  traits.takes_gzip = accepts_gzip(request.headers.get("Accept-Encoding"));
  const std::string_view connection = request.headers.get("Connection");
  traits.keep_alive =
      is_http_1_0 ? has_token(connection, "keep-alive") : !has_token(connection, "close");
  return traits;
}

ResponseWriter::ResponseWriter(HttpResponse response, RequestTraits traits, bool keep_alive,
                               base::Timestamp now)
    : response_(std::move(response)),
      traits_(traits),
      keep_alive_(keep_alive && traits.keep_alive) {
  if (may_have_body(response_.status)) {
    compress();
    frame();
  } else {
    response_.body.clear();
    response_.stream = nullptr;
  }
  write_head(now);
}

void ResponseWriter::compress() {
  const bool is_stream = response_.stream != nullptr;
  if (!is_stream && response_.body.size() <= kMinGzipBytes) return;
  if (response_.headers.has("Content-Encoding")) return;
  response_.headers.add("Vary", "Accept-Encoding");
  if (!traits_.takes_gzip) return;
  response_.headers.add("Content-Encoding", "gzip");
  if (is_stream) {
    gzip_ = std::make_unique<GzipStream>();
  } else {
    response_.body = gzip(response_.body);
  }
}

void ResponseWriter::frame() {
  if (response_.stream == nullptr) {
    framing_ = "Content-Length: " + std::to_string(response_.body.size()) + "\r\n";
    if (traits_.is_head) response_.body.clear();
    return;
  }
  response_.body.clear();
  streams_ = !traits_.is_head;
  if (traits_.is_http_1_0) {
    keep_alive_ = false;  // the end of the connection ends the body
  } else {
    chunked_ = true;
    framing_ = "Transfer-Encoding: chunked\r\n";
  }
}

void ResponseWriter::write_head(base::Timestamp now) {
  head_ = "HTTP/1.1 " + std::to_string(response_.status) + " ";
  head_.append(status_reason(response_.status)).append("\r\n");
  for (const auto& [name, value] : response_.headers.all()) {
    if (!is_framing(name)) append_field(&head_, name, value);
  }
  append_field(&head_, "Date", http_date(now));
  head_.append(framing_);
  if (!keep_alive_) {
    head_.append("Connection: close\r\n");
  } else if (traits_.is_http_1_0) {
    head_.append("Connection: keep-alive\r\n");
  }
  head_.append("\r\n");
}

StatusOr<std::string> ResponseWriter::next() {
  std::string piece;
  while (!ended_ && piece.empty()) {
    try {
      ASSIGN_OR_RETURN(piece, response_.stream());
    } catch (const std::exception& error) {
      return internal("exception in a response body: {}", error.what());
    }
    ended_ = piece.empty();
    if (!gzip_) continue;
    if (!ended_) {
      piece = gzip_->compress(piece);
      continue;
    }
    piece = gzip_->finish();
    gzip_.reset();
  }
  if (!chunked_) return piece;
  std::string framed;
  if (!piece.empty()) framed = fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
  if (ended_) {
    framed.append("0\r\n\r\n");
    chunked_ = false;
  }
  return framed;
}

HttpResponse server_error(int status, std::string_view text) {
  HttpResponse response = HttpResponse::text(status, text);
  response.headers.add("X-Content-Type-Options", "nosniff");
  return response;
}

std::string http_date(base::Timestamp t) {
  constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                     "Thu", "Fri", "Sat"};
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(t);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(t - day));
  return fmt::format(
      "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[std::chrono::weekday(day).c_encoding()],
      static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
      static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
      time.seconds().count());
}

StatusOr<HttpResponse> call_handler(const std::function<HttpResponse(const HttpRequest&)>& handler,
                                    const HttpRequest& request) {
  try {
    return handler(request);
  } catch (const std::exception& error) {
    return internal("exception in a handler: {}", error.what());
  }
}

}  // namespace tocsin::net
