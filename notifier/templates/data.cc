// SPDX-License-Identifier: Apache-2.0
#include "notifier/templates/data.h"

#include <string>

namespace tocsin::notifier {
namespace {

// As Go's regexp.QuoteMeta.
std::string quote_expression(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (std::string_view(R"(\.+*?()|[]{}^$)").find(c) != std::string_view::npos) quoted += '\\';
    quoted += c;
  }
  return quoted;
}

// What `a` and `b` have in common.
model::Labels common(const model::Labels& a, const model::Labels& b) {
  model::LabelsBuilder builder;
  for (const model::LabelView& label : a) {
    if (b.get(label.name) == label.value) builder.set(label.name, label.value);
  }
  return builder.build();
}

}  // namespace

tmpl::NotificationData message_facts(const Notification& notification,
                                     std::string_view external_url) {
  tmpl::NotificationData data;
  data.receiver = quote_expression(notification.receiver);
  data.firing = notification.firing();
  data.notification_reason = notification.reason;
  data.group_labels = notification.group_labels;
  data.external_url = external_url;
  for (const model::Alert& alert : notification.alerts) {
    const bool first = data.alerts.empty();
    data.common_labels = first ? alert.labels : common(data.common_labels, alert.labels);
    data.common_annotations =
        first ? alert.annotations : common(data.common_annotations, alert.annotations);
    data.alerts.push_back({.firing = !alert.resolved_at(notification.now),
                           .labels = alert.labels,
                           .annotations = alert.annotations,
                           .starts_at = alert.starts_at,
                           .ends_at = alert.ends_at,
                           .generator_url = alert.generator_url,
                           .fingerprint = fmt::format("{:016x}", alert.fingerprint())});
  }
  return data;
}

tmpl::Value message_data(const Notification& notification, std::string_view external_url) {
  return tmpl::notification_data(message_facts(notification, external_url));
}

}  // namespace tocsin::notifier
