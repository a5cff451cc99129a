// SPDX-License-Identifier: Apache-2.0
#include "template/html/escape.h"

#include "base/status.h"

namespace tocsin::tmpl {
namespace {

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// The replacement of `c`; empty when it stands for itself.
std::string_view html_replacement(char c) {
  switch (c) {
    case '\0':
      return "\xEF\xBF\xBD";
    case '"':
      return "&#34;";
    case '&':
      return "&amp;";
    case '\'':
      return "&#39;";
    case '+':
      return "&#43;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    default:
      return "";
  }
}

template <typename Replacement>
std::string replace(std::string_view text, Replacement replacement) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const std::string_view other = replacement(c);
    if (other.empty()) {
      out += c;
    } else {
      out += other;
    }
  }
  return out;
}

std::string process_url(std::string_view text, bool normalise) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool unreserved =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
        (c != '\0' && std::string_view("-._~").find(c) != std::string_view::npos);
    const bool separator = normalise && c != '\0' &&
                           std::string_view("!#$&*+,/:;=?@[]").find(c) != std::string_view::npos;
    const bool escape =
        normalise && c == '%' && i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2]);
    if (unreserved || separator || escape) {
      out += c;
    } else {
      out += fmt::format("%{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

}  // namespace

std::string escape_html(std::string_view text) { return replace(text, html_replacement); }

std::string normalise_html(std::string_view text) {
  return replace(text, [](char c) { return c == '&' ? std::string_view() : html_replacement(c); });
}

std::string escape_unquoted(std::string_view text) {
  if (text.empty()) return "ZgotmplZ";  // an empty value would swallow what follows
  return replace(text, [](char c) -> std::string_view {
    switch (c) {
      case '\0':
        return "&#xfffd;";
      case '\t':
        return "&#9;";
      case '\n':
        return "&#10;";
      case '\v':
        return "&#11;";
      case '\f':
        return "&#12;";
      case '\r':
        return "&#13;";
      case ' ':
        return "&#32;";
      case '=':
        return "&#61;";
      case '`':
        return "&#96;";
      default:
        return html_replacement(c);
    }
  });
}

std::string strip_tags(std::string_view html) {
  std::string out;
  while (!html.empty()) {
    const std::size_t open = html.find('<');
    out += html.substr(0, open);
    if (open == std::string_view::npos) break;
    const std::size_t close = html.find('>', open);
    if (close == std::string_view::npos) break;
    html.remove_prefix(close + 1);
  }
  return out;
}

std::string escape_url(std::string_view text) { return process_url(text, false); }
std::string normalise_url(std::string_view text) { return process_url(text, true); }

bool has_safe_scheme(std::string_view url) {
  const std::size_t colon = url.find(':');
  if (colon == std::string_view::npos || url.substr(0, colon).find('/') != std::string_view::npos)
    return true;
  std::string scheme(url.substr(0, colon));
  for (char& c : scheme) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return scheme == "http" || scheme == "https" || scheme == "mailto";
}

}  // namespace tocsin::tmpl
