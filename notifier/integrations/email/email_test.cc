// SPDX-License-Identifier: Apache-2.0
#include "notifier/integrations/email/email.h"

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "notifier/testing/integration_fixture.h"

namespace tocsin::notifier {
namespace {

using ::testing::HasSubstr;
using testing::IntegrationFixture;
using ::testing::Not;

EmailOptions options() {
  EmailOptions o;
  o.to = "Ops Team <ops@example.org>, night@example.org";
  o.from = "Tocsin <tocsin@example.org>";
  o.server.host = "mail.example.org";
  o.server.port = 587;
  o.html = "";
  o.text = "{{ range .Alerts.Firing }}{{ .Labels.instance }} = hot\n{{ end }}";
  return o;
}

std::string own_host() {
  char name[256] = {};
  EXPECT_EQ(gethostname(name, sizeof name - 1), 0);
  return name[0] == '\0' ? "localhost" : name;
}

TEST(Email, MessageIsAsConfigured) {
  IntegrationFixture f;
  EmailIntegration email(options(), f.context);
  const auto result = f.notify(email);
  ASSERT_TRUE(result);
  ASSERT_TRUE(result->status.ok()) << message(result->status);
  const net::Mail mail = f.mail.sent().at(0);
  EXPECT_EQ(mail.server.host, "mail.example.org");
  EXPECT_EQ(mail.from, "tocsin@example.org");
  EXPECT_EQ(mail.recipients, (std::vector<std::string>{"ops@example.org", "night@example.org"}));
  EXPECT_EQ(mail.timeout, base::Duration(60'000));
  EXPECT_EQ(
      mail.data,
      "From: Tocsin <tocsin@example.org>\r\n"
      "To: Ops Team <ops@example.org>, night@example.org\r\n"
      "Subject: [FIRING:2] HighCPU (node)\r\n"
      "Message-Id: <1700000000000000000.7@" +
          own_host() +
          ">\r\n"
          "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
          "Content-Type: multipart/alternative;  boundary=00000000000000070000000000000007\r\n"
          "MIME-Version: 1.0\r\n"
          "\r\n"
          "--00000000000000070000000000000007\r\n"
          "Content-Transfer-Encoding: quoted-printable\r\n"
          "Content-Type: text/plain; charset=UTF-8\r\n"
          "\r\n"
          "a:9100 =3D hot\r\nb:9100 =3D hot\r\n\r\n"
          "--00000000000000070000000000000007--\r\n");
}

TEST(Email, HeadersAreConfiguredReplacedAndEncoded) {
  IntegrationFixture f;
  EmailOptions o = options();
  o.headers = {{"Subject", "Ä {{ .CommonLabels.job }}\n"},
               {"To", "undisclosed"},
               {"X-Group", "{{ .GroupLabels }}"},
               {"Message-Id", "<own@id>"}};
  EmailIntegration email(o, f.context);
  ASSERT_TRUE(f.notify(email)->status.ok());
  const std::string data = f.mail.sent().at(0).data;
  EXPECT_THAT(data, HasSubstr("To: undisclosed\r\nSubject: =?utf-8?q?=C3=84_node=0A?=\r\n"
                              "X-Group: alertname=HighCPU\r\nMessage-Id: <own@id>\r\nDate: "));
  EXPECT_EQ(f.mail.sent().at(0).recipients.size(), 2U) << "the envelope is not the header";
}

TEST(Email, HtmlShowsAndEscapesTheFacts) {
  IntegrationFixture f;
  EmailOptions o = options();
  o.text = "";
  o.html = EmailOptions().html;
  f.notification.group_labels = model::Labels::of({{"alertname", "<script>"}});
  EmailIntegration email(o, f.context);
  const auto result = f.notify(email);
  ASSERT_TRUE(result->status.ok()) << message(result->status);
  std::string data = f.mail.sent().at(0).data;
  for (std::size_t at = 0; (at = data.find("=\r\n", at)) != std::string::npos;) data.erase(at, 3);
  EXPECT_THAT(data, HasSubstr("Content-Type: text/html; charset=UTF-8"));
  EXPECT_THAT(data, Not(HasSubstr("text/plain")));
  EXPECT_THAT(data, HasSubstr("3 alerts for alertname=3D&lt;script&gt;"));
  EXPECT_THAT(data, HasSubstr("<h2 style=3D\"font-size: 16px;\">[2] Firing</h2>"));
  EXPECT_THAT(data, HasSubstr("[1] Resolved"));
  EXPECT_THAT(data, HasSubstr("instance =3D a:9100<br>"));
  EXPECT_THAT(data, HasSubstr("summary =3D CPU &lt;90% &amp; rising<br>"));
  EXPECT_THAT(
      data,
      HasSubstr(
          "<a href=3D\"http://am.example:9093/#/alerts?receiver=3Dteam-x\">View in Alertmanager"));
  EXPECT_THAT(data,
              HasSubstr("<a href=3D\"http://prom:9090/graph?g0.expr=3Dup&amp;g0.tab=3D1\">Source"));
}

TEST(Email, WhatCannotBecomeAMessageIsHopeless) {
  struct Case {
    std::string from, to, text;
    std::string_view error;
  };
  for (const Case& c : {
           Case{"nobody", "a@b", "", "parse 'from' addresses: mail: missing '@' or angle-addr"},
           Case{"a@b, c@d", "a@b", "", "must be exactly one 'from' address (got: 2)"},
           Case{"a@b", "{{ .CommonLabels.mail }}", "", "parse 'to' addresses: mail: no address"},
           Case{"a@b", "a@b", "{{ .Oops", "execute \"text\" template: "},
       }) {
    IntegrationFixture f;
    EmailOptions o = options();
    o.from = c.from;
    o.to = c.to;
    o.text = c.text;
    EmailIntegration email(o, f.context);
    const auto result = f.notify(email);
    ASSERT_TRUE(result);
    EXPECT_FALSE(result->retry);
    EXPECT_TRUE(message(result->status).starts_with(c.error)) << message(result->status);
    EXPECT_TRUE(f.mail.sent().empty());
  }
}

TEST(Email, WhatTheServerRefusesIsTriedAgain) {
  IntegrationFixture f;
  EmailIntegration email(options(), f.context);
  const std::pair<Status, FailureReason> cases[] = {
      {unavailable("450 later"), FailureReason::kOther},
      {failed_precondition("550 no"), FailureReason::kOther},
      {unauthenticated("535 who"), FailureReason::kAuthError},
      {deadline_exceeded("context deadline exceeded"), FailureReason::kContextDeadlineExceeded}};
  for (const auto& [status, reason] : cases) {
    f.mail.set_result(status);
    const auto result = f.notify(email);
    EXPECT_TRUE(result->retry);
    EXPECT_EQ(result->reason, reason);
    EXPECT_EQ(result->status, status);
  }
}

}  // namespace
}  // namespace tocsin::notifier
