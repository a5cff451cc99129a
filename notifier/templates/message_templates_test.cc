// SPDX-License-Identifier: Apache-2.0
#include "notifier/templates/message_templates.h"

#include <gtest/gtest.h>

#include "notifier/templates/data.h"
#include "notifier/testing/integration_fixture.h"

namespace tocsin::notifier {
namespace {

using testing::IntegrationFixture;

std::string render(const IntegrationFixture& f, std::string_view source) {
  const auto text =
      f.context.templates->text(source, message_data(f.notification, f.context.external_url));
  return text.ok() ? *text : "error: " + std::string(message(text.status()));
}

TEST(MessageTemplates, DefaultsGiveUpstreamsBytes) {
  struct Case {
    std::string_view source, text;
  };
  IntegrationFixture f;
  f.notification.alerts.resize(2);
  f.notification.alerts[1].annotations = model::Labels();
  for (
      const Case& c : {
          Case{R"({{ template "__subject" . }})", "[FIRING:2] HighCPU (node)"},
          Case{R"({{ template "email.default.subject" . }})", "[FIRING:2] HighCPU (node)"},
          Case{R"({{ template "__description" . }})", ""},
          Case{R"({{ template "__alertmanager" . }})", "Alertmanager"},
          Case{R"({{ template "__alertmanagerURL" . }})",
               "http://am.example:9093/#/alerts?receiver=team-x"},
          Case{R"({{ template "slack.default.color" . }})", "danger"},
          Case{
              R"({{ template "slack.default.iconemoji" . }}{{ template "slack.default.iconurl" . }})",
              ""},
          Case{
              R"({{ template "slack.default.callbackid" . }}{{ template "slack.default.text" . }})",
              ""},
          Case{
              R"({{ template "__text_alert_list" .Alerts.Firing }})",
              "Labels:\n - alertname = HighCPU\n - instance = a:9100\n - job = node\nAnnotations:\n"
              " - summary = CPU <90% & rising\nSource: http://prom:9090/graph?g0.expr=up&g0.tab=1\n"
              "Labels:\n - alertname = HighCPU\n - instance = b:9100\n - job = node\nAnnotations:\n"
              "Source: http://prom:9090/graph?g0.expr=up&g0.tab=1\n"},
          Case{R"({{ template "__text_alert_list_markdown" .Alerts.Firing }})",
               "\nLabels:\n  - alertname = HighCPU\n  - instance = a:9100\n  - job = "
               "node\n\nAnnotations:\n"
               "  - summary = CPU <90% & rising\n\nSource: "
               "http://prom:9090/graph?g0.expr=up&g0.tab=1\n"
               "\nLabels:\n  - alertname = HighCPU\n  - instance = b:9100\n  - job = "
               "node\n\nAnnotations:\n"
               "\nSource: http://prom:9090/graph?g0.expr=up&g0.tab=1\n\n"},
      }) {
    EXPECT_EQ(render(f, c.source), c.text) << c.source;
  }
}

TEST(MessageTemplates, SubjectsFollowTheGroup) {
  IntegrationFixture f;
  f.notification.group_labels = model::Labels();
  EXPECT_EQ(render(f, R"({{ template "__subject" . }})"), "[FIRING:2]  (HighCPU node)");
  f.notification.group_labels = model::Labels::of({{"alertname", "HighCPU"}, {"job", "node"}});
  EXPECT_EQ(render(f, R"({{ template "__subject" . }})"), "[FIRING:2] HighCPU node ");
  f.resolve_all();
  EXPECT_EQ(render(f, R"({{ template "__subject" . }})"), "[RESOLVED] HighCPU node ");
  f.notification.receiver = "a b/c";
  EXPECT_EQ(render(f, R"({{ template "__alertmanagerURL" . }})"),
            "http://am.example:9093/#/alerts?receiver=a+b%2Fc");
}

TEST(MessageTemplates, DataHasUpstreamsShape) {
  struct Case {
    std::string_view source, text;
  };
  IntegrationFixture f;
  for (const Case& c : {
           Case{"no actions } }", "no actions } }"},
           Case{"{{ .Receiver }} {{ .Status }} {{ .NotificationReason }}",
                "team-x firing first notification"},
           Case{"{{ len .Alerts }} {{ len .Alerts.Firing }} {{ len .Alerts.Resolved }}", "3 2 1"},
           Case{"{{ .CommonLabels }} {{ .GroupLabels.Names }}",
                "alertname=HighCPU, job=node [alertname]"},
           Case{"{{ .CommonLabels.missing }}|{{ .CommonAnnotations.summary | toUpper }}",
                "|CPU <90% & RISING"},
           Case{"{{ (index .Alerts 0).StartsAt.Format \"15:04:05\" }}", "22:11:49"},
           Case{"{{ (since (index .Alerts 0).StartsAt) }}", "1m30.5s"},
           Case{"{{ .RouteLabels }}{{ .ExternalURL }}", "http://am.example:9093"},
           Case{"{{ toJson .GroupLabels }}", R"({"alertname":"HighCPU"})"},
       }) {
    EXPECT_EQ(render(f, c.source), c.text) << c.source;
  }
}

TEST(MessageTemplates, UsersTemplatesComeLastAndMayReplaceOurs) {
  IntegrationFixture f;
  auto loaded = MessageTemplates::load(
      {{"a.tmpl", R"({{ define "mine" }}1{{ end }}{{ define "__alertmanager" }}Tocsin{{ end }})"},
       {"b.tmpl", R"({{ define "mine" }}2{{ end }})"}},
      f.clock);
  ASSERT_TRUE(loaded.ok()) << message(loaded.status());
  f.context.templates = *loaded;
  EXPECT_EQ(render(f, R"({{ template "mine" . }} {{ template "slack.default.username" . }})"),
            "2 Tocsin");
  const auto broken = MessageTemplates::load({{"c.tmpl", "{{ nosuch }}"}}, f.clock);
  ASSERT_FALSE(broken.ok());
  EXPECT_NE(message(broken.status()).find("c.tmpl"), std::string_view::npos);
}

}  // namespace
}  // namespace tocsin::notifier
