// SPDX-License-Identifier: Apache-2.0
//
// with_addresses: libpq itself would wait for a name server as long as that likes.
#pragma once

#include "base/status.h"
#include "base/time.h"
#include "exporters/postgres/conninfo.h"
#include "net/host_lookup.h"

namespace tocsin::exporters::postgres {

// `info` with `hostaddr` for every host that is a name; a host with several addresses comes several
// times, so that all are tried. Errors: of the look-up, kUnavailable
// for no such host.
StatusOr<Conninfo> with_addresses(const Conninfo& info, base::SteadyTime deadline,
                                  net::HostLookup& lookup);

}  // namespace tocsin::exporters::postgres
