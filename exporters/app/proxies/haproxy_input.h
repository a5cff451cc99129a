// SPDX-License-Identifier: Apache-2.0
//
// The section `haproxy`: statistics of HAProxy servers that have no Prometheus page of their own, with
// the names of haproxy_exporter.
//
//   haproxy: [{name: lb, stats: 'http://127.0.0.1:8404/stats;csv', labels: {...}}]
//
// `stats` is a URL (with the keys of an HttpSource), or a stats socket: unix:/PATH, tcp://HOST:PORT.
#pragma once

#include <memory>

#include "exporters/app/input.h"

namespace tocsin::exporters::app {

StatusOr<std::unique_ptr<Input>> make_haproxy(const base::YamlNode& section,
                                              const InputContext& context);

}  // namespace tocsin::exporters::app
