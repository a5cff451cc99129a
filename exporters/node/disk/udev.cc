// SPDX-License-Identifier: Apache-2.0
#include "exporters/node/disk/udev.h"

#include "exporters/node/text.h"

namespace tocsin::exporters {

UdevProperties UdevProperties::parse(std::string_view text) {
  UdevProperties properties;
  for (std::string_view line : lines_of(text)) {
    if (!line.starts_with("E:")) continue;
    line.remove_prefix(2);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    properties.values_.insert_or_assign(std::string(line.substr(0, equals)),
                                        std::string(line.substr(equals + 1)));
  }
  return properties;
}

const std::string& UdevProperties::get(std::string_view name) const {
  static const std::string kNone;
  const auto it = values_.find(name);
  return it == values_.end() ? kNone : it->second;
}

}  // namespace tocsin::exporters
