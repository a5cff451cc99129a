// SPDX-License-Identifier: Apache-2.0
//
// os: /etc/os-release or /usr/lib/os-release below the root, lines NAME=value with shell quotes.
#include <map>

#include "exporters/node/disk/mounts.h"
#include "exporters/node/kernel/kernel.h"

namespace tocsin::exporters {
namespace {

std::string unquoted(std::string_view text) {
  const char quote = text.empty() ? '\0' : text.front();
  if (quote != '"' && quote != '\'') return std::string(text);
  text.remove_prefix(1);
  if (text.ends_with(quote)) text.remove_suffix(1);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\' && i + 1 < text.size()) ++i;
    out.push_back(text[i]);
  }
  return out;
}

// "20.04.2" -> 20.04
std::optional<double> major_minor(std::string_view version) {
  const std::size_t end = version.find_first_not_of("0123456789.");
  version = version.substr(0, end);
  const std::size_t first = version.find('.');
  if (first != std::string_view::npos) version = version.substr(0, version.find('.', first + 1));
  return to_number(version);
}

}  // namespace

Status collect_os(const Node& node, Families* out) {
  std::optional<std::string> text =
      node.try_text(path_here(node.options.rootfs, "/etc/os-release"));
  if (!text) text = node.try_text(path_here(node.options.rootfs, "/usr/lib/os-release"));
  if (!text) return no_data("no os-release file found");
  std::map<std::string, std::string, std::less<>> values;
  for (const std::string_view line : lines_of(*text)) {
    const std::string_view entry = trimmed(line);
    const std::size_t equals = entry.find('=');
    if (entry.starts_with('#') || equals == std::string_view::npos) continue;
    values[std::string(entry.substr(0, equals))] = unquoted(entry.substr(equals + 1));
  }
  out->gauge("node_os_info",
             "A metric with a constant '1' value labeled by build_id, id, id_like, image_id, "
             "image_version, name, pretty_name, variant, variant_id, version, version_codename, "
             "version_id.",
             {{"build_id", values["BUILD_ID"]},
              {"id", values["ID"]},
              {"id_like", values["ID_LIKE"]},
              {"image_id", values["IMAGE_ID"]},
              {"image_version", values["IMAGE_VERSION"]},
              {"name", values["NAME"]},
              {"pretty_name", values["PRETTY_NAME"]},
              {"variant", values["VARIANT"]},
              {"variant_id", values["VARIANT_ID"]},
              {"version", values["VERSION"]},
              {"version_codename", values["VERSION_CODENAME"]},
              {"version_id", values["VERSION_ID"]}},
             1);
  if (const std::optional<double> version = major_minor(values["VERSION_ID"])) {
    out->gauge("node_os_version", "Metric containing the major.minor part of the OS version.",
               {{"id", values["ID"]}, {"id_like", values["ID_LIKE"]}, {"name", values["NAME"]}},
               *version);
  }
  return ok();
}

}  // namespace tocsin::exporters
