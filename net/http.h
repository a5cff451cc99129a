// SPDX-License-Identifier: Apache-2.0
//
// HTTP values shared by client and server: headers, requests, responses, URLs, query parameters.
//
// Values; no I/O.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace tocsin::net {

// Header fields in order; names compare without case.
class HttpHeaders {
 public:
  void add(std::string_view name, std::string_view value);
  void set(std::string_view name, std::string_view value);  // replaces all of that name
  // The first value of `name`, or "" when absent.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// Decoded name=value pairs of a query string or form, in order.
class QueryParams {
 public:
  // Decodes "+" and %XX; kInvalidArgument `invalid URL escape "%zz"`.
  static StatusOr<QueryParams> parse(std::string_view encoded);
  void append(const QueryParams& other);
  std::string_view get(std::string_view name) const;  // first value, "" when absent
  bool has(std::string_view name) const;
  std::vector<std::string> all(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& pairs() const { return pairs_; }

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

std::string url_encode(std::string_view text);            // as Go's url.QueryEscape
StatusOr<std::string> url_decode(std::string_view text);  // path rules: "+" stays

struct Url {
  std::string scheme;      // lower case
  std::string user;        // "user" or "user:password", decoded; usually empty
  std::string host;        // without brackets
  std::uint16_t port = 0;  // 0: none given
  std::string path;        // "" or starts with "/", as written
  std::string query;       // without "?"
  std::string fragment;

  static StatusOr<Url> parse(std::string_view text);
  std::string to_string() const;
  std::string authority() const;  // host[:port], brackets for IPv6
};

// What a handler sees. The path is decoded per segment: an encoded "/" does not split it.
struct HttpRequest {
  std::string method;
  std::string target;             // as received
  std::vector<std::string> path;  // decoded segments of the path after the route prefix
  QueryParams query;              // of the URL
  HttpHeaders headers;
  std::string body;
  std::string remote_address;  // host:port of the peer
  // True once the client has closed the connection before it was answered; null where the server
  // does not tell.
  std::shared_ptr<const std::atomic<bool>> client_gone;
  std::vector<std::string> path_values;  // what {name} parts of the route pattern matched, in order

  // Sets target, path and query from "/path?query" (or the absolute form); "/" has no segments and
  // "/a/" has two. Broken pairs of the query are left out. kInvalidArgument, and no change, for a
  // bad path.
  Status set_target(std::string_view new_target);

  // Parameters of the URL and, for a form-encoded body, of the body (body first, as Go's
  // FormValue).
  StatusOr<QueryParams> form() const;
};

// Pulled by the server whenever the socket takes more; "" ends the body.
using BodySource = std::function<StatusOr<std::string>()>;

struct HttpResponse {
  int status = 200;
  HttpHeaders headers;
  std::string body;
  BodySource stream;                 // when set, used instead of `body` (chunked)
  std::shared_ptr<const void> held;  // let go of when the response has left

  static HttpResponse text(int status, std::string_view text);  // text/plain; charset=utf-8
  static HttpResponse json(int status, std::string json);
};

std::string_view status_reason(int status);

}  // namespace tocsin::net
