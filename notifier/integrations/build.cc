// SPDX-License-Identifier: Apache-2.0
#include "notifier/integrations/build.h"

#include <map>
#include <string>
#include <utility>

#include "notifier/integrations/email/email.h"
#include "notifier/integrations/slack/slack.h"
#include "notifier/integrations/webhook/webhook.h"

namespace tocsin::notifier {
namespace {

std::unique_ptr<Integration> build(const IntegrationOptions& options,
                                   const IntegrationContext& context) {
  if (const auto* slack = std::get_if<SlackOptions>(&options)) {
    return std::make_unique<SlackIntegration>(*slack, context);
  }
  if (const auto* email = std::get_if<EmailOptions>(&options)) {
    return std::make_unique<EmailIntegration>(*email, context);
  }
  return std::make_unique<WebhookIntegration>(std::get<WebhookOptions>(options), context);
}

}  // namespace

std::vector<BoundIntegration> build_integrations(const ReceiverOptions& receiver,
                                                 const IntegrationContext& context) {
  std::vector<BoundIntegration> built;
  std::map<std::string, std::uint32_t> next_index;
  for (const IntegrationOptions& options : receiver.integrations) {
    std::unique_ptr<Integration> integration = build(options, context);
    const std::uint32_t index = next_index[std::string(integration->kind())]++;
    built.push_back({std::move(integration), index});
  }
  return built;
}

}  // namespace tocsin::notifier
