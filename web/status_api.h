// SPDX-License-Identifier: Apache-2.0
//
// What the store holds, over HTTP: /api/v1/status/tsdb.
//
// Threads: handlers are shared; they take the index's lock for reading.
// Errors: upstream's envelope and texts.
#pragma once

#include "net/router.h"
#include "storage/admin.h"

namespace tocsin::web {

// `store` is borrowed; it must outlive the router.
void add_status_api(net::Router& router, const storage::Admin& store);

}  // namespace tocsin::web
