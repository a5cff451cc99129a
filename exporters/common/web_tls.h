// SPDX-License-Identifier: Apache-2.0
//
// Reading tls_server_config of --web.config.file.
//
// A pure function.
// Errors: kInvalidArgument, and kUnimplemented for what is not built, with file:line:column.
#pragma once

#include <optional>
#include <string_view>

#include "base/status.h"
#include "base/yaml.h"
#include "net/tls_server.h"

namespace tocsin::exporters {

// Nothing for an empty section, as upstream has it. Relative paths are below `folder`, which ends
// with "/" or is "".
StatusOr<std::optional<net::TlsServerOptions>> read_tls(const base::YamlNode& node,
                                                        std::string_view folder);

}  // namespace tocsin::exporters
