// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/inbox/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/ctl/inbox/mail_text.h"
#include "base/json.h"

namespace tocsin::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

const base::Timestamp kTime = base::from_ms(1'700'000'000'000);

constexpr std::string_view kMail =
    "From: Tocsin <tocsin@example.org>\r\n"
    "To: team@example.org\r\n"
    "Subject: =?utf-8?q?[FIRING:1]_CPU_=C3=BC?=\r\n =?utf-8?q?ber_80_%?=\r\n"
    "Content-Type: multipart/alternative;  boundary=abc\r\n"
    "\r\n"
    "ignored\r\n"
    "--abc\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n"
    "Content-Type: text/plain; charset=UTF-8\r\n"
    "\r\n"
    "H=C3=A4lt se=\r\nit 5=3D5 min\r\nzweite Zeile\r\n"
    "--abc\r\n"
    "Content-Type: text/html; charset=UTF-8\r\n"
    "\r\n"
    "<b>html</b>\r\n"
    "--abc--\r\n";

TEST(MailText, DecodesHeadersAndTheTextPart) {
  const MailText mail = read_mail(kMail);
  EXPECT_EQ(mail.from, "Tocsin <tocsin@example.org>");
  EXPECT_EQ(mail.to, "team@example.org");
  EXPECT_EQ(mail.subject,
            "[FIRING:1] CPU \xC3\xBC"
            "ber 80 %");
  EXPECT_EQ(mail.text, "H\xC3\xA4lt seit 5=5 min\nzweite Zeile");
}

TEST(MailText, TakesEveryShapeOfBody) {
  const std::pair<std::string, std::string> cases[] = {
      {"Subject: x\r\n\r\nplain\r\ntext\r\n", "plain\ntext"},
      {"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs\r\nbG8=\r\n",
       "hello"},
      {"Content-Type: TEXT/Plain\r\nContent-Transfer-Encoding: "
       "Quoted-Printable\r\n\r\na=20b=ZZ=\r\n",
       "a b=ZZ"},
      {"Content-Type: text/html\r\n\r\n<p>\r\n", ""},
      {"Content-Type: multipart/mixed; boundary=\"o\"\r\n\r\n--o\r\nContent-Type: "
       "multipart/alternative; boundary=i\r\n\r\n"
       "--i\r\nContent-Type: text/html\r\n\r\nno\r\n--i\r\nContent-Type: "
       "text/plain\r\n\r\nyes\r\n--i--\r\n--o--\r\n",
       "yes"},
      {"Content-Type: multipart/mixed\r\n\r\nno boundary\r\n", ""},
      {"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nnever closed", ""},
      {"", ""},
      {"no header at all", ""},
      {"Subject: only headers\r\n", ""},
  };
  for (const auto& [data, text] : cases) EXPECT_EQ(read_mail(data).text, text) << data;
}

TEST(MailText, EncodedWordsInHeaders) {
  const std::pair<std::string, std::string> cases[] = {
      {"plain", "plain"},
      {"=?UTF-8?B?w7w=?=", "\xC3\xBC"},
      {"=?utf-8?q?a?= =?utf-8?q?b?= c", "ab c"},
      {"x =?utf-8?q?a_b?= y", "x a b y"},
      {"=?utf-8?q?open", "=?utf-8?q?open"},
      {"=?utf-8?x?a?=", "=?utf-8?x?a?="},
      {"=?", "=?"},
  };
  for (const auto& [header, text] : cases)
    EXPECT_EQ(read_mail("Subject: " + header + "\r\n\r\n").subject, text) << header;
}

TEST(InboxMessage, OfSlack) {
  const Message message = slack_message(
      kTime,
      R"({"channel":"#alerts","username":"Alertmanager","attachments":[{"title":"[FIRING:1] HighCpu","title_link":"http://am/#/alerts",)"
      R"("text":"CPU is busy","pretext":"look","fallback":"x","color":"danger","fields":[{"title":"Host","value":"a","short":true}]}]})");
  EXPECT_EQ(message.kind, "slack");
  EXPECT_EQ(message.title, "[FIRING:1] HighCpu");
  EXPECT_EQ(message.text, "look\nCPU is busy");
  EXPECT_THAT(message.facts, ElementsAre(Pair("Channel", "#alerts"), Pair("From", "Alertmanager"),
                                         Pair("Host", "a"), Pair("Link", "http://am/#/alerts")));
  EXPECT_EQ(slack_message(kTime, R"({"text":"hello"})").title, "hello");
  EXPECT_EQ(slack_message(kTime, "{}").title, "(no title)");
  EXPECT_EQ(slack_message(kTime, "nope").title, "(not JSON)");
  EXPECT_EQ(slack_message(kTime, "[7]").title, "(no title)");
  EXPECT_EQ(slack_message(kTime, R"({"attachments":7,"channel":{}})").title, "(no title)");
}

