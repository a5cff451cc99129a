// SPDX-License-Identifier: Apache-2.0
//
// The section `nginx`: stub_status, with the names of nginx-prometheus-exporter.
//
//   nginx: [{name: edge, stub_status: 'http://127.0.0.1:8088/stub_status', labels: {...}}]
//
// The rest of an item is that of an HttpSource.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "exporters/app/input.h"
#include "exporters/common/families.h"

namespace tocsin::exporters::app {

StatusOr<std::unique_ptr<Input>> make_nginx(const base::YamlNode& section,
                                            const InputContext& context);

// Appends what a page of stub_status says. kDataLoss for another page.
Status append_stub_status(std::string_view page, const LabelPairs& labels,
                          std::vector<base::MetricFamily>* out);

}  // namespace tocsin::exporters::app
