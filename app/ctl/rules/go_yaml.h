// SPDX-License-Identifier: Apache-2.0
//
// Checks a YAML document against the types upstream's tools decode it into, and reports what does
// not fit in the words of their YAML library, so that scripts that read those words go on working.
//
// Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "base/yaml.h"
#include "model/labels.h"

namespace tocsin::app {

struct GoType;

struct GoField {
  std::string_view key;
  const GoType* type;
};

// kDuration and kTime are texts that are checked, too; kLabels is a map of texts.
struct GoType {
  enum class Kind { kString, kBool, kInt, kFloat, kDuration, kTime, kLabels, kList, kStruct };
  Kind kind = Kind::kString;
  std::string_view name;            // as upstream's messages call it
  std::span<const GoField> fields;  // kStruct
  const GoType* element = nullptr;  // kList
};

extern const GoType kGoString, kGoBool, kGoInt, kGoFloat, kGoDuration, kGoTime, kGoStringMap;

enum class UnknownFields { kRefuse, kIgnore };

// "" when `root` fits, else the error: one line, or "yaml: unmarshal errors:" and a line for each.
std::string check_go_type(const base::YamlNode& root, const GoType& type, UnknownFields unknown);

// Readers of what check_go_type() has let through: members of a mapping, nothing where there is no
// such member.
std::string text_at(const base::YamlNode& node, std::string_view key);
base::Duration duration_at(const base::YamlNode& node, std::string_view key);
model::Labels labels_at(const base::YamlNode& node, std::string_view key);
const std::vector<base::YamlNode>& items_at(const base::YamlNode& node, std::string_view key);

}  // namespace tocsin::app
