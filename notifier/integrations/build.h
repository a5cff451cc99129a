// SPDX-License-Identifier: Apache-2.0
//
// Makes the integrations of a receiver from its options.
//
// Pure. Does not fail.
#pragma once

#include <vector>

#include "notifier/dispatch/setup.h"
#include "notifier/integrations/context.h"
#include "notifier/options.h"

namespace tocsin::notifier {

std::vector<BoundIntegration> build_integrations(const ReceiverOptions& receiver,
                                                 const IntegrationContext& context);

}  // namespace tocsin::notifier
