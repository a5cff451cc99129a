// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe_config.h"

namespace tocsin::exporters::app {

StatusOr<std::shared_ptr<const ProbeConfig>> read_probe_config(base::YamlMapping& file,
                                                               std::string_view /*directory*/,
                                                               base::FileSystem& /*files*/) {
  file.unsupported({"modules", "probe_targets_allow"});
  return std::make_shared<const ProbeConfig>();
}

}  // namespace tocsin::exporters::app
