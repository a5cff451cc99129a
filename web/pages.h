// SPDX-License-Identifier: Apache-2.0
//
// Everything that is not the API: the status page, /metrics, /-/healthy, /-/ready, /-/reload.
//
// Threads: handlers are shared.
// Errors: a failed reload is 500 with its reason.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "collector/collector.h"
#include "net/router.h"
#include "notifier/notifier.h"
#include "promql/engine.h"
#include "rules/evaluator.h"
#include "storage/admin.h"
#include "storage/event_log.h"
#include "web/build_info.h"

namespace tocsin::web {

// Borrowed; all must outlive the router.
struct PageServices {
  const base::Clock& clock;
  base::Registry& metrics;
  const collector::Collector* collector = nullptr;  // null: this program does not scrape
  const rules::Evaluator* rules = nullptr;
  const storage::Admin* storage = nullptr;
  const notifier::Notifier* notifier = nullptr;
  const storage::EventLog* events = nullptr;
  std::function<Status()> reload;
  bool enable_lifecycle = false;  // /-/reload of the Prometheus side
  std::string external_url;
  BuildInfo build;
};

// GET /metrics over the registry and the process metrics.
void add_metrics_page(net::Router& router, base::Registry& registry);
void add_prometheus_pages(net::Router& router, const PageServices& services);
void add_alertmanager_pages(net::Router& router, const PageServices& services);
// What is served until the store is open: healthy, not ready, 503 for everything else.
void add_starting_pages(net::Router& router, base::Registry& registry);

}  // namespace tocsin::web
