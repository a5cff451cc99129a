// SPDX-License-Identifier: Apache-2.0
#include "notifier/integrations/webhook/webhook.h"

#include <gtest/gtest.h>

#include "notifier/testing/integration_fixture.h"

namespace tocsin::notifier {
namespace {

using testing::IntegrationFixture;
using testing::reply;

TEST(Webhook, BodyIsUpstreamsByteForByte) {
  IntegrationFixture f;
  f.notification.alerts.erase(f.notification.alerts.begin());
  const std::string firing = fmt::format("{:016x}", f.notification.alerts[0].fingerprint());
  const std::string resolved = fmt::format("{:016x}", f.notification.alerts[1].fingerprint());
  EXPECT_EQ(
      webhook_body(f.notification, "http://am.example:9093", 0),
      R"({"receiver":"team-x","status":"firing","alerts":[{"status":"firing",)"
      R"("labels":{"alertname":"HighCPU","instance":"b:9100","job":"node"},)"
      R"("annotations":{"summary":"CPU \u003c90% \u0026 rising"},)"
      R"("startsAt":"2023-11-14T22:11:49.5Z","endsAt":"0001-01-01T00:00:00Z",)"
      R"("generatorURL":"http://prom:9090/graph?g0.expr=up\u0026g0.tab=1","fingerprint":")" +
          firing +
          R"("},{"status":"resolved","labels":{"alertname":"HighCPU","instance":"c:9100","job":"node"},)"
          R"("annotations":{"summary":"CPU \u003c90% \u0026 rising"},)"
          R"("startsAt":"2023-11-14T22:11:49.5Z","endsAt":"2023-11-14T22:13:19.5Z",)"
          R"("generatorURL":"http://prom:9090/graph?g0.expr=up\u0026g0.tab=1","fingerprint":")" +
          resolved +
          R"("}],"notification_reason":"first notification","groupLabels":{"alertname":"HighCPU"},)"
          R"("commonLabels":{"alertname":"HighCPU","job":"node"},)"
          R"("commonAnnotations":{"summary":"CPU \u003c90% \u0026 rising"},"routeLabels":{},)"
          R"("externalURL":"http://am.example:9093","version":"4",)"
          R"("groupKey":"{}/{job=\"node\"}:{alertname=\"HighCPU\"}","truncatedAlerts":0})"
          "\n");
}

TEST(Webhook, ShowsAtMostMaxAlertsAndQuotesTheReceiver) {
  IntegrationFixture f;
  f.notification.receiver = "a.b|c";
  f.resolve_all();
  const std::string body = webhook_body(f.notification, "", 1);
  EXPECT_NE(body.find(R"("truncatedAlerts":2)"), std::string::npos) << body;
  EXPECT_NE(body.find(R"("receiver":"a\\.b\\|c","status":"resolved")"), std::string::npos) << body;
  EXPECT_EQ(body.find("b:9100"), std::string::npos);
}

TEST(Webhook, PostsToTheSecretUrlOfTheTemplate) {
  IntegrationFixture f;
  WebhookOptions options;
  options.url.file = "url";
  options.timeout = base::Duration(500);
  ASSERT_TRUE(
      base::write_file_atomically(*f.files, "url", "http://hook/{{ .GroupLabels.alertname }}\n")
          .ok());
  WebhookIntegration webhook(options, f.context);
  EXPECT_FALSE(f.notify(webhook)) << "the answer is not there yet";
  const net::ClientRequest request = f.http.front();
  EXPECT_EQ(request.url, "http://hook/HighCPU");
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(request.timeout, base::Duration(500));
  EXPECT_TRUE(request.hide_url);
}

TEST(Webhook, ABrokenUrlIsHopelessAndStaysSecret) {
  IntegrationFixture f;
  WebhookOptions options;
  options.url.value = "http://hook/TOKEN{{ .Nope.x }}";
  WebhookIntegration webhook(options, f.context);
  const auto result = f.notify(webhook);
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->retry);
  EXPECT_EQ(message(result->status).find("TOKEN"), std::string_view::npos);
  EXPECT_TRUE(f.http.sent().empty());
}

}  // namespace
}  // namespace tocsin::notifier
