// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe/http_text.h"

#include <algorithm>
#include <ctime>

#include "base/hash.h"

namespace tocsin::exporters::app {
namespace {

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// The path without "." and ".." segments.
std::string clean_path(std::string_view path) {
  std::vector<std::string_view> segments;
  const bool ends_in_folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else if (segment != "." && (!segment.empty() || !path.empty())) {
      segments.push_back(segment);
    }
  }
  std::string out;
  for (const std::string_view segment : segments) out.append("/").append(segment);
  if (out.empty() || ends_in_folder) out.append("/");
  return out;
}

}  // namespace

bool same_word(std::string_view a, std::string_view b) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

bool is_header_name(std::string_view name) {
  constexpr std::string_view kSeparators = "\"(),/:;<=>?@[\\]{}";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return c > ' ' && c < 0x7F && kSeparators.find(c) == std::string_view::npos;
  });
}

bool is_header_value(std::string_view value) {
  return std::none_of(value.begin(), value.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && byte != '\t') || byte == 0x7F;
  });
}

std::uint16_t port_of(const net::Url& url) {
  if (url.port != 0) return url.port;
  return url.scheme == "https" || url.scheme == "wss" ? 443 : 80;
}

std::string request_target(const net::Url& url) {
  std::string text = url.path.empty() ? "/" : url.path;
  if (!url.query.empty()) text.append("?").append(url.query);
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > ' ' && byte < 0x7F) {
      out.push_back(c);
    } else {
      out.append(fmt::format("%{:02X}", byte));
    }
  }
  return out;
}

StatusOr<net::Url> resolve_reference(const net::Url& base, std::string_view location) {
  if (location.starts_with("//")) {
    return net::Url::parse(fmt::format("{}:{}", base.scheme, location));
  }
  const std::size_t scheme = location.find("://");
  if (scheme != std::string_view::npos && scheme < location.find_first_of("/?#")) {
    return net::Url::parse(location);
  }
  net::Url url = base;
  url.query.clear();
  url.fragment.clear();
  // Only a path is parsed here, and it may hold a colon.
  const std::size_t hash = location.find('#');
  location = location.substr(0, hash);
  const std::size_t question = location.find('?');
  const std::string_view path = location.substr(0, question);
  if (question != std::string_view::npos) url.query = location.substr(question + 1);
  if (path.starts_with('/')) {
    url.path = clean_path(path);
  } else if (!path.empty()) {
    const std::string folder = url.path.substr(0, url.path.rfind('/') + 1);
    url.path = clean_path((folder.empty() ? "/" : folder) + std::string(path));
  } else if (question == std::string_view::npos) {
    url.query = base.query;
  }
  return url;
}

std::optional<std::int64_t> parse_http_date(std::string_view text) {
  const std::string date(text);
  for (const char* format :
       {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    std::tm parts{};
    const char* end = ::strptime(date.c_str(), format, &parts);
    if (end != nullptr && *end == '\0') return ::timegm(&parts);
  }
  return std::nullopt;
}

StatusOr<std::string> authorization_of(const HttpLogin& login, base::FileSystem& files) {
  if (login.is_basic) {
    std::string user = login.user;
    if (!login.user_file.empty()) {
      ASSIGN_OR_RETURN(user, login.user_file.read(files));
    }
    ASSIGN_OR_RETURN(const std::string password, login.password.read(files));
    return "Basic " + base::base64_encode(user + ":" + password);
  }
  if (login.credentials.empty()) return std::string();
  ASSIGN_OR_RETURN(const std::string credentials, login.credentials.read(files));
  return login.scheme + " " + credentials;
}

StatusOr<std::vector<std::pair<std::string, std::string>>> header_values(
    const std::vector<ClientHeader>& headers, bool with_secrets, base::FileSystem& files) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const ClientHeader& header : headers) {
    if (header.is_secret && !with_secrets) continue;
    ASSIGN_OR_RETURN(std::string value, header.value.read(files));
    if (!is_header_value(value)) {
      return invalid_argument("bad bytes in the value of header {}", header.name);
    }
    pairs.emplace_back(header.name, std::move(value));
  }
  return pairs;
}

void CookieJar::take(const std::string& host, const net::HttpHeaders& headers) {
  for (const auto& [name, value] : headers.all()) {
    if (!same_word(name, "Set-Cookie")) continue;
    const std::string_view text = value;
    const std::string_view pair = trimmed(text.substr(0, text.find(';')));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    Cookie cookie{host, std::string(pair.substr(0, equals)), std::string(pair.substr(equals + 1))};
    std::string_view rest = text.substr(std::min(text.find(';'), text.size()));
    while (!rest.empty()) {
      rest.remove_prefix(1);
      const std::string_view attribute = trimmed(rest.substr(0, rest.find(';')));
      if (same_word(attribute, "Secure")) cookie.is_secure = true;
      rest = rest.substr(std::min(rest.find(';'), rest.size()));
    }
    std::erase_if(cookies_, [&](const Cookie& old) {
      return old.host == cookie.host && old.name == cookie.name;
    });
    if (cookies_.size() < kMaxCookies) cookies_.push_back(std::move(cookie));
  }
}

std::string CookieJar::cookies_for(const std::string& host, bool is_secure) const {
  std::string out;
  for (const Cookie& cookie : cookies_) {
    if (cookie.host != host || (cookie.is_secure && !is_secure)) continue;
    out.append(out.empty() ? "" : "; ").append(cookie.name).append("=").append(cookie.value);
  }
  return out;
}

}  // namespace tocsin::exporters::app
