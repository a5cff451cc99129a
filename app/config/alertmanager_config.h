// SPDX-License-Identifier: Apache-2.0
//
// Loads alertmanager.yml into the notifier's options: strict, with errors that name file, line and
// key.
//
// Pure but for reading the file and its template files. Errors as load_prometheus_config.
#pragma once

#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/status.h"
#include "model/matcher.h"
#include "notifier/options.h"

namespace tocsin::app {

StatusOr<notifier::NotifierConfig> load_alertmanager_config(base::FileSystem& files,
                                                            const std::string& path);
StatusOr<notifier::NotifierConfig> parse_alertmanager_config(base::FileSystem& files,
                                                             std::string_view text,
                                                             const std::string& path);

}  // namespace tocsin::app
