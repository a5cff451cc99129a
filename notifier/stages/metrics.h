// SPDX-License-Identifier: Apache-2.0
//
// NotifierMetrics: the notifier's self-metrics, under upstream's names.
//
// Borrows: the registry's metrics.
// Threads: shared. Does not fail.
#pragma once

#include "base/metrics.h"

namespace tocsin::notifier {

struct NotifierMetrics {
  explicit NotifierMetrics(base::Registry& registry);

  base::CounterVec& alerts_received;  // status, version
  base::CounterVec& alerts_invalid;   // version
  base::Counter& alerts_limited;
  base::CounterVec& notifications;         // integration
  base::CounterVec& notifications_failed;  // integration, reason
  base::CounterVec& requests;              // integration
  base::CounterVec& requests_failed;       // integration
  base::HistogramVec& latency;             // integration
  base::CounterVec& suppressed;            // reason
  base::Gauge& groups;
  base::Gauge& receivers;
  base::GaugeVec& integrations;  // type
  base::Gauge& inhibition_rules;
  base::Counter& nflog_maintenance;
  base::Counter& nflog_maintenance_errors;
  base::Counter& nflog_queries;
  base::Gauge& nflog_bytes;
  base::Counter& silences_maintenance;
  base::Counter& silences_maintenance_errors;
  base::Gauge& silences_bytes;
};

}  // namespace tocsin::notifier
