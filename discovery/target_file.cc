// SPDX-License-Identifier: Apache-2.0
#include "discovery/target_file.h"

#include "base/yaml.h"

namespace tocsin::discovery {

StatusOr<TargetGroup> parse_target_group(const base::YamlNode& node) {
  TargetGroup group;
  std::vector<std::pair<std::string, std::string>> labels;
  base::YamlMapping mapping(node);
  mapping.each("targets", [&group](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(std::string address, item.as_string());
    group.targets.push_back(model::Labels::of({{"__address__", address}}));
    return ok();
  });
  mapping.string_pairs("labels", &labels);
  RETURN_IF_ERROR(mapping.finish());
  for (const auto& [name, value] : labels) {
    if (!model::is_label_name(name))
      return node.error(fmt::format("invalid label name {:?}", name));
    if (!model::is_utf8(value))
      return node.error(fmt::format("label {:?} is not valid UTF-8", name));
  }
  group.labels = model::Labels::from(std::move(labels));
  return group;
}

StatusOr<std::vector<TargetGroup>> parse_target_file(std::string_view text, std::string_view name) {
  // JSON is read as the subset of YAML that it is: one reader, one set of error positions.
  ASSIGN_OR_RETURN(base::YamlNode root, base::parse_yaml(text, name));
  if (root.is_null()) return std::vector<TargetGroup>{};
  if (!root.is_sequence()) return root.error("expected a list of target groups");
  std::vector<TargetGroup> groups;
  for (const base::YamlNode& item : root.items()) {
    if (item.is_null()) return item.error("nil target group item found");
    ASSIGN_OR_RETURN(TargetGroup group, parse_target_group(item));
    group.source = fmt::format("{}:{}", name, groups.size());
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace tocsin::discovery
