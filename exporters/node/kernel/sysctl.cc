// SPDX-License-Identifier: Apache-2.0
//
// sysctl: files of /proc/sys that the flags name: "fs.file-nr" (numbers, with an index when there
// are several), "fs.file-nr:total,current,max" (each under its name), and texts as information.
#include <algorithm>

#include "exporters/node/kernel/kernel.h"

namespace tocsin::exporters {
namespace {

std::string metric_name(std::string_view sysctl, std::string_view field) {
  std::string name = fmt::format("node_sysctl_{}", sysctl);
  if (!field.empty()) name.append("_").append(field);
  for (char& c : name) {
    const bool valid = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!valid) c = '_';
  }
  return name;
}

StatusOr<std::string> read_sysctl(const Node& node, std::string_view name) {
  std::string path(name);
  std::replace(path.begin(), path.end(), '.', '/');
  return node.file(node.proc("/sys/" + path));
}

Status show_numbers(const Node& node, std::string_view spec, Families* out) {
  const std::size_t colon = spec.find(':');
  const std::string_view name = spec.substr(0, colon);
  ASSIGN_OR_RETURN(const std::string text, read_sysctl(node, name));
  const std::vector<std::string_view> values = fields_of(text);
  std::vector<std::string_view> keys;
  for (std::string_view rest = colon == std::string_view::npos ? "" : spec.substr(colon + 1);
       !rest.empty();) {
    keys.push_back(rest.substr(0, rest.find(',')));
    rest.remove_prefix(std::min(keys.back().size() + 1, rest.size()));
  }
  if (!keys.empty() && keys.size() != values.size()) {
    return invalid_argument("sysctl {}: {} fields for {} names", name, values.size(), keys.size());
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::optional<double> value = to_number(values[i]);
    if (!value) return invalid_argument("sysctl {}: {:?} is no number", name, values[i]);
    if (!keys.empty()) {
      out->untyped(metric_name(name, keys[i]), fmt::format("sysctl {}, field {}", name, i), {},
                   *value);
    } else if (values.size() > 1) {
      out->untyped(metric_name(name, ""), fmt::format("sysctl {}", name),
                   {{"index", fmt::format("{}", i)}}, *value);
    } else {
      out->untyped(metric_name(name, ""), fmt::format("sysctl {}", name), {}, *value);
    }
  }
  return ok();
}

Status show_texts(const Node& node, std::string_view name, Families* out) {
  ASSIGN_OR_RETURN(const std::string text, read_sysctl(node, name));
  const std::vector<std::string_view> values = fields_of(text);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string index = fmt::format("{}", i);
    out->gauge("node_sysctl_info", "sysctl info",
               {{"index", index}, {"name", name}, {"value", values[i]}}, 1);
  }
  return ok();
}

}  // namespace

Status collect_sysctl(const Node& node, Families* out) {
  for (const std::string& spec : node.options.sysctl_include) {
    RETURN_IF_ERROR(show_numbers(node, spec, out));
  }
  for (const std::string& name : node.options.sysctl_include_info) {
    RETURN_IF_ERROR(show_texts(node, name, out));
  }
  return ok();
}

}  // namespace tocsin::exporters
