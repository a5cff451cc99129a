// SPDX-License-Identifier: Apache-2.0
//
// The section `logs`: metrics out of log files.
//
// A LogInput reads its files every poll_interval on the workers, and once more for a page when nobody
// reads. A page never waits for a file.
#pragma once

#include <memory>

#include "exporters/app/input.h"

namespace tocsin::exporters::app {

StatusOr<std::unique_ptr<Input>> make_log(const base::YamlNode& section,
                                          const InputContext& context);

}  // namespace tocsin::exporters::app
