// SPDX-License-Identifier: Apache-2.0
//
// Setup: one applied configuration: routes, receivers and inhibition, ready to run.
//
// Shared by the dispatcher and the jobs that it started; immutable but for what Inhibitor guards
// itself.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "notifier/dispatch/route.h"
#include "notifier/integration.h"
#include "notifier/stages/inhibitor.h"

namespace tocsin::notifier {

struct BoundIntegration {
  std::unique_ptr<Integration> integration;
  std::uint32_t index = 0;  // among the receiver's integrations of its kind
};

struct Setup {
  explicit Setup(const NotifierConfig& config)
      : routes(config.route), inhibitor(config.inhibit_rules) {}

  const RouteTree routes;
  mutable Inhibitor inhibitor;
  std::map<std::string, std::vector<BoundIntegration>> receivers;  // those that a route uses
};

}  // namespace tocsin::notifier
