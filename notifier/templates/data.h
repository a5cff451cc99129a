// SPDX-License-Identifier: Apache-2.0
//
// What message templates see: receiver, status, alerts, the labels they share.
//
// Pure functions of values.
#pragma once

#include <string_view>

#include "notifier/integration.h"
#include "template/data.h"

namespace tocsin::notifier {

// The facts of a notification; the webhook's JSON shows the same. Receiver regex-quoted, as
// upstream has it.
tmpl::NotificationData message_facts(const Notification& notification,
                                     std::string_view external_url);

// The dot of message templates: a "template.Data".
tmpl::Value message_data(const Notification& notification, std::string_view external_url);

}  // namespace tocsin::notifier
