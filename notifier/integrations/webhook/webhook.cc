// SPDX-License-Identifier: Apache-2.0
#include "notifier/integrations/webhook/webhook.h"

#include <utility>

#include "base/json.h"
#include "formats/api_json.h"
#include "model/timestamp.h"
#include "notifier/templates/data.h"

namespace tocsin::notifier {
namespace {

void write_labels(std::string_view name, const model::Labels& labels, base::JsonWriter& json) {
  json.key(name);
  formats::write_labels(labels, &json);
}

void write_alert(const tmpl::NotificationAlert& alert, base::JsonWriter& json) {
  json.begin_object().field("status", alert.firing ? "firing" : "resolved");
  write_labels("labels", alert.labels, json);
  write_labels("annotations", alert.annotations, json);
  json.field("startsAt", model::format_rfc3339(alert.starts_at));
  json.field("endsAt", model::format_rfc3339(alert.ends_at));
  json.field("generatorURL", alert.generator_url);
  json.field("fingerprint", alert.fingerprint).end_object();
}

}  // namespace

std::string webhook_body(Notification notification, std::string_view external_url,
                         std::uint64_t max_alerts) {
  std::vector<model::Alert>& alerts = notification.alerts;
  std::uint64_t truncated = 0;
  if (max_alerts > 0 && alerts.size() > max_alerts) {
    truncated = alerts.size() - max_alerts;
    alerts.resize(static_cast<std::size_t>(max_alerts));
  }
  const tmpl::NotificationData facts = message_facts(notification, external_url);
  std::string body;
  base::JsonWriter json(&body, base::JsonWriter::kGo);
  json.begin_object()
      .field("receiver", facts.receiver)
      .field("status", facts.firing ? "firing" : "resolved");
  json.key("alerts").begin_array();
  for (const tmpl::NotificationAlert& alert : facts.alerts) write_alert(alert, json);
  json.end_array().field("notification_reason", notification.reason);
  write_labels("groupLabels", notification.group_labels, json);
  write_labels("commonLabels", facts.common_labels, json);
  write_labels("commonAnnotations", facts.common_annotations, json);
  write_labels("routeLabels", model::Labels(), json);
  json.field("externalURL", external_url).field("version", "4");
  json.field("groupKey", notification.group_key);
  json.key("truncatedAlerts").integer(static_cast<std::int64_t>(truncated)).end_object();
  return body + "\n";
}

StatusOr<std::string> WebhookIntegration::url(const Notification& notification) const {
  ASSIGN_OR_RETURN(const std::string source, read_secret(context_.files, options_.url));
  StatusOr<std::string> url =
      context_.templates->text(source, message_data(notification, context_.external_url));
  // The reason of a failure could quote the secret.
  if (!url.ok()) return invalid_argument("webhook URL template failed");
  if (url->empty()) return invalid_argument("webhook URL template resulted in an empty string");
  return url;
}

void WebhookIntegration::notify(const Notification& notification, Callback callback) {
  StatusOr<std::string> target = url(notification);
  if (!target.ok()) return callback(hopeless(target.status()));
  context_.http.send(
      json_post(*std::move(target),
                webhook_body(notification, context_.external_url, options_.max_alerts),
                attempt_timeout(context_, notification, options_.timeout), options_.http),
      [callback = std::move(callback)](const StatusOr<net::ClientResponse>& reply) {
        callback(judge_reply(reply));
      });
}

}  // namespace tocsin::notifier
