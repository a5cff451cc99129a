// SPDX-License-Identifier: Apache-2.0
//
// The administration of the store over HTTP: /api/v1/admin/tsdb/{delete_series,clean_tombstones,
// snapshot}.
//
// Threads: handlers are shared and block while they work; they run on the server's handler
// executor.
// Errors: upstream's envelope and texts; "admin APIs disabled" (500, unavailable) unless enabled.
#pragma once

#include "net/router.h"
#include "storage/admin.h"

namespace tocsin::web {

// Borrowed; must outlive the router.
struct AdminApiServices {
  storage::Admin& store;
  bool enabled = false;
};

void add_admin_api(net::Router& router, const AdminApiServices& services);

}  // namespace tocsin::web
