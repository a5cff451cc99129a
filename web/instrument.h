// SPDX-License-Identifier: Apache-2.0
//
// Router middleware: request metrics per route pattern, and CORS headers.
//
// Threads: shared.
// Errors: none.
#pragma once

#include <string>

#include "base/metrics.h"
#include "base/time.h"
#include "net/router.h"

namespace tocsin::web {

// Which program's metric names are used.
enum class Server { kPrometheus, kAlertmanager };

// Borrows: registry, clock; they must outlive the router.
net::Router::Middleware instrument(Server server, base::Registry& registry,
                                   const base::Clock& clock);

}  // namespace tocsin::web
