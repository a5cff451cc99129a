// SPDX-License-Identifier: Apache-2.0
#include "exporters/postgres/conninfo.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

#include <libpq-fe.h>

namespace tocsin::exporters::postgres {
namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

bool is_secret(std::string_view key) { return key == "password" || key == "sslpassword"; }

bool is_uri(std::string_view text) {
  return text.starts_with("postgresql://") || text.starts_with("postgres://");
}

// " name = value": at least one pair, and nothing that looks like a path before it.
bool is_key_value(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && text[at] == ' ') ++at;
  const std::size_t begin = at;
  const auto is_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
  };
  while (at < text.size() && is_word(text[at])) ++at;
  if (at == begin) return false;
  while (at < text.size() && text[at] == ' ') ++at;
  return at < text.size() && text[at] == '=';
}

}  // namespace

StatusOr<Conninfo> parse_conninfo(std::string_view text) {
  std::string whole(text);
  if (!text.empty() && !is_uri(text) && !is_key_value(text)) whole = "postgresql://" + whole;
  char* problem = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> options(
      PQconninfoParse(whole.c_str(), &problem));
  if (!options) {
    // libpq's text may quote the source, and with it a password.
    PQfreemem(problem);
    return invalid_argument("could not understand the data source name");
  }
  Conninfo info;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) info.emplace_back(option->keyword, option->val);
  }
  return info;
}

std::string_view conninfo_value(const Conninfo& info, std::string_view key) {
  for (const auto& [name, value] : info) {
    if (name == key) return value;
  }
  return "";
}

void set_conninfo(Conninfo* info, std::string_view key, std::string_view value) {
  for (auto& [name, old] : *info) {
    if (name != key) continue;
    old = value;
    return;
  }
  info->emplace_back(key, value);
}

void add_conninfo_defaults(Conninfo* info) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kDefaults = {{
      {"fallback_application_name", "tocsin_postgres_exporter"},
      {"client_encoding", "UTF8"},
      {"gssencmode", "disable"},
      {"keepalives_idle", "30"},
      {"keepalives_interval", "10"},
      {"keepalives_count", "3"},
      {"tcp_user_timeout", "60000"},
  }};
  for (const auto& [key, value] : kDefaults) {
    if (conninfo_value(*info, key).empty()) set_conninfo(info, key, value);
  }
}

std::string loggable(const Conninfo& info) {
  std::string out;
  for (const auto& [key, value] : info) {
    if (!out.empty()) out.push_back(' ');
    out.append(key).append("=").append(is_secret(key) ? "PASSWORD_REMOVED" : value);
  }
  return out;
}

std::string quote_literal(std::string_view text) {
  std::string out = text.find('\\') == std::string_view::npos ? "'" : " E'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out.push_back(c);
    if (c != '\0') out.push_back(c);
  }
  out.push_back('\'');
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kPlain = "-._~";
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) || kPlain.find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      out.append(fmt::format("%{:02X}", static_cast<unsigned char>(c)));
    }
  }
  return out;
}

}  // namespace tocsin::exporters::postgres
