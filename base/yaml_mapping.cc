// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "base/yaml.h"

namespace tocsin::base {
namespace {

// Stores a conversion's result, or returns its error.
template <typename T>
Status store(StatusOr<T> value, T* out) {
  if (!value.ok()) return value.status();
  *out = *std::move(value);
  return ok();
}

}  // namespace

YamlMapping::YamlMapping(const YamlNode& node) : node_(node) {
  if (!node.is_mapping() && !node.is_null()) status_ = node.error("expected a mapping");
}

const YamlNode* YamlMapping::take(std::string_view key, Presence presence) {
  taken_.emplace_back(key);
  if (!status_.ok()) return nullptr;
  const YamlNode* value = node_.find(key);
  if (value == nullptr && presence == kRequired) {
    status_ = node_.error(fmt::format("missing field {}", key));
  }
  return value;
}

// For a scalar, a key without a value counts as absent.
const YamlNode* YamlMapping::take_scalar(std::string_view key, Presence presence) {
  const YamlNode* value = take(key, presence);
  if (value == nullptr || !value->is_null()) return value;
  if (presence == kRequired) status_ = value->error("missing value");
  return nullptr;
}

void YamlMapping::string(std::string_view key, std::string* out, Presence presence) {
  if (const YamlNode* value = take_scalar(key, presence)) status_ = store(value->as_string(), out);
}

void YamlMapping::boolean(std::string_view key, bool* out, Presence presence) {
  if (const YamlNode* value = take_scalar(key, presence)) status_ = store(value->as_bool(), out);
}

void YamlMapping::integer(std::string_view key, std::int64_t* out, Presence presence) {
  if (const YamlNode* value = take_scalar(key, presence)) status_ = store(value->as_int(), out);
}

void YamlMapping::number(std::string_view key, double* out, Presence presence) {
  if (const YamlNode* value = take_scalar(key, presence)) status_ = store(value->as_double(), out);
}

void YamlMapping::string_list(std::string_view key, std::vector<std::string>* out,
                              Presence presence) {
  if (const YamlNode* value = take(key, presence)) status_ = store(value->as_string_list(), out);
}

void YamlMapping::string_pairs(std::string_view key,
                               std::vector<std::pair<std::string, std::string>>* out,
                               Presence presence) {
  with(
      key,
      [&](const YamlNode& map) -> Status {
        if (!map.is_mapping() && !map.is_null()) return map.error("expected a mapping");
        std::vector<std::pair<std::string, std::string>> pairs;
        for (const auto& [name, value] : map.entries()) {
          ASSIGN_OR_RETURN(std::string text, value.as_string());
          pairs.emplace_back(name, std::move(text));
        }
        *out = std::move(pairs);
        return ok();
      },
      presence);
}

void YamlMapping::with(std::string_view key, const std::function<Status(const YamlNode&)>& read,
                       Presence presence) {
  if (const YamlNode* value = take(key, presence)) status_ = read(*value);
}

void YamlMapping::each(std::string_view key, const std::function<Status(const YamlNode&)>& read,
                       Presence presence) {
  with(
      key,
      [&](const YamlNode& list) -> Status {
        if (!list.is_sequence() && !list.is_null()) return list.error("expected a list");
        for (const YamlNode& item : list.items()) {
          if (item.is_null()) return item.error("a list item must not be null");
          RETURN_IF_ERROR(read(item));
        }
        return ok();
      },
      presence);
}

void YamlMapping::unsupported(std::initializer_list<std::string_view> keys) {
  for (std::string_view key : keys) {
    const YamlNode* value = take(key, kOptional);
    if (value == nullptr) continue;
    const Status located = value->error(fmt::format("not supported yet: {}", key));
    status_ = make_status(StatusCode::kUnimplemented, message(located));
  }
}

bool YamlMapping::has(std::string_view key) const { return node_.find(key) != nullptr; }

void YamlMapping::fail(std::string_view key, std::string_view text) {
  if (!status_.ok()) return;
  const YamlNode* value = node_.find(key);
  status_ = value != nullptr ? value->error(text) : node_.error(text);
}

Status YamlMapping::finish() {
  if (!status_.ok()) return status_;
  for (std::size_t i = 0; i < node_.entries().size(); ++i) {
    const std::string& key = node_.entries()[i].first;
    if (std::find(taken_.begin(), taken_.end(), key) != taken_.end()) continue;
    const std::string section = node_.path();
    status_ = node_.key_error(i, fmt::format("field {} not found in {}", key,
                                             section.empty() ? "the top level" : section));
    return status_;
  }
  return ok();
}

}  // namespace tocsin::base
