// SPDX-License-Identifier: Apache-2.0
//
// The modules that speak HTTP.
#include <algorithm>

#include "exporters/app/probe/module_reader.h"

namespace tocsin::exporters::app {
namespace {

const std::string* find_header(const HeaderList& headers, std::string_view name) {
  for (const auto& [header, value] : headers) {
    if (same_word(header, name)) return &value;
  }
  return nullptr;
}

Status check_name(const base::YamlNode& node, std::string_view name) {
  if (!is_header_name(name)) return node.error(fmt::format("{:?} is no header name", name));
  for (const std::string_view framing : {"Content-Length", "Transfer-Encoding", "Connection"}) {
    if (same_word(name, framing)) {
      return node.error(fmt::format("the header {} cannot be chosen", framing));
    }
  }
  return ok();
}

Status check_header(const base::YamlNode& node, std::string_view name, std::string_view value) {
  RETURN_IF_ERROR(check_name(node, name));
  if (!is_header_value(value)) return node.error(fmt::format("bad value of header {}", name));
  return ok();
}

// What Prometheus' clients keep for themselves, so that a file that works here works there.
Status check_client_header(const base::YamlNode& node, std::string_view name) {
  for (const std::string_view reserved :
       {"Authorization", "Host", "Content-Encoding", "Content-Length", "Content-Type", "User-Agent",
        "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Www-Authenticate",
        "Accept-Encoding", "X-Prometheus-Remote-Write-Version", "X-Prometheus-Remote-Read-Version",
        "X-Prometheus-Scrape-Timeout-Seconds", "X-Amz-Date", "X-Amz-Security-Token",
        "X-Amz-Content-Sha256"}) {
    if (same_word(name, reserved)) {
      return node.error(fmt::format("setting header \"{}\" is not allowed", reserved));
    }
  }
  return check_name(node, name);
}

void read_headers(base::YamlMapping& mapping, HeaderList* out) {
  mapping.with("headers", [out](const base::YamlNode& node) -> Status {
    if (!node.is_mapping() && !node.is_null()) return node.error("expected a mapping");
    for (const auto& [name, value] : node.entries()) {
      ASSIGN_OR_RETURN(std::string text, value.as_string());
      RETURN_IF_ERROR(check_header(value, name, text));
      out->emplace_back(name, std::move(text));
    }
    return ok();
  });
}

void read_compression(base::YamlMapping& mapping, HttpModule* module) {
  std::string compression;
  read_word(mapping, "compression", {"", "identity", "gzip", "br", "deflate"}, &compression);
  if (compression == "br" || compression == "deflate") {
    mapping.unsupported({"compression"});
  }
  module->is_gzip = compression == "gzip";
  const std::string* accepted = find_header(module->headers, "Accept-Encoding");
  if (accepted == nullptr) {
    if (!compression.empty()) module->headers.emplace_back("Accept-Encoding", compression);
    return;
  }
  const bool is_accepted =
      accepted->find(compression) != std::string::npos || accepted->find('*') != std::string::npos;
  if (!compression.empty() && !is_accepted) {
    mapping.fail("compression",
                 fmt::format("invalid configuration \"Accept-Encoding: {}\", \"compression: {}\"",
                             *accepted, compression));
  }
}

void read_expectations(base::YamlMapping& mapping, HttpModule* module) {
  mapping.each("valid_status_codes", [module](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(const std::int64_t code, item.as_int());
    if (code < 100 || code > 999) return item.error("not a status code");
    module->valid_status_codes.push_back(static_cast<int>(code));
    return ok();
  });
  mapping.string_list("valid_http_versions", &module->valid_http_versions);
  const std::vector<std::string>& versions = module->valid_http_versions;
  const bool is_possible =
      versions.empty() || std::any_of(versions.begin(), versions.end(), [](const std::string& v) {
        return v == "HTTP/1.1" || v == "HTTP/1.0";
      });
  // Every probe would fail; the server might even speak it.
  if (!is_possible) {
    mapping.fail("valid_http_versions", "not supported yet: HTTP versions other than 1.0 and 1.1");
  }
  mapping.boolean("fail_if_ssl", &module->fail_if_ssl);
  mapping.boolean("fail_if_not_ssl", &module->fail_if_not_ssl);
}

void read_redirects(base::YamlMapping& mapping, HttpModule* module) {
  mapping.boolean("follow_redirects", &module->follow_redirects);
  if (!mapping.has("no_follow_redirects")) return;
  bool is_off = false;
  mapping.boolean("no_follow_redirects", &is_off);
  module->follow_redirects = !is_off;
}

}  // namespace

void ModuleReader::refuse_client_keys(base::YamlMapping& mapping) {
  mapping.unsupported({"proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header",
                       "skip_resolve_phase_with_proxy", "oauth2"});
  for (const std::string_view key : {"enable_http2", "enable_http3"}) {
    bool is_on = false;
    mapping.boolean(key, &is_on);
    if (is_on) mapping.unsupported({key});
  }
}

void ModuleReader::header_sources(base::YamlMapping& mapping, std::string_view key,
                                  Status (*check)(const base::YamlNode&, std::string_view),
                                  std::vector<ClientHeader>* out) const {
  mapping.with(key, [&](const base::YamlNode& node) -> Status {
    if (!node.is_mapping() && !node.is_null()) return node.error("expected a mapping");
    for (const auto& [name, value] : node.entries()) {
      RETURN_IF_ERROR(check(value, name));
      std::vector<std::string> values, secrets, files;
      base::YamlMapping fields(value);
      fields.string_list("values", &values);
      fields.string_list("secrets", &secrets);
      fields.string_list("files", &files);
      RETURN_IF_ERROR(fields.finish());
      for (const std::vector<std::string>* list : {&values, &secrets}) {
        for (const std::string& text : *list) {
          RETURN_IF_ERROR(check_header(value, name, text));
          out->push_back({name, Secret{text, ""}, list == &secrets});
        }
      }
      for (const std::string& file : files) {
        out->push_back({name, Secret{"", base::join_path(directory_, file)}, true});
      }
    }
    return ok();
  });
}

void ModuleReader::login(base::YamlMapping& mapping, HttpLogin* out) const {
  mapping.with("basic_auth", [this, out](const base::YamlNode& node) -> Status {
    out->is_basic = true;
    base::YamlMapping fields(node);
    fields.string("username", &out->user);
    fields.string("username_file", &out->user_file.file);
    if (!out->user_file.file.empty()) {
      out->user_file.file = base::join_path(directory_, out->user_file.file);
      if (!out->user.empty()) {
        fields.fail("username_file",
                    "at most one of basic_auth username & username_file must be configured");
      }
    }
    read_secret(fields, "password", directory_, &out->password);
    fields.unsupported({"username_ref", "password_ref"});
    return fields.finish();
  });
  mapping.with("authorization", [this, out](const base::YamlNode& node) -> Status {
    base::YamlMapping fields(node);
    fields.string("type", &out->scheme);
    read_secret(fields, "credentials", directory_, &out->credentials);
    fields.unsupported({"credentials_ref"});
    if (same_word(out->scheme, "basic")) {
      fields.fail("type",
                  R"(authorization type cannot be set to "basic", use "basic_auth" instead)");
    }
    return fields.finish();
  });
  Secret token;
  read_secret(mapping, "bearer_token", directory_, &token);
  if (!token.empty() && !out->credentials.empty()) {
    mapping.fail("bearer_token", "authorization is not compatible with bearer_token");
  }
  if (!token.empty()) out->credentials = token;
  if (out->is_basic && !out->credentials.empty()) {
    mapping.fail("basic_auth",
                 "at most one of basic_auth, oauth2 & authorization must be configured");
  }
}

void ModuleReader::header_matches(base::YamlMapping& mapping, std::string_view key,
                                  std::vector<HeaderMatch>* out) {
  mapping.each(key, [out](const base::YamlNode& item) -> Status {
    std::string header, pattern;
    bool allow_missing = false;
    base::YamlMapping fields(item);
    fields.string("header", &header);
    fields.string("regexp", &pattern);
    fields.boolean("allow_missing", &allow_missing);
    RETURN_IF_ERROR(fields.finish());
    if (header.empty()) return item.error("header name must be set for HTTP header matchers");
    if (pattern.empty()) return item.error("regexp must be set for HTTP header matchers");
    StatusOr<model::Regex> regex = model::Regex::unanchored(pattern);
    if (!regex.ok()) return item.error(message(regex.status()));
    out->push_back({std::move(header), *std::move(regex), allow_missing});
    return ok();
  });
}

StatusOr<HttpModule> ModuleReader::http(const base::YamlNode& node) const {
  HttpModule module;
  base::YamlMapping mapping(node);
  ip(mapping, &module.ip);
  tls(mapping, &module.tls);
  login(mapping, &module.login);
  header_sources(mapping, "http_headers", check_client_header, &module.client_headers);
  refuse_client_keys(mapping);
  mapping.unsupported({"fail_if_body_json_matches_cel", "fail_if_body_json_not_matches_cel"});
  read_expectations(mapping, &module);
  mapping.string("method", &module.method);
  if (module.method.empty()) module.method = "GET";
  if (!is_header_name(module.method)) mapping.fail("method", "not a method");
  read_headers(mapping, &module.headers);
  read_compression(mapping, &module);
  mapping.string("body", &module.body);
  mapping.string("body_file", &module.body_file);
  if (!module.body_file.empty()) {
    if (!module.body.empty()) {
      mapping.fail("body_file", "setting body and body_file both are not allowed");
    }
    module.body_file = base::join_path(directory_, module.body_file);
  }
  read_redirects(mapping, &module);
  read_size(mapping, "body_size_limit", &module.body_size_limit);
  regexes(mapping, "fail_if_body_matches_regexp", &module.body_must_not_match);
  regexes(mapping, "fail_if_body_not_matches_regexp", &module.body_must_match);
  header_matches(mapping, "fail_if_header_matches", &module.header_must_not_match);
  header_matches(mapping, "fail_if_header_not_matches", &module.header_must_match);
  RETURN_IF_ERROR(mapping.finish());
  return module;
}

StatusOr<WebSocketModule> ModuleReader::websocket(const base::YamlNode& node) const {
  WebSocketModule module;
  base::YamlMapping mapping(node);
  ip(mapping, &module.ip);
  module.tls.client = clients_.get(net::StreamTlsOptions());
  mapping.with("http_config", [&](const base::YamlNode& value) -> Status {
    base::YamlMapping fields(value);
    tls(fields, &module.tls);
    login(fields, &module.login);
    header_sources(fields, "http_headers", check_client_header, &module.headers);
    refuse_client_keys(fields);
    // An upgrade is never a redirect.
    fields.unsupported({"follow_redirects"});
    return fields.finish();
  });
  header_sources(mapping, "headers", check_name, &module.headers);
  steps(mapping, &module.steps);
  for (const QueryResponse& step : module.steps) {
    if (step.start_tls || !step.expect_bytes.empty() || !step.labels.empty()) {
      mapping.fail("query_response", "a WebSocket step has only expect and send");
    }
  }
  RETURN_IF_ERROR(mapping.finish());
  return module;
}

}  // namespace tocsin::exporters::app