TEST(InboxMessage, OfAWebhook) {
  const Message message = webhook_message(
      kTime,
      R"({"status":"firing","receiver":"ops","groupLabels":{"alertname":"Disk"},)"
      R"("alerts":[{"status":"firing","labels":{"alertname":"Disk","host":"a"},"annotations":{"summary":"full"}}]})");
  EXPECT_EQ(message.title, "firing alertname=Disk");
  EXPECT_EQ(message.text, "firing alertname=Disk host=a\nfull");
  EXPECT_THAT(message.facts, ElementsAre(Pair("Receiver", "ops")));
  EXPECT_EQ(webhook_message(kTime, "x").title, "webhook payload");
}

TEST(InboxMessage, OfAMail) {
  const Message message =
      mail_message(kTime, {"bounce@example.org", {"team@example.org"}, std::string(kMail)});
  EXPECT_EQ(message.title,
            "[FIRING:1] CPU \xC3\xBC"
            "ber 80 %");
  EXPECT_THAT(message.facts, ElementsAre(Pair("From", "Tocsin <tocsin@example.org>"),
                                         Pair("To", "team@example.org")));
  EXPECT_THAT(message.text, HasSubstr("zweite Zeile"));
  EXPECT_EQ(message.body, kMail);
  const Message bare =
      mail_message(kTime, {"from@x", {"a@x", "b@x"}, "Content-Type: text/html\r\n\r\n<p>"});
  EXPECT_EQ(bare.title, "(no subject)");
  EXPECT_THAT(bare.facts, ElementsAre(Pair("From", "from@x"), Pair("To", "a@x, b@x")));
  EXPECT_THAT(bare.text, HasSubstr("no text part"));
  const Message blind = mail_message(kTime, {"from@x", {"hidden@x"}, "To: a@x\r\n\r\n"});
  EXPECT_THAT(blind.facts, ElementsAre(Pair("From", "from@x"), Pair("To", "a@x"),
                                       Pair("Delivered to", "hidden@x")));
}

TEST(InboxPage, ShowsMessagesAndEscapesThem) {
  const std::string attack = R"(<script>alert(1)</script>)";
  const std::string page = inbox_page(
      {slack_message(kTime, R"({"channel":"#<script>","username":"x","attachments":[{"title":")" +
                                attack + R"(","text":"<script>x"}]})"),
       mail_message(kTime,
                    {"a@x", {"team@example.org"}, "Subject: " + attack + "\r\n\r\n" + attack})},
      7);
  EXPECT_THAT(page, Not(HasSubstr("<script>")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"));
  EXPECT_THAT(page, HasSubstr("<dt>To</dt><dd>team@example.org</dd>"));
  EXPECT_THAT(page, HasSubstr("<summary>as received</summary>"));
  EXPECT_THAT(page, HasSubstr("data-newest=\"7\""));
  EXPECT_THAT(inbox_page({}, 0), HasSubstr("No message yet"));
}

TEST(InboxPage, JsonHasWhatWasReceived) {
  StatusOr<base::JsonValue> json =
      base::parse_json(inbox_json({slack_message(kTime, R"({"text":"a \"b\""})"),
                                   mail_message(kTime, {"a@x", {"b@x"}, "Subject: s\r\n\r\nt"})}));
  ASSERT_TRUE(json.ok());
  ASSERT_EQ(json->items().size(), 2U);
  const base::JsonValue& slack = json->items()[0];
  EXPECT_EQ(slack.find("time")->string(), "2023-11-14T22:13:20Z");
  EXPECT_EQ(slack.find("kind")->string(), "slack");
  EXPECT_EQ(slack.find("title")->string(), "a \"b\"");
  EXPECT_EQ(slack.find("body")->string(), R"({"text":"a \"b\""})");
  EXPECT_EQ(json->items()[1].find("body")->string(), "Subject: s\r\n\r\nt");
}

}  // namespace
}  // namespace tocsin::app
