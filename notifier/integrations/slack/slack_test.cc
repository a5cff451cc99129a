// SPDX-License-Identifier: Apache-2.0
#include "notifier/integrations/slack/slack.h"

#include <gtest/gtest.h>

#include "notifier/testing/integration_fixture.h"

namespace tocsin::notifier {
namespace {

using testing::IntegrationFixture;
using testing::reply;

std::string sent_body(IntegrationFixture& f, const SlackOptions& options) {
  SlackIntegration slack(options, f.context);
  f.notify(slack);
  return f.http.sent().back().body;
}

SlackOptions options() {
  SlackOptions o;
  o.api_url.value = "https://hooks.slack.com/services/SECRET";
  return o;
}

TEST(Slack, DefaultMessage) {
  IntegrationFixture f;
  EXPECT_EQ(
      sent_body(f, options()),
      R"j({"username":"Alertmanager","attachments":[{"title":"[FIRING:2] HighCPU (node)",)j"
      R"("title_link":"http://am.example:9093/#/alerts?receiver=team-x","text":"",)"
      R"j("fallback":"[FIRING:2] HighCPU (node) | http://am.example:9093/#/alerts?receiver=team-x",)j"
      R"("callback_id":"","footer":"","color":"danger","mrkdwn_in":["fallback","pretext","text"]}]})"
      "\n");
  EXPECT_EQ(f.http.sent().back().url, "https://hooks.slack.com/services/SECRET");
  EXPECT_TRUE(f.http.sent().back().hide_url);
  f.resolve_all();
  const std::string resolved = sent_body(f, options());
  EXPECT_NE(resolved.find(R"j("title":"[RESOLVED] HighCPU (node)")j"), std::string::npos)
      << resolved;
  EXPECT_NE(resolved.find(R"("color":"good")"), std::string::npos) << resolved;
}

TEST(Slack, EveryField) {
  IntegrationFixture f;
  SlackOptions o = options();
  o.channel = "#{{ .GroupLabels.alertname }}";
  o.username = "bot";
  o.icon_emoji = ":fire:";
  o.icon_url = "http://icon";
  o.link_names = true;
  o.message_text = "msg";
  o.title = "{{ .Status }}";
  o.title_link = "";
  o.pretext = "pre";
  o.text = "{{ range .Alerts }}{{ .Annotations.summary }}\n{{ end }}";
  o.fallback = "fall";
  o.callback_id = "id";
  o.footer = "foot";
  o.image_url = "http://image";
  o.thumb_url = "http://thumb";
  o.color = "";
  o.mrkdwn_in.clear();
  o.fields = {{"Job", "{{ .CommonLabels.job }}", true},
              {"None", "{{ .CommonLabels.none }}", false}};
  EXPECT_EQ(
      sent_body(f, o),
      R"({"channel":"#HighCPU","username":"bot","icon_emoji":":fire:","icon_url":"http://icon",)"
      R"("link_names":true,"text":"msg","attachments":[{"title":"firing","pretext":"pre",)"
      R"("text":"CPU \u003c90% \u0026 rising\nCPU \u003c90% \u0026 rising\nCPU \u003c90% \u0026 rising\n",)"
      R"("fallback":"fall","callback_id":"id","fields":[{"title":"Job","value":"node","short":true},)"
      R"({"title":"None","short":false}],"image_url":"http://image","thumb_url":"http://thumb",)"
      R"("footer":"foot"}]})"
      "\n");
}

TEST(Slack, ABrokenTemplateLeavesItsFieldEmptyOnly) {
  IntegrationFixture f;
  SlackOptions o = options();
  o.title = "{{ .Broken";
  o.text = "still here";
  const std::string body = sent_body(f, o);
  EXPECT_EQ(body.find("\"title\""), std::string::npos) << body;
  EXPECT_NE(body.find("still here"), std::string::npos) << body;
}

TEST(Slack, TitlesAreCut) {
  IntegrationFixture f;
  SlackOptions o = options();
  o.title = std::string(1025, 'x');
  EXPECT_NE(sent_body(f, o).find("\"" + std::string(1023, 'x') + "…\""), std::string::npos);
}

TEST(Slack, ReadsTheVerdictInTheBody) {
  struct Case {
    net::ClientResponse reply;
    bool ok, retry;
    std::string_view error;
  };
  for (const Case& c : {
           Case{reply(200, "ok"), true, false, ""},
           Case{reply(200, "no_team"), false, false,
                "received an error response from Slack: no_team"},
           Case{reply(200, R"({"ok":true})", "application/json; charset=utf-8"), true, false, ""},
           Case{reply(200, R"({"ok":false,"error":"channel_not_found"})", "application/json"),
                false, false, "error response from Slack: channel_not_found"},
           Case{reply(200, "{", "application/json"), false, true,
                "could not unmarshal JSON response \"{\""},
           Case{reply(500, "oops"), false, true, "unexpected status code 500: oops"},
           Case{reply(429, ""), false, false, "unexpected status code 429: "},
       }) {
    const NotifyResult result = judge_slack_reply(c.reply);
    EXPECT_EQ(result.status.ok(), c.ok) << c.error;
    EXPECT_EQ(result.retry, c.retry) << c.error;
    EXPECT_TRUE(message(result.status).starts_with(c.error)) << message(result.status);
  }
  EXPECT_TRUE(judge_slack_reply(unavailable("no route")).retry);
}

TEST(Slack, AMissingUrlFileIsHopeless) {
  IntegrationFixture f;
  SlackOptions o;
  o.api_url.file = "gone";
  SlackIntegration slack(o, f.context);
  const auto result = f.notify(slack);
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->retry);
  EXPECT_EQ(result->reason, FailureReason::kOther);
}

}  // namespace
}  // namespace tocsin::notifier
