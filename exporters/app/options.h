// SPDX-License-Identifier: Apache-2.0
//
// AppOptions: what the flags of the app exporter say: those of blackbox_exporter.
//
// A value. Errors: those of Flags.
#pragma once

#include <string>

#include "base/time.h"
#include "exporters/common/flags.h"
#include "exporters/common/web.h"

namespace tocsin::exporters::app {

struct AppOptions {
  std::string config_file = "app.yml";
  bool config_check = false;
  base::Duration timeout_offset{500};
};

// `options` and `web` hold the defaults and must outlive `flags`.
void add_app_flags(Flags* flags, AppOptions* options, WebOptions* web);

}  // namespace tocsin::exporters::app
