// SPDX-License-Identifier: Apache-2.0
//
// The words of HTTP requests: names, targets, references, credentials, cookies.
//
// Functions and values; only authorization_of() and header_values() read files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "exporters/app/fields.h"
#include "net/http.h"

namespace tocsin::exporters::app {

// Equal without case.
bool same_word(std::string_view a, std::string_view b);

// Without bytes that would start another header.
bool is_header_name(std::string_view name);
bool is_header_value(std::string_view value);

// The port that is asked: the given one, or that of the scheme.
std::uint16_t port_of(const net::Url& url);
// Path and query as they go into the request line.
std::string request_target(const net::Url& url);
// Where a Location leads from `base`. kInvalidArgument for what is no URL.
StatusOr<net::Url> resolve_reference(const net::Url& base, std::string_view location);

// A date of a header in Unix seconds, in any of the three forms of RFC 9110; nothing for another text.
std::optional<std::int64_t> parse_http_date(std::string_view text);

// How a request proves who asks.
struct HttpLogin {
  std::string user;
  Secret user_file;  // only the file counts
  Secret password;
  bool is_basic = false;
  std::string scheme = "Bearer";
  Secret credentials;
};
// The value of Authorization; "" for none. Files are read.
StatusOr<std::string> authorization_of(const HttpLogin& login, base::FileSystem& files);

// A header of every request; one from a file or a list of secrets goes to the first host only.
struct ClientHeader {
  std::string name;
  Secret value;
  bool is_secret = false;
};
// Names and values of all headers, or without the secrets. Files are read.
StatusOr<std::vector<std::pair<std::string, std::string>>> header_values(
    const std::vector<ClientHeader>& headers, bool with_secrets, base::FileSystem& files);

// Cookies of one chain of redirects, each for the host that set it.
class CookieJar {
 public:
  void take(const std::string& host, const net::HttpHeaders& headers);
  // The value of Cookie; "" for none.
  std::string cookies_for(const std::string& host, bool is_secure) const;

 private:
  static constexpr std::size_t kMaxCookies = 50;
  struct Cookie {
    std::string host, name, value;
    bool is_secure = false;
  };
  std::vector<Cookie> cookies_;
};

}  // namespace tocsin::exporters::app
