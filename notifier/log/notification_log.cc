// SPDX-License-Identifier: Apache-2.0
#include "notifier/log/notification_log.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/json.h"
#include "base/log.h"

namespace tocsin::notifier {
namespace {

using base::JsonValue;

constexpr std::uint8_t kEntryRecord = 1;

void write_hashes(std::string_view name, const std::vector<std::uint64_t>& hashes,
                  base::JsonWriter& json) {
  json.key(name).begin_array();
  for (std::uint64_t hash : hashes) json.integer(std::bit_cast<std::int64_t>(hash));
  json.end_array();
}

std::string encode(const NotificationEntry& entry) {
  std::string out;
  base::JsonWriter json(&out);
  json.begin_object().field("group_key", entry.key.group_key).field("receiver", entry.key.receiver);
  json.field("integration", entry.key.integration).key("index").integer(entry.key.index);
  json.key("time").integer(base::to_ms(entry.time));
  json.key("expires_at").integer(base::to_ms(entry.expires_at));
  write_hashes("firing", entry.firing, json);
  write_hashes("resolved", entry.resolved, json);
  json.end_object();
  return out;
}

StatusOr<const JsonValue*> member(const JsonValue& object, std::string_view key,
                                  JsonValue::Kind kind) {
  const JsonValue* value = object.find(key);
  if (value == nullptr || !value->is(kind))
    return data_loss("notification record without {:?}", key);
  return value;
}

Status read_text(const JsonValue& object, std::string_view key, std::string* out) {
  ASSIGN_OR_RETURN(const JsonValue* value, member(object, key, JsonValue::Kind::kString));
  *out = value->string();
  return ok();
}

Status read_integer(const JsonValue& object, std::string_view key, std::int64_t* out) {
  ASSIGN_OR_RETURN(const JsonValue* value, member(object, key, JsonValue::Kind::kInteger));
  *out = value->integer();
  return ok();
}

Status read_hashes(const JsonValue& object, std::string_view key, std::vector<std::uint64_t>* out) {
  ASSIGN_OR_RETURN(const JsonValue* value, member(object, key, JsonValue::Kind::kArray));
  for (const JsonValue& item : value->items())
    out->push_back(std::bit_cast<std::uint64_t>(item.integer()));
  return ok();
}

StatusOr<NotificationEntry> decode(std::string_view payload) {
  ASSIGN_OR_RETURN(const JsonValue root, base::parse_json(payload));
  NotificationEntry entry;
  RETURN_IF_ERROR(read_text(root, "group_key", &entry.key.group_key));
  RETURN_IF_ERROR(read_text(root, "receiver", &entry.key.receiver));
  RETURN_IF_ERROR(read_text(root, "integration", &entry.key.integration));
  std::int64_t index = 0, time = 0, expires_at = 0;
  RETURN_IF_ERROR(read_integer(root, "index", &index));
  RETURN_IF_ERROR(read_integer(root, "time", &time));
  RETURN_IF_ERROR(read_integer(root, "expires_at", &expires_at));
  if (index < 0 || index > UINT32_MAX) return data_loss("notification record with index {}", index);
  entry.key.index = static_cast<std::uint32_t>(index);
  entry.time = base::from_ms(time);
  entry.expires_at = base::from_ms(expires_at);
  RETURN_IF_ERROR(read_hashes(root, "firing", &entry.firing));
  RETURN_IF_ERROR(read_hashes(root, "resolved", &entry.resolved));
  return entry;
}

}  // namespace

std::string NotificationKey::to_string() const {
  return fmt::format("{}:{}/{}/{}", group_key, receiver, integration, index);
}

StatusOr<std::unique_ptr<NotificationLog>> NotificationLog::open(base::FileSystem& files,
                                                                 std::string path) {
  std::unique_ptr<NotificationLog> log(new NotificationLog());
  const auto read = [&log](std::uint8_t type, std::string_view payload) -> Status {
    if (type != kEntryRecord) return data_loss("unknown record type {}", type);
    ASSIGN_OR_RETURN(NotificationEntry entry, decode(payload));
    std::string key = entry.key.to_string();
    log->entries_.insert_or_assign(std::move(key), std::move(entry));
    return ok();
  };
  ASSIGN_OR_RETURN(log->log_, base::RecordLog::open(files, path, read));
  if (const std::uint64_t damaged = log->log_->replay().damaged_bytes; damaged > 0) {
    base::log::warn("notification log had a damaged end, cut off",
                    {{"path", path}, {"bytes", damaged}});
  }
  return log;
}

const NotificationEntry* NotificationLog::find(const NotificationKey& key) const {
  const auto it = entries_.find(key.to_string());
  return it == entries_.end() ? nullptr : &it->second;
}

Status NotificationLog::record(NotificationEntry entry) {
  const Status status = must_rewrite_ ? ok() : log_->append(kEntryRecord, encode(entry));
  std::string key = entry.key.to_string();
  entries_.insert_or_assign(std::move(key), std::move(entry));
  must_rewrite_ = must_rewrite_ || !status.ok();
  return must_rewrite_ ? rewrite() : ok();
}

Status NotificationLog::rewrite() {
  Status status = log_->rewrite([this](const auto& append) -> Status {
    for (const auto& [key, entry] : entries_) RETURN_IF_ERROR(append(kEntryRecord, encode(entry)));
    return ok();
  });
  must_rewrite_ = !status.ok();
  return status;
}

Status NotificationLog::maintain(base::Timestamp now) {
  std::erase_if(entries_, [now](const auto& item) { return item.second.expires_at <= now; });
  return rewrite();
}

Status NotificationLog::sync() {
  if (must_rewrite_) return rewrite();
  Status status = log_->sync();
  must_rewrite_ = !status.ok();
  return status;
}

}  // namespace tocsin::notifier
