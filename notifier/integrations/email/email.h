// SPDX-License-Identifier: Apache-2.0
//
// EmailIntegration: one message with a text and an HTML part, as configured, to an SMTP server.
//
// Borrows: what its context borrows. Threads and errors: as Integration; what the server refuses is
// tried again, what cannot be written as a message is not.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "notifier/integrations/context.h"
#include "notifier/options.h"

namespace tocsin::notifier {

class EmailIntegration final : public Integration {
 public:
  EmailIntegration(EmailOptions options, IntegrationContext context);

  std::string_view kind() const override { return "email"; }
  bool send_resolved() const override { return options_.send_resolved; }
  void notify(const Notification& notification, Callback callback) override;

 private:
  StatusOr<net::Mail> mail(const Notification& notification) const;
  StatusOr<std::string> headers(const tmpl::Value& data) const;
  StatusOr<std::string> parts(const tmpl::Value& data, const std::string& boundary) const;
  StatusOr<std::string> render(std::string_view what, std::string_view source,
                               const tmpl::Value& data) const;

  const EmailOptions options_;
  const IntegrationContext context_;
  std::vector<std::pair<std::string, std::string>>
      headers_;  // configured and default ones, templates
};

}  // namespace tocsin::notifier
