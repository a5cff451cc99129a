// SPDX-License-Identifier: Apache-2.0
//
// The part of /api/v1 that tells about series beside their samples: query_exemplars, metadata,
// targets/metadata.
//
// Threads: handlers are shared and block; they run on the server's handler executor.
// Errors: upstream's envelope and texts (api/envelope.h).
#pragma once

#include "base/time.h"
#include "collector/collector.h"
#include "net/router.h"
#include "promql/parser.h"
#include "storage/exemplars.h"

namespace tocsin::web {

// Borrowed; all must outlive the router.
struct SeriesApiServices {
  const storage::ExemplarQueryable& exemplars;
  const storage::MetadataQueryable& metadata;
  const collector::Collector& collector;
  promql::ParserOptions parser;
};

void add_series_api(net::Router& router, const SeriesApiServices& services);

}  // namespace tocsin::web
