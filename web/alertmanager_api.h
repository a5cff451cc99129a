// SPDX-License-Identifier: Apache-2.0
//
// The HTTP API /api/v2 of Alertmanager: handlers from HttpRequest to HttpResponse.
//
// Threads: handlers are shared.
// Errors: handler errors are a bare JSON string; malformed bodies 400
// and schema violations 422 as {"code", "message"}, as upstream's framework answers.
#pragma once

#include "base/metrics.h"
#include "base/time.h"
#include "net/router.h"
#include "notifier/notifier.h"
#include "web/build_info.h"

namespace tocsin::web {

// Borrowed; all must outlive the router.
struct AlertmanagerApiServices {
  const base::Clock& clock;
  notifier::Notifier& notifier;
  base::Registry& metrics;
  BuildInfo build;
};

void add_alertmanager_api(net::Router& router, const AlertmanagerApiServices& services);

}  // namespace tocsin::web
