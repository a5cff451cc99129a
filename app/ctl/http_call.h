// SPDX-License-Identifier: Apache-2.0
//
// One HTTP request of a tool, answered before it goes on.
//
// Blocks the caller. Errors: of the connection; any status is an answer.
#pragma once

#include "base/status.h"
#include "net/http_client.h"

namespace tocsin::app {

StatusOr<net::ClientResponse> call(net::ClientRequest request);

}  // namespace tocsin::app
