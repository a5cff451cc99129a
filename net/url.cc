// SPDX-License-Identifier: Apache-2.0
//
// URLs and query strings: QueryParams and Url of net/http.h.
#include <charconv>

#include "base/escape.h"
#include "net/http.h"

namespace tocsin::net {
namespace {

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

enum class Plus { kStays, kIsSpace };

StatusOr<std::string> decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::kIsSpace) {
      out.push_back(' ');
    } else if (text[i] != '%') {
      out.push_back(text[i]);
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return invalid_argument("invalid URL escape \"{}\"", text.substr(i, 3));
      }
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    }
  }
  return out;
}

// An ASCII character of a host stands for itself (RFC 3986, 3.2.2), but for the "%25" of a zone.
StatusOr<std::string> decode_host(std::string_view text) {
  for (std::size_t i = text.find('%'); i != std::string_view::npos; i = text.find('%', i + 1)) {
    const std::string_view escape = text.substr(i, 3);
    if (escape.size() == 3 && escape[1] < '8' && escape != "%25") {
      return invalid_argument("invalid URL escape \"{}\"", escape);
    }
  }
  return decode(text, Plus::kStays);
}

// Percent-encodes all but letters, digits and `unreserved`.
std::string encode(std::string_view text, std::string_view unreserved) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_alpha(c) || is_digit(c) || unreserved.find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  return out;
}

// Takes "scheme:" off `rest`; leaves it alone when there is none.
std::string take_scheme(std::string_view* rest) {
  const std::size_t end = rest->find_first_of(":/?#");
  if (end == std::string_view::npos || (*rest)[end] != ':' || end == 0 || !is_alpha(rest->front()))
    return {};
  std::string scheme(rest->substr(0, end));
  for (char& c : scheme) {
    if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '-' && c != '.') return {};
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  rest->remove_prefix(end + 1);
  return scheme;
}

Status parse_port(std::string_view text, Url* url) {
  if (text.empty()) return ok();
  const std::string_view digits = text.substr(1);
  if (text.front() != ':') return invalid_argument("invalid port \"{}\" after host", text);
  if (digits.empty()) return ok();
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, url->port);
  if (error != std::errc() || stop != end)
    return invalid_argument("invalid port \"{}\" after host", text);
  return ok();
}

Status parse_authority(std::string_view text, Url* url) {
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    ASSIGN_OR_RETURN(url->user, decode(text.substr(0, at), Plus::kStays));
    text.remove_prefix(at + 1);
  }
  std::size_t end = text.find(':');
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return invalid_argument("missing ']' in host");
    url->host = text.substr(1, bracket - 1);
    end = bracket + 1;
  } else {
    ASSIGN_OR_RETURN(url->host, decode_host(text.substr(0, end)));
  }
  if (url->host.find_first_of(" <>\"/@[]") != std::string::npos) {
    return invalid_argument("invalid character in host name");
  }
  return parse_port(end >= text.size() ? std::string_view{} : text.substr(end), url);
}

StatusOr<Url> parse_url(std::string_view rest) {
  Url url;
  for (const char c : rest) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return invalid_argument("net/url: invalid control character in URL");
    }
  }
  if (const std::size_t hash = rest.find('#'); hash != std::string_view::npos) {
    url.fragment = rest.substr(hash + 1);
    rest = rest.substr(0, hash);
  }
  if (rest.starts_with(':')) return invalid_argument("missing protocol scheme");
  url.scheme = take_scheme(&rest);
  if (const std::size_t question = rest.find('?'); question != std::string_view::npos) {
    url.query = rest.substr(question + 1);
    rest = rest.substr(0, question);
  }
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    const std::size_t slash = rest.find('/');
    RETURN_IF_ERROR(parse_authority(rest.substr(0, slash), &url));
    rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash);
  } else if (!url.scheme.empty() && !rest.starts_with('/')) {
    return invalid_argument("missing \"//\" after the scheme");
  } else if (rest.substr(0, rest.find('/')).find(':') != std::string_view::npos) {
    return invalid_argument("first path segment in URL cannot contain colon");
  }
  RETURN_IF_ERROR(decode(rest, Plus::kStays).status());
  url.path = rest;
  return url;
}

}  // namespace

StatusOr<QueryParams> QueryParams::parse(std::string_view encoded) {
  QueryParams params;
  while (!encoded.empty()) {
    const std::size_t end = encoded.find('&');
    const std::string_view pair = encoded.substr(0, end);
    encoded = end == std::string_view::npos ? std::string_view{} : encoded.substr(end + 1);
    if (pair.empty()) continue;
    if (pair.find(';') != std::string_view::npos) {
      return invalid_argument("invalid semicolon separator in query");
    }
    const std::size_t equals = pair.find('=');
    ASSIGN_OR_RETURN(std::string name, decode(pair.substr(0, equals), Plus::kIsSpace));
    const std::string_view raw = equals == std::string_view::npos ? "" : pair.substr(equals + 1);
    ASSIGN_OR_RETURN(std::string value, decode(raw, Plus::kIsSpace));
    params.pairs_.emplace_back(std::move(name), std::move(value));
  }
  return params;
}

void QueryParams::append(const QueryParams& other) {
  const std::size_t count = other.pairs_.size();  // `other` may be this object
  pairs_.reserve(pairs_.size() + count);
  for (std::size_t i = 0; i < count; ++i) pairs_.push_back(other.pairs_[i]);
}

std::string_view QueryParams::get(std::string_view name) const {
  for (const auto& [key, value] : pairs_) {
    if (key == name) return value;
  }
  return {};
}

bool QueryParams::has(std::string_view name) const {
  return std::any_of(pairs_.begin(), pairs_.end(),
                     [&](const auto& pair) { return pair.first == name; });
}

std::vector<std::string> QueryParams::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : pairs_) {
    if (key == name) values.push_back(value);
  }
  return values;
}

std::string url_encode(std::string_view text) { return base::query_encoded(text); }

StatusOr<std::string> url_decode(std::string_view text) { return decode(text, Plus::kStays); }

StatusOr<Url> Url::parse(std::string_view text) {
  StatusOr<Url> url = parse_url(text);
  if (!url.ok()) return annotate(url.status(), "parse {:?}", text);
  return url;
}

std::string Url::authority() const {
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != 0) out.append(":").append(std::to_string(port));
  return out;
}

std::string Url::to_string() const {
  std::string out;
  if (!scheme.empty()) out.append(scheme).append(":");
  if (!host.empty() || !user.empty() || port != 0) {
    out.append("//");
    if (!user.empty()) out.append(encode(user, "-_.~:!$&'()*+,;=")).append("@");
    out.append(authority());
  }
  out.append(path);
  if (!query.empty()) out.append("?").append(query);
  if (!fragment.empty()) out.append("#").append(fragment);
  return out;
}

}  // namespace tocsin::net
