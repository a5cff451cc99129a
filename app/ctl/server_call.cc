// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/server_call.h"

#include <cctype>
#include <memory>

#include "app/config/fields.h"
#include "app/ctl/http_call.h"
#include "base/file_system.h"
#include "base/time.h"
#include "base/yaml.h"

namespace tocsin::app {

namespace {

using base::JsonValue;

constexpr base::Duration kTimeout{120'000};
constexpr std::uint64_t kMaxConfigBytes = 1 << 20;

// The URL of an endpoint.
std::string endpoint(std::string url, std::string_view path) {
  if (url.find("://") == std::string::npos) url = "http://" + url;
  while (url.ends_with('/')) url.pop_back();
  return url.append(path);
}

// What the server says is wrong, in promtool's words.
Status refused(const net::ClientResponse& response, const StatusOr<JsonValue>& body) {
  if (body.ok()) {
    const JsonValue* type = body->find("errorType");
    const JsonValue* error = body->find("error");
    if (type != nullptr && error != nullptr) {
      return invalid_argument("{}: {}", type->string(), error->string());
    }
  }
  std::string detail = response.body;
  while (!detail.empty() && std::isspace(static_cast<unsigned char>(detail.back())) != 0) {
    detail.pop_back();
  }
  const bool server = response.status / 100 == 5;
  const std::string_view kind = server ? "server" : "client";
  if (response.status / 100 == 2) {
    return invalid_argument("bad_response: no answer that can be read (detail: {})", detail);
  }
  return invalid_argument("{}_error: {} error: {} (detail: {})", kind, kind, response.status,
                          detail);
}

StatusOr<std::shared_ptr<const net::HttpClientOptions>> http_options(const std::string& path) {
  if (path.empty()) return nullptr;
  ASSIGN_OR_RETURN(const std::string text,
                   base::real_file_system().read_file(path, kMaxConfigBytes));
  ASSIGN_OR_RETURN(const base::YamlNode node, base::parse_yaml(text, path));
  const std::size_t slash = path.rfind('/');
  return read_http_config(node, slash == std::string::npos ? "." : path.substr(0, slash));
}

void write_json(const JsonValue& value, base::JsonWriter* out) {
  switch (value.kind()) {
    case JsonValue::Kind::kNull:
      out->null();
      return;
    case JsonValue::Kind::kBoolean:
      out->boolean(value.boolean());
      return;
    case JsonValue::Kind::kInteger:
      out->integer(value.integer());
      return;
    case JsonValue::Kind::kNumber:
      out->number(value.number());
      return;
    case JsonValue::Kind::kString:
      out->string(value.string());
      return;
    case JsonValue::Kind::kArray:
      out->begin_array();
      for (const JsonValue& item : value.items()) write_json(item, out);
      out->end_array();
      return;
    case JsonValue::Kind::kObject:
      out->begin_object();
      for (const auto& [key, item] : value.entries()) {
        out->key(key);
        write_json(item, out);
      }
      out->end_object();
  }
}

}  // namespace

StatusOr<JsonValue> ask(const ServerAddress& server, std::string_view method, std::string_view path,
                        const Parameters& parameters) {
  std::string form;
  for (const auto& [name, value] : parameters) {
    form += fmt::format("{}{}={}", form.empty() ? "" : "&", net::url_encode(name),
                        net::url_encode(value));
  }
  net::ClientRequest request;
  request.method = std::string(method);
  request.url = endpoint(server.url, path);
  request.timeout = kTimeout;
  if (method == "POST") {
    request.body = form;
    request.headers.set("Content-Type", "application/x-www-form-urlencoded");
  } else if (!form.empty()) {
    request.url += "?" + form;
  }
  for (const std::string& header : server.headers) {
    const std::size_t equals = header.find('=');
    if (equals == std::string::npos) {
      return invalid_argument("expected KEY=VALUE got '{}'", header);
    }
    request.headers.set(header.substr(0, equals), header.substr(equals + 1));
  }
  ASSIGN_OR_RETURN(request.options, http_options(server.http_config_file));
  ASSIGN_OR_RETURN(const net::ClientResponse response, call(std::move(request)));
  if (response.status == 204) return JsonValue();
  StatusOr<JsonValue> body = base::parse_json(response.body);
  const JsonValue* data = body.ok() ? body->find("data") : nullptr;
  if (response.status / 100 != 2 || data == nullptr) return refused(response, body);
  return *data;
}

std::string json_text(const JsonValue& value) {
  std::string text;
  base::JsonWriter writer(&text, base::JsonWriter::kGo);
  write_json(value, &writer);
  return text;
}

}  // namespace tocsin::app
