// SPDX-License-Identifier: Apache-2.0
//
// earlier_items: the items of a section that stand before one of them, so that each pair of items is
// checked once, when the later one is read.
//
// A function of values.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "base/yaml.h"
#include "exporters/app/fields.h"

namespace tocsin::exporters::app {

inline std::vector<base::YamlNode> earlier_items(const base::YamlNode& item,
                                                 const base::YamlNode& root,
                                                 std::string_view section) {
  const base::YamlNode* list = root.is_mapping() ? root.find(section) : nullptr;
  std::vector<base::YamlNode> out;
  if (list == nullptr) return out;
  const std::pair place(item.line(), item.column());
  for (const base::YamlNode& other : list->items()) {
    if (std::pair(other.line(), other.column()) < place) out.push_back(other);
  }
  return out;
}

// What the text of a key of a mapping is; "" when it is not there.
inline std::string_view text_of(const base::YamlNode& item, std::string_view key) {
  const base::YamlNode* node = item.is_mapping() ? item.find(key) : nullptr;
  return node == nullptr ? std::string_view() : node->scalar();
}

// An error when an earlier item has the same labels: their series could not be told apart.
inline Status check_labels_differ(const base::YamlNode& item, const base::YamlNode& root,
                                  std::string_view section) {
  const auto labels_of = [](const base::YamlNode& of) {
    const base::YamlNode* labels = of.is_mapping() ? of.find("labels") : nullptr;
    return labels == nullptr ? std::string() : fingerprint(*labels);
  };
  for (const base::YamlNode& other : earlier_items(item, root, section)) {
    if (labels_of(other) != labels_of(item)) continue;
    return item.error(fmt::format(
        "its series cannot be told from those of the item in line {}: give one of them a label",
        other.line()));
  }
  return ok();
}

}  // namespace tocsin::exporters::app
