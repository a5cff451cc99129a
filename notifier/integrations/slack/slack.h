// SPDX-License-Identifier: Apache-2.0
//
// SlackIntegration: one message with one attachment to an incoming webhook.
//
// A template that fails leaves its field empty and is logged: a message with a hole is better than
// none.
// Borrows: what its context borrows. Threads and errors: as Integration.
#pragma once

#include <string>

#include "notifier/integrations/context.h"
#include "notifier/options.h"

namespace tocsin::notifier {

class SlackIntegration final : public Integration {
 public:
  SlackIntegration(SlackOptions options, IntegrationContext context)
      : options_(std::move(options)), context_(std::move(context)) {}

  std::string_view kind() const override { return "slack"; }
  bool send_resolved() const override { return options_.send_resolved; }
  void notify(const Notification& notification, Callback callback) override;

 private:
  std::string body(const Notification& notification) const;
  const SlackOptions options_;
  const IntegrationContext context_;
};

// Slack answers 200 to some failures and says so in the body.
NotifyResult judge_slack_reply(const StatusOr<net::ClientResponse>& reply);

}  // namespace tocsin::notifier
