// SPDX-License-Identifier: Apache-2.0
//
// The function libraries of alert templates (Prometheus) and of notification templates
// (Alertmanager).
//
// Pure but for what is injected: the evaluation time and the query of an alert template, the
// present of a notification. Values; the maps are read-only once made and may be shared.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "model/labels.h"
#include "template/template.h"
#include "template/value.h"

namespace tocsin::tmpl {

struct QuerySample {
  model::Labels labels;
  double value = 0;
};
using QueryFunction =
    std::function<StatusOr<std::vector<QuerySample>>(std::string_view expression)>;

struct AlertFunctions {
  QueryFunction query;       // empty: calling query is an error
  std::string external_url;  // "http://host:9090/prefix"
  model::Timestamp now;      // of the evaluation
};
FunctionMap alert_functions(const AlertFunctions& options);

struct AlertData {
  model::Labels labels;
  model::Labels external_labels;
  std::string external_url;
  Value value;  // a number, or a histogram's text
};
// Expands one label or annotation with $labels, $externalLabels, $externalURL and $value (and
// .Labels ...). `name` is "__alert_" and the rule's name. Text without actions is returned as it
// is.
StatusOr<std::string> expand_alert_template(std::string_view name, std::string_view text,
                                            const AlertData& data, const FunctionMap& functions);
// Checks that `text` parses.
Status check_alert_template(std::string_view name, std::string_view text);

// `present` answers now and since; `route_labels` the labels of the route, empty: there are none.
struct NotificationFunctions {
  model::Timestamp present;
  std::function<StatusOr<Value>()> route_labels;
};
FunctionMap notification_functions(const NotificationFunctions& options);

}  // namespace tocsin::tmpl
