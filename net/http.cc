// SPDX-License-Identifier: Apache-2.0
#include "net/http.h"

#include <array>

namespace tocsin::net {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool is_form(const HttpRequest& request) {
  if (request.method != "POST" && request.method != "PUT" && request.method != "PATCH")
    return false;
  const std::string_view type = request.headers.get("Content-Type");
  return equal_ignoring_case(trim(type.substr(0, type.find(';'))),
                             "application/x-www-form-urlencoded");
}

std::string_view query_of(std::string_view target) {
  const std::size_t question = target.find('?');
  return question == std::string_view::npos ? std::string_view{} : target.substr(question + 1);
}

// The path of "/path?query" and of the absolute form "http://host/path?query"; "" when it is
// neither.
std::string_view path_of(std::string_view target) {
  for (std::string_view scheme : {"http://", "https://"}) {
    if (!equal_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    const std::size_t slash = target.find_first_of("/?", scheme.size());
    if (slash == std::string_view::npos || target[slash] == '?') return "/";
    target.remove_prefix(slash);
    break;
  }
  if (target.empty() || target.front() != '/') return {};
  return target.substr(0, target.find('?'));
}

struct StatusText {
  int status;
  std::string_view reason;
};

constexpr std::array<StatusText, 41> kReasons{{
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Request Entity Too Large"},
    {414, "Request URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Entity"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
}};

}  // namespace

void HttpHeaders::add(std::string_view name, std::string_view value) {
  fields_.emplace_back(name, value);
}

void HttpHeaders::set(std::string_view name, std::string_view value) {
  std::erase_if(fields_, [&](const auto& field) { return equal_ignoring_case(field.first, name); });
  add(name, value);
}

std::string_view HttpHeaders::get(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return {};
}

bool HttpHeaders::has(std::string_view name) const {
  return std::any_of(fields_.begin(), fields_.end(),
                     [&](const auto& field) { return equal_ignoring_case(field.first, name); });
}

Status HttpRequest::set_target(std::string_view new_target) {
  const std::string_view whole_path = path_of(new_target);
  if (whole_path.empty()) return invalid_argument("invalid request target {:?}", new_target);
  std::vector<std::string> segments;
  std::string_view rest = whole_path.substr(1);
  while (whole_path.size() > 1) {
    const std::size_t slash = rest.find('/');
    ASSIGN_OR_RETURN(std::string segment, url_decode(rest.substr(0, slash)));
    segments.push_back(std::move(segment));
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  target = new_target;
  path = std::move(segments);
  query = QueryParams();
  // A broken pair does not hide the others; form() reports it to handlers that are strict.
  std::string_view pairs = query_of(new_target);
  while (!pairs.empty()) {
    const std::size_t end = pairs.find('&');
    if (auto pair = QueryParams::parse(pairs.substr(0, end)); pair.ok()) query.append(*pair);
    if (end == std::string_view::npos) break;
    pairs.remove_prefix(end + 1);
  }
  return ok();
}

StatusOr<QueryParams> HttpRequest::form() const {
  QueryParams params;
  if (is_form(*this)) {
    ASSIGN_OR_RETURN(params, QueryParams::parse(body));
  }
  RETURN_IF_ERROR(QueryParams::parse(query_of(target)).status());
  params.append(query);
  return params;
}

HttpResponse HttpResponse::text(int status, std::string_view text) {
  HttpResponse response;
  response.status = status;
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.body = text;
  return response;
}

HttpResponse HttpResponse::json(int status, std::string json) {
  HttpResponse response;
  response.status = status;
  response.headers.add("Content-Type", "application/json");
  response.body = std::move(json);
  return response;
}

std::string_view status_reason(int status) {
  for (const StatusText& entry : kReasons) {
    if (entry.status == status) return entry.reason;
  }
  return "Unknown";
}

}  // namespace tocsin::net
