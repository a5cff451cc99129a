// SPDX-License-Identifier: Apache-2.0
//
// WebhookIntegration: POSTs a notification as JSON, byte for byte as upstream would.
//
// Borrows: what its context borrows. Threads and errors: as Integration.
#pragma once

#include <string>

#include "notifier/integrations/context.h"
#include "notifier/options.h"

namespace tocsin::notifier {

class WebhookIntegration final : public Integration {
 public:
  WebhookIntegration(WebhookOptions options, IntegrationContext context)
      : options_(std::move(options)), context_(std::move(context)) {}

  std::string_view kind() const override { return "webhook"; }
  bool send_resolved() const override { return options_.send_resolved; }
  void notify(const Notification& notification, Callback callback) override;

 private:
  StatusOr<std::string> url(const Notification& notification) const;
  const WebhookOptions options_;
  const IntegrationContext context_;
};

// The body: format "4", with at most `max_alerts` alerts (0: all).
std::string webhook_body(Notification notification, std::string_view external_url,
                         std::uint64_t max_alerts);

}  // namespace tocsin::notifier
