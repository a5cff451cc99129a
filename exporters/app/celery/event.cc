// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/celery/event.h"

#include <array>
#include <cmath>
#include <utility>

#include "base/hash.h"
#include "base/json.h"
#include "model/timestamp.h"

namespace tocsin::exporters::app {
namespace {

using base::JsonValue;
using Type = CeleryEvent::Type;

// Arguments and results are texts inside an event: what is nested deeper is no event.
constexpr std::size_t kMaxDepth = 16;

constexpr std::array<std::pair<std::string_view, Type>, 11> kTypes = {{
    {"task-sent", Type::kSent},
    {"task-received", Type::kReceived},
    {"task-started", Type::kStarted},
    {"task-succeeded", Type::kSucceeded},
    {"task-failed", Type::kFailed},
    {"task-rejected", Type::kRejected},
    {"task-revoked", Type::kRevoked},
    {"task-retried", Type::kRetried},
    {"worker-online", Type::kOnline},
    {"worker-heartbeat", Type::kHeartbeat},
    {"worker-offline", Type::kOffline},
}};

Type type_of(std::string_view text) {
  for (const auto& [name, type] : kTypes) {
    if (name == text) return type;
  }
  return Type::kOther;
}

// The text of a member; "" when it is not there or no text.
const std::string& text_of(const JsonValue& object, std::string_view key) {
  static const std::string kNone;
  const JsonValue* member = object.find(key);
  return member == nullptr ? kNone : member->string();
}

double number_of(const JsonValue& object, std::string_view key) {
  const JsonValue* member = object.find(key);
  return member == nullptr || !std::isfinite(member->number()) ? 0 : member->number();
}

// ISO 8601 as Python writes it: without an offset it is UTC, which Celery uses unless told.
std::optional<double> time_of(std::string_view text) {
  if (text.empty()) return std::nullopt;
  StatusOr<base::Timestamp> time = model::parse_rfc3339(text);
  if (!time.ok()) time = model::parse_rfc3339(fmt::format("{}Z", text));
  if (!time.ok()) return std::nullopt;
  return base::to_seconds(*time);
}

CeleryEvent read_event(const JsonValue& json) {
  CeleryEvent event;
  event.type = type_of(text_of(json, "type"));
  event.node = text_of(json, "hostname");
  event.uuid = text_of(json, "uuid");
  event.task = text_of(json, "name");
  event.queue = text_of(json, "queue");
  event.exception = text_of(json, "exception");
  event.timestamp = number_of(json, "timestamp");
  event.runtime = number_of(json, "runtime");
  event.active = number_of(json, "active");
  event.eta = time_of(text_of(json, "eta"));
  return event;
}

// The body as its properties say.
StatusOr<std::string> body_of(const JsonValue& message) {
  const JsonValue* body = message.find("body");
  if (body == nullptr || !body->is(JsonValue::Kind::kString)) {
    return invalid_argument("no message of kombu: it has no body");
  }
  const std::string& type = text_of(message, "content-type");
  if (!type.empty() && type != "application/json") {
    return unimplemented("not supported yet: events of type {:?}, only JSON", type);
  }
  const JsonValue* headers = message.find("headers");
  if (headers != nullptr && !text_of(*headers, "compression").empty()) {
    return unimplemented("not supported yet: compressed events");
  }
  const JsonValue* properties = message.find("properties");
  if (properties == nullptr || text_of(*properties, "body_encoding") != "base64") {
    return body->string();
  }
  StatusOr<std::string> bytes = base::base64_decode(body->string());
  if (!bytes.ok()) return invalid_argument("no message of kombu: its body is no base64");
  return bytes;
}

}  // namespace

StatusOr<std::vector<CeleryEvent>> decode_celery_message(std::string_view message) {
  ASSIGN_OR_RETURN(const JsonValue envelope, base::parse_json(message, kMaxDepth));
  ASSIGN_OR_RETURN(const std::string body, body_of(envelope));
  ASSIGN_OR_RETURN(const JsonValue json, base::parse_json(body, kMaxDepth));
  std::vector<CeleryEvent> events;
  if (json.is(JsonValue::Kind::kObject)) {
    events.push_back(read_event(json));
    return events;
  }
  if (!json.is(JsonValue::Kind::kArray)) return invalid_argument("no event of Celery");
  if (json.items().size() > kMaxCeleryBatch) {
    return resource_exhausted("a message of more than {} events", kMaxCeleryBatch);
  }
  events.reserve(json.items().size());
  for (const JsonValue& item : json.items()) {
    if (!item.is(JsonValue::Kind::kObject)) return invalid_argument("no event of Celery");
    events.push_back(read_event(item));
  }
  return events;
}

std::string_view exception_class(std::string_view representation) {
  const std::string_view name = representation.substr(0, representation.find('('));
  bool is_name = !name.empty() && name.size() < representation.size();
  for (const char c : name) {
    is_name = is_name && (c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                          (c >= 'a' && c <= 'z'));
  }
  return is_name ? name : "UnknownException";
}

std::string_view host_of_node(std::string_view node) {
  const std::size_t at = node.find('@');
  return at == std::string_view::npos ? node : node.substr(at + 1);
}

}  // namespace tocsin::exporters::app
