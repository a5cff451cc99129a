// SPDX-License-Identifier: Apache-2.0
//
// The input `probes`: targets that a module probes every `interval`, whoever scrapes.
//
//   probes:
//   - {name: api, module: http_health, interval: 15s, labels: {app: api}, targets: [...]}
//
// Each family of a probe is on the page with instance="<target>" and the labels of the list: what the
// newest run found. A target is never probed twice at once: while a probe runs, or waits for a thread,
// its turns are left out and counted (app_exporter_probes_skipped_total).
//
// Errors: those of an InputKind.
#pragma once

#include <memory>

#include "exporters/app/input.h"

namespace tocsin::exporters::app {

StatusOr<std::unique_ptr<Input>> make_probe_list(const base::YamlNode& section,
                                                 const InputContext& context);

}  // namespace tocsin::exporters::app
