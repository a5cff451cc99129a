// SPDX-License-Identifier: Apache-2.0
#include "notifier/stages/metrics.h"

#include <string>

#include "notifier/integration.h"

namespace tocsin::notifier {

NotifierMetrics::NotifierMetrics(base::Registry& registry)
    : alerts_received(registry.counter("alertmanager_alerts_received_total",
                                       "Alerts received, by status.", {"status", "version"})),
      alerts_invalid(registry.counter("alertmanager_alerts_invalid_total",
                                      "Alerts received that were not valid.", {"version"})),
      alerts_limited(registry.counter("alertmanager_alerts_limited_total",
                                      "New alerts refused because too many are held.")),
      notifications(registry.counter("alertmanager_notifications_total", "Notifications attempted.",
                                     {"integration"})),
      notifications_failed(registry.counter("alertmanager_notifications_failed_total",
                                            "Notifications given up.", {"integration", "reason"})),
      requests(registry.counter("alertmanager_notification_requests_total",
                                "Attempts to deliver a notification.", {"integration"})),
      requests_failed(registry.counter("alertmanager_notification_requests_failed_total",
                                       "Attempts that failed.", {"integration"})),
      latency(registry.histogram("alertmanager_notification_latency_seconds",
                                 "Duration of attempts to deliver a notification.", {"integration"},
                                 {1, 5, 10, 15, 20})),
      suppressed(registry.counter("alertmanager_notifications_suppressed_total",
                                  "Alerts left out of notifications, by reason.", {"reason"})),
      groups(registry.gauge("alertmanager_dispatcher_aggregation_groups", "Alert groups now.")),
      receivers(registry.gauge("alertmanager_receivers", "Receivers that routes use.")),
      integrations(registry.gauge("alertmanager_integrations", "Integrations of these receivers.",
                                  {"type"})),
      inhibition_rules(registry.gauge("alertmanager_inhibition_rules", "Inhibition rules.")),
      nflog_maintenance(registry.counter("alertmanager_nflog_maintenance_total",
                                         "Compactions of the notification log.")),
      nflog_maintenance_errors(registry.counter("alertmanager_nflog_maintenance_errors_total",
                                                "Failed writes of the notification log.")),
      nflog_queries(registry.counter("alertmanager_nflog_queries_total",
                                     "Look-ups in the notification log.")),
      nflog_bytes(registry.gauge("alertmanager_nflog_snapshot_size_bytes",
                                 "Size of the notification log's file.")),
      silences_maintenance(registry.counter("alertmanager_silences_maintenance_total",
                                            "Compactions of the silence log.")),
      silences_maintenance_errors(registry.counter("alertmanager_silences_maintenance_errors_total",
                                                   "Failed compactions of the silence log.")),
      silences_bytes(registry.gauge("alertmanager_silences_snapshot_size_bytes",
                                    "Size of the silence log's file.")) {
  // Alerts on rates need the zero before the first event.
  constexpr FailureReason kReasons[] = {FailureReason::kOther,
                                        FailureReason::kClientError,
                                        FailureReason::kServerError,
                                        FailureReason::kAuthError,
                                        FailureReason::kRateLimited,
                                        FailureReason::kContextCanceled,
                                        FailureReason::kContextDeadlineExceeded};
  for (const std::string kind : {"email", "slack", "webhook"}) {
    notifications.with({kind});
    requests.with({kind});
    requests_failed.with({kind});
    latency.with({kind});
    for (FailureReason reason : kReasons) {
      notifications_failed.with({kind, std::string(reason_text(reason))});
    }
  }
  for (const char* reason : {"inhibition", "silence"}) suppressed.with({reason});
  for (const char* status : {"firing", "resolved"}) alerts_received.with({status, "v2"});
  alerts_invalid.with({"v2"});
}

}  // namespace tocsin::notifier
