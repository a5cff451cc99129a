// SPDX-License-Identifier: Apache-2.0
//
// The HTTP API /api/v1: handlers from HttpRequest to HttpResponse. Queries: query_api.h.
//
// Threads: handlers are shared and block in the store; they run on the server's handler executor.
// Errors: upstream's envelope, error types, statuses and texts (api/envelope.h).
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/time.h"
#include "collector/collector.h"
#include "net/router.h"
#include "rules/evaluator.h"
#include "storage/queryable.h"
#include "web/build_info.h"

namespace tocsin::web {

// Borrowed; all must outlive the router.
struct PrometheusApiServices {
  const base::Clock& clock;
  const storage::Queryable& queryable;
  const collector::Collector& collector;
  const rules::Evaluator& rules;
  std::string external_url;
  BuildInfo build;
  std::map<std::string, std::string> flags;
  std::function<std::string()> config;  // YAML as running now, secrets masked
};

void add_prometheus_api(net::Router& router, const PrometheusApiServices& services);

}  // namespace tocsin::web
