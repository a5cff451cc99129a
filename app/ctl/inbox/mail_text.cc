// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/inbox/mail_text.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "model/text.h"

namespace tocsin::app {

namespace {

constexpr int kMaxDepth = 4;  // multiparts within multiparts

struct Entity {
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string_view body;

  std::string_view header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return {};
  }
};

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Takes one line off `text`, without its line end.
std::string_view take_line(std::string_view* text) {
  const std::size_t end = text->find('\n');
  std::string_view line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

Entity split_entity(std::string_view data) {
  Entity entity;
  while (!data.empty()) {
    const std::string_view line = take_line(&data);
    if (line.empty()) break;
    if ((line.front() == ' ' || line.front() == '\t') && !entity.headers.empty()) {
      entity.headers.back().second.append(" ").append(trim(line));  // a folded header
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    entity.headers.emplace_back(model::to_lower(line.substr(0, colon)),
                                trim(line.substr(colon + 1)));
  }
  entity.body = data;
  return entity;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// The byte of "=XX" at `at`.
std::optional<char> hex_byte(std::string_view text, std::size_t at) {
  if (at + 2 >= text.size()) return std::nullopt;
  const int high = hex_digit(text[at + 1]), low = hex_digit(text[at + 2]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

std::string decode_quoted_printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::string_view line = take_line(&text);
    const bool soft = line.ends_with('=');
    if (soft) line.remove_suffix(1);
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::optional<char> byte = line[i] == '=' ? hex_byte(line, i) : std::nullopt;
      out += byte.value_or(line[i]);
      if (byte) i += 2;
    }
    if (!soft) out += '\n';
  }
  return out;
}

std::string decode_base64(std::string_view text) {
  std::string packed;
  for (const char c : text) {
    if (c != '\r' && c != '\n') packed += c;
  }
  StatusOr<std::string> bytes = base::base64_decode(packed);
  return bytes.ok() ? *bytes : std::string(text);
}

// Decodes "=?CHARSET?q|b?TEXT?=" at the start of `text`; nothing when there is no such word.
std::optional<std::pair<std::string, std::size_t>> encoded_word(std::string_view text) {
  if (!text.starts_with("=?")) return std::nullopt;
  const std::size_t charset_end = text.find('?', 2);
  if (charset_end == std::string_view::npos || charset_end + 2 >= text.size() ||
      text[charset_end + 2] != '?')
    return std::nullopt;
  const std::size_t begin = charset_end + 3;
  const std::size_t end = text.find("?=", begin);
  if (end == std::string_view::npos) return std::nullopt;
  std::string word(text.substr(begin, end - begin));
  const char kind = text[charset_end + 1];
  if (kind == 'b' || kind == 'B') return std::pair{decode_base64(word), end + 2};
  if (kind != 'q' && kind != 'Q') return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const std::optional<char> byte = word[i] == '=' ? hex_byte(word, i) : std::nullopt;
    out += byte.value_or(word[i] == '_' ? ' ' : word[i]);
    if (byte) i += 2;
  }
  return std::pair{out, end + 2};
}

std::string decode_header(std::string_view text) {
  std::string out;
  bool after_word = false;
  for (std::size_t i = 0; i < text.size();) {
    // White space between two encoded words belongs to neither.
    const std::size_t next = text.find_first_not_of(" \t", i);
    const std::size_t at = after_word && next != std::string_view::npos ? next : i;
    if (auto word = encoded_word(text.substr(at)); word) {
      out += word->first;
      i = at + word->second;
      after_word = true;
      continue;
    }
    after_word = false;
    out += text[i++];
  }
  return out;
}

// The value of boundary= of a Content-Type.
std::string boundary_of(std::string_view type) {
  const std::size_t at = model::to_lower(type).find("boundary=");
  if (at == std::string::npos) return "";
  std::string_view value = type.substr(at + 9);
  if (value.starts_with('"')) return std::string(value.substr(1, value.find('"', 1) - 1));
  return std::string(trim(value.substr(0, value.find(';'))));
}

std::optional<std::string> plain_text(const Entity& entity, int depth);

std::optional<std::string> plain_part(const Entity& entity, const std::string& boundary,
                                      int depth) {
  const std::string mark = "--" + boundary;
  std::string_view rest = entity.body;
  const char* begin = nullptr;  // of the part being read
  while (!rest.empty()) {
    const char* line_begin = rest.data();
    const std::string_view line = take_line(&rest);
    if (!line.starts_with(mark)) continue;
    if (begin != nullptr) {
      const auto size = static_cast<std::size_t>(line_begin - begin);
      if (auto text = plain_text(split_entity({begin, size}), depth + 1); text) return text;
    }
    if (line.substr(mark.size()).starts_with("--")) break;
    begin = rest.data();
  }
  return std::nullopt;
}

std::optional<std::string> plain_text(const Entity& entity, int depth) {
  const std::string_view type = entity.header("content-type");
  const std::string kind = model::to_lower(trim(type.substr(0, type.find(';'))));
  if (kind.starts_with("multipart/")) {
    const std::string boundary = boundary_of(type);
    if (boundary.empty() || depth >= kMaxDepth) return std::nullopt;
    return plain_part(entity, boundary, depth);
  }
  if (!kind.empty() && kind != "text/plain") return std::nullopt;
  const std::string encoding = model::to_lower(entity.header("content-transfer-encoding"));
  if (encoding == "base64") return decode_base64(entity.body);
  if (encoding == "quoted-printable") return decode_quoted_printable(entity.body);
  std::string out;
  for (const char c : entity.body) {
    if (c != '\r') out += c;
  }
  return out;
}

}  // namespace

MailText read_mail(std::string_view data) {
  const Entity entity = split_entity(data);
  MailText mail;
  mail.from = decode_header(entity.header("from"));
  mail.to = decode_header(entity.header("to"));
  mail.subject = decode_header(entity.header("subject"));
  mail.text = plain_text(entity, 0).value_or("");
  while (mail.text.ends_with('\n')) mail.text.pop_back();
  return mail;
}

}  // namespace tocsin::app
