// SPDX-License-Identifier: Apache-2.0
//
// Queries over HTTP: /api/v1/{query,query_range,format_query}, and what is ours: /api/x/queries, the
// queries that run or wait (GET) and the end of one (DELETE /api/x/queries/ID),
// /api/x/query_explain, the plan of a query that is not run, and /api/x/query_analyze, that of one
// that is, with what each part did. Both take what query takes or, with a step, query_range.
//
// A query ends when its client goes away. Answers are charged to the query's memory until they have
// left.
// Threads: handlers are shared and block in queries; they run on the server's handler executor.
// Errors: upstream's envelope, error types, statuses and texts (api/envelope.h); "admin APIs
// disabled" for DELETE unless enabled.
#pragma once

#include "base/time.h"
#include "net/router.h"
#include "promql/engine.h"
#include "storage/queryable.h"

namespace tocsin::web {

// Borrowed; all must outlive the router.
struct QueryApiServices {
  const base::Clock& clock;
  promql::Engine& engine;
  const storage::Queryable& queryable;
  bool admin = false;          // queries may be ended
  bool stats_by_step = false;  // stats=all says it by step
};

void add_query_api(net::Router& router, const QueryApiServices& services);

}  // namespace tocsin::web
