// SPDX-License-Identifier: Apache-2.0
#include "app/config/alertmanager_config.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/mem_fs.h"

namespace tocsin::app {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

class AlertmanagerConfigTest : public ::testing::Test {
 protected:
  StatusOr<notifier::NotifierConfig> parse(std::string_view text) {
    return parse_alertmanager_config(*files_, text, "etc/am.yml");
  }
  notifier::NotifierConfig load(std::string_view text) {
    StatusOr<notifier::NotifierConfig> config = parse(text);
    EXPECT_TRUE(config.ok()) << config.status().ToString();
    return config.ok() ? *config : notifier::NotifierConfig{};
  }
  std::string error_of(std::string_view text) {
    StatusOr<notifier::NotifierConfig> config = parse(text);
    return config.ok() ? "" : std::string(message(config.status()));
  }

  std::unique_ptr<base::FileSystem> files_ = base::testing::make_mem_fs();
};

constexpr std::string_view kRoute = "route: {receiver: r}\n";
std::string receiver(std::string_view configs) {
  return fmt::format("route: {{receiver: r}}\nreceivers:\n- name: r\n  {}\n", configs);
}

TEST_F(AlertmanagerConfigTest, DefaultsAreUpstreams) {
  const notifier::NotifierConfig config = load(receiver("webhook_configs: [{url: 'http://x/'}]"));
  EXPECT_EQ(config.resolve_timeout, minutes(5));
  EXPECT_EQ(config.route.receiver, "r");
  EXPECT_EQ(config.route.group_wait, seconds(30));
  EXPECT_EQ(config.route.group_interval, minutes(5));
  EXPECT_EQ(config.route.repeat_interval, std::chrono::hours(4));
  EXPECT_TRUE(config.route.group_by.empty());
  EXPECT_FALSE(config.route.group_by_all);
  const auto& webhook =
      std::get<notifier::WebhookOptions>(config.receivers.at(0).integrations.at(0));
  EXPECT_TRUE(webhook.send_resolved);
  EXPECT_EQ(webhook.max_alerts, 0U);
  EXPECT_NE(webhook.http, nullptr);
}

TEST_F(AlertmanagerConfigTest, RoutesInherit) {
  const notifier::NotifierConfig config = load(R"(
route:
  receiver: a
  group_by: [alertname, job]
  group_wait: 1s
  group_interval: 2m
  repeat_interval: 3h
  routes:
  - matchers: [severity = critical, 'team =~ "db|web"', '{x!="1", y!~"2"}']
    continue: true
    routes:
    - {receiver: b, group_by: ['...'], group_wait: 0s, match: {k: v}, match_re: {r: a|b}}
  - {group_by: [], repeat_interval: 1h}
receivers: [{name: a}, {name: b}]
)");
  ASSERT_EQ(config.route.routes.size(), 2U);
  const notifier::RouteOptions& first = config.route.routes[0];
  EXPECT_EQ(first.receiver, "a");
  EXPECT_THAT(first.group_by, ElementsAre("alertname", "job"));
  EXPECT_EQ(first.group_wait, seconds(1));
  EXPECT_TRUE(first.continue_matching);
  ASSERT_EQ(first.matchers.size(), 4U);
  EXPECT_EQ(first.matchers[0].to_string(), "severity=\"critical\"");
  ASSERT_EQ(first.routes.size(), 1U);
  const notifier::RouteOptions& inner = first.routes[0];
  EXPECT_EQ(inner.receiver, "b");
  EXPECT_TRUE(inner.group_by_all);
  EXPECT_EQ(inner.group_wait, seconds(0));
  EXPECT_EQ(inner.group_interval, minutes(2));
  EXPECT_FALSE(inner.continue_matching) << "not inherited";
  ASSERT_EQ(inner.matchers.size(), 2U);
  EXPECT_EQ(inner.matchers[0].to_string(), "k=\"v\"");
  EXPECT_TRUE(inner.matchers[1].matches("b"));
  EXPECT_FALSE(inner.matchers[1].matches("ab"));
  const notifier::RouteOptions& second = config.route.routes[1];
  EXPECT_THAT(second.group_by, ElementsAre("alertname", "job")) << "an empty list inherits";
  EXPECT_EQ(second.repeat_interval, std::chrono::hours(1));
}

TEST_F(AlertmanagerConfigTest, SlackEmailAndWebhookAreRead) {
  const notifier::NotifierConfig config = load(R"(
global:
  resolve_timeout: 1m
  slack_api_url: https://hooks.example/global
  smtp_smarthost: mail.example:587
  smtp_from: from@example.org
  smtp_hello: me
  smtp_auth_username: user
  smtp_auth_password: pass
  http_config: {proxy_url: 'http://proxy:1'}
route: {receiver: r}
receivers:
- name: r
  slack_configs:
  - {channel: '#a', title: t, text: x, color: blue, short_fields: true, fields: [{title: f, value: v}], mrkdwn_in: [text], timeout: 5s}
  - {api_url_file: slack.url, send_resolved: true}
  email_configs:
  - {to: a@x, text: hello, headers: {subject: S, x-TEST: y}}
  - {to: b@x, smarthost: '[::1]:465', from: other@x, require_tls: false, auth_password_file: p.txt, html: ''}
  webhook_configs:
  - {url: 'http://{{ .x }}', send_resolved: false, max_alerts: 3, timeout: 2s, http_config: {bearer_token: t}}
inhibit_rules:
- {name: i, source_matchers: [a=b], target_match: {c: d}, equal: [host]}
)");
  EXPECT_EQ(config.resolve_timeout, minutes(1));
  const auto& integrations = config.receivers.at(0).integrations;
  ASSERT_EQ(integrations.size(), 5U);
  const auto& slack = std::get<notifier::SlackOptions>(integrations[0]);
  EXPECT_EQ(slack.api_url.value, "https://hooks.example/global");
  EXPECT_EQ(slack.channel, "#a");
  EXPECT_EQ(slack.title, "t");
  EXPECT_EQ(slack.color, "blue");
  EXPECT_EQ(slack.username, notifier::SlackOptions{}.username);
  EXPECT_FALSE(slack.send_resolved);
  EXPECT_TRUE(slack.fields.at(0).is_short) << "short_fields is the default of fields";
  EXPECT_THAT(slack.mrkdwn_in, ElementsAre("text"));
  EXPECT_EQ(slack.timeout, seconds(5));
  EXPECT_EQ(slack.http->proxy_url, "http://proxy:1");
  const auto& own = std::get<notifier::SlackOptions>(integrations[1]);
  EXPECT_EQ(own.api_url.file, "slack.url");
  EXPECT_EQ(own.api_url.value, "");
  const auto& email = std::get<notifier::EmailOptions>(integrations[2]);
  EXPECT_EQ(email.server.host, "mail.example");
  EXPECT_EQ(email.server.port, 587);
  EXPECT_TRUE(email.server.require_tls);
  EXPECT_FALSE(email.server.implicit_tls);
  EXPECT_EQ(email.server.hello, "me");
  EXPECT_EQ(email.server.password.value, "pass");
  EXPECT_EQ(email.from, "from@example.org");
  EXPECT_EQ(email.text, "hello");
  EXPECT_THAT(email.headers, ElementsAre(Pair("Subject", "S"), Pair("X-Test", "y")));
  const auto& other = std::get<notifier::EmailOptions>(integrations[3]);
  EXPECT_EQ(other.server.host, "::1");
  EXPECT_TRUE(other.server.implicit_tls) << "port 465";
  EXPECT_FALSE(other.server.require_tls);
  EXPECT_EQ(other.server.password.file, "p.txt");
  EXPECT_EQ(other.server.password.value, "") << "its own password replaces the global one";
  EXPECT_EQ(other.html, "");
  const auto& webhook = std::get<notifier::WebhookOptions>(integrations[4]);
  EXPECT_FALSE(webhook.send_resolved);
  EXPECT_EQ(webhook.max_alerts, 3U);
  EXPECT_EQ(webhook.timeout, seconds(2));
  EXPECT_EQ(webhook.http->authorization->credentials.value, "t");
  EXPECT_EQ(webhook.http->proxy_url, "") << "an own http_config replaces the global one";
  EXPECT_EQ(config.inhibit_rules.at(0).source.at(0).to_string(), "a=\"b\"");
  EXPECT_EQ(config.inhibit_rules.at(0).target.at(0).to_string(), "c=\"d\"");
  EXPECT_THAT(config.inhibit_rules.at(0).equal, ElementsAre("host"));
}

TEST_F(AlertmanagerConfigTest, TemplatesAreRead) {
  ASSERT_EQ(files_->create_directories("etc/t"), ok());
  for (const char* name : {"a.tmpl", "b.tmpl", "c.txt"})
    ASSERT_EQ(base::write_file_atomically(*files_, fmt::format("etc/t/{}", name), name), ok());
  const std::string rest = receiver("webhook_configs: []");
  EXPECT_THAT(load("templates: ['t/*.tmpl']\n" + rest).templates,
              ElementsAre(Pair("etc/t/a.tmpl", "a.tmpl"), Pair("etc/t/b.tmpl", "b.tmpl")));
  EXPECT_THAT(load("templates: [t/c.txt, t/none, none/*]\n" + rest).templates,
              ElementsAre(Pair("etc/t/c.txt", "c.txt")));
  EXPECT_THAT(error_of("templates: ['*/a.tmpl']\n" + rest),
              StartsWith("etc/am.yml:1:13: templates[0]: not supported yet"));
}

TEST_F(AlertmanagerConfigTest, ErrorsOfRoutesNameFileLineAndKey) {
  const std::string r = "receivers: [{name: r}]\n";
  const std::pair<std::string, std::string> cases[] = {
      {"", "no route provided in config"},
      {"receivers: []\n", "etc/am.yml:1:1: no route provided in config"},
      {"route: {}\n" + r, "etc/am.yml:1:8: route: root route must specify a default receiver"},
      {"route: {receiver: x}\n" + r,
       R"(etc/am.yml:1:19: route.receiver: undefined receiver "x" used in route)"},
      {"route: {receiver: r, matchers: [a=b]}\n" + r,
       "etc/am.yml:1:32: route.matchers: root route must not have any matchers"},
      {"route: {receiver: r, continue: true}\n" + r,
       "etc/am.yml:1:32: route.continue: cannot have continue in root route"},
      {"route: {receiver: r, group_wait: 1x}\n" + r,
       R"(etc/am.yml:1:34: route.group_wait: unknown unit "x" in duration "1x")"},
      {"route: {receiver: r, group_interval: 0s}\n" + r,
       "etc/am.yml:1:38: route.group_interval: group_interval cannot be zero"},
      {"route: {receiver: r, repeat_interval: 0s}\n" + r,
       "etc/am.yml:1:39: route.repeat_interval: repeat_interval cannot be zero"},
      {"route: {receiver: r, group_by: [a, a]}\n" + r,
       R"(etc/am.yml:1:32: route.group_by: duplicated label "a" in group_by)"},
      {"route: {receiver: r, group_by: [a, '...']}\n" + r,
       "etc/am.yml:1:32: route.group_by: cannot have wildcard group_by (`...`) and other other "
       "labels at the same time"},
      {"route: {receiver: r, group_by: ['']}\n" + r,
       R"(etc/am.yml:1:32: route.group_by: invalid label name "" in group_by list)"},
      {"route: {receiver: r, routes: [{match: {'a-b': c}}]}\n" + r,
       R"(etc/am.yml:1:39: route.routes[0].match: invalid label name "a-b")"},
      {"route: {receiver: r, routes: [{match_re: {a: '('}}]}\n" + r,
       "etc/am.yml:1:42: route.routes[0].match_re: "},
      {"route: {receiver: r, routes: [{match_re: {a: }}]}\n" + r, "etc/am.yml:1:"},
      {"route: {receiver: r, routes: [{matchers: ['a']}]}\n" + r,
       "etc/am.yml:1:43: route.routes[0].matchers[0]: "},
      {"route: {receiver: r, routes: [{reciever: r}]}\n" + r,
       "etc/am.yml:1:32: field reciever not found in route.routes[0]"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_THAT(error_of(text), HasSubstr(expected)) << text;
}

TEST_F(AlertmanagerConfigTest, ErrorsOfReceiversNameFileLineAndKey) {
  const std::string r = "receivers: [{name: r}]\n";
  const std::pair<std::string, std::string> cases[] = {
      {std::string(kRoute) + "receivers: [{name: r}, {name: r}]\n",
       R"(etc/am.yml:2:24: receivers[1]: notification config name "r" is not unique)"},
      {std::string(kRoute) + "receivers: [{}]\n",
       "etc/am.yml:2:13: receivers[0]: missing name in receiver"},
      {receiver("slack_configs: [{}]"),
       "etc/am.yml:4:19: receivers[0].slack_configs[0]: no Slack API URL nor App token set either "
       "inline or in a file"},
      {receiver("slack_configs: [{api_url: 'ftp://x'}]"),
       "etc/am.yml:4:29: receivers[0].slack_configs[0].api_url: unsupported scheme"},
      {receiver("slack_configs: [{api_url: 'http://x', fields: [{title: a}]}]"),
       "etc/am.yml:4:50: receivers[0].slack_configs[0].fields[0]: missing field value"},
      {receiver("email_configs: [{}]"),
       "etc/am.yml:4:19: receivers[0].email_configs[0]: missing to address in email config"},
      {receiver("email_configs: [{to: a}]"),
       "etc/am.yml:4:19: receivers[0].email_configs[0]: no global SMTP smarthost set"},
      {receiver("email_configs: [{to: a, smarthost: 'h:1'}]"),
       "etc/am.yml:4:19: receivers[0].email_configs[0]: no global SMTP from set"},
      {receiver("email_configs: [{to: a, smarthost: h}]"),
       "etc/am.yml:4:38: receivers[0].email_configs[0].smarthost: address h: missing port in "
       "address"},
      {receiver("email_configs: [{to: a, smarthost: 'h:', from: b}]"),
       R"(etc/am.yml:4:38: receivers[0].email_configs[0].smarthost: address "h:": port cannot be empty)"},
      {receiver("email_configs: [{to: a, smarthost: 'h:99999', from: b}]"),
       R"(etc/am.yml:4:38: receivers[0].email_configs[0].smarthost: address "h:99999": bad port)"},
      {receiver("email_configs: [{to: a, smarthost: 'h:1', from: b, headers: {Subject: x, subject: "
                "y}}]"),
       R"(etc/am.yml:4:63: receivers[0].email_configs[0].headers: duplicate header "Subject" in email config)"},
      {receiver("webhook_configs: [{}]"),
       "etc/am.yml:4:21: receivers[0].webhook_configs[0]: one of url or url_file must be "
       "configured"},
      {receiver("webhook_configs: [{url: 'http://x', url_file: y}]"),
       "etc/am.yml:4:49: receivers[0].webhook_configs[0].url_file: at most one of url & url_file "
       "must be configured"},
      {receiver("webhook_configs: [{url: 'x'}]"),
       "etc/am.yml:4:27: receivers[0].webhook_configs[0].url: unsupported scheme"},
      {receiver("pagerduty_configs: []"),
       "etc/am.yml:4:22: receivers[0].pagerduty_configs: not supported yet: pagerduty_configs"},
      {std::string(kRoute) + r + "time_intervals: []\n",
       "etc/am.yml:3:17: time_intervals: not supported yet: time_intervals"},
      {std::string(kRoute) + r + "global: {opsgenie_api_key: x}\n",
       "etc/am.yml:3:28: global.opsgenie_api_key: not supported yet: opsgenie_api_key"},
      {std::string(kRoute) + r + "global: {smtp_auth_password: a, smtp_auth_password_file: b}\n",
       "etc/am.yml:3:58: global.smtp_auth_password_file: at most one of smtp_auth_password & "
       "smtp_auth_password_file must be configured"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_THAT(error_of(text), HasSubstr(expected)) << text;
}

TEST_F(AlertmanagerConfigTest, DeepRoutesEndInAnErrorNotInAnOverflow) {
  std::string routes = "{receiver: r}";
  for (int i = 0; i < 55; ++i) routes = "{receiver: r, routes: [" + routes + "]}";
  EXPECT_NE(error_of("route: " + routes + "\nreceivers: [{name: r}]\n"), "");
}

TEST_F(AlertmanagerConfigTest, TheOriginalMasksSecretsAndLoadsAgain) {
  const std::string text = R"(
global: {slack_api_url: 'https://hooks/hidden1', smtp_auth_password: hidden2, smtp_smarthost: 'h:25', smtp_from: 'a@x'}
route: {receiver: r, group_by: ['...'], routes: [{match: {url: visible1}, matchers: ['a="b c"']}]}
receivers:
- name: r
  slack_configs: [{channel: '#visible2'}, {api_url: 'https://hooks/hidden3'}]
  webhook_configs: [{url: 'http://hidden4/', http_config: {basic_auth: {username: u, password: hidden5}}}]
  email_configs: [{to: visible3, auth_password: hidden6, text: "two\nlines: #x"}]
)";
  const notifier::NotifierConfig first = load(text);
  EXPECT_THAT(first.original, Not(HasSubstr("hidden")));
  for (const char* shown : {"visible1", "#visible2", "visible3", "<secret>"})
    EXPECT_THAT(first.original, HasSubstr(shown));
  const notifier::NotifierConfig second = load(first.original);
  EXPECT_EQ(second.original, first.original);
  EXPECT_EQ(second.receivers.at(0).integrations.size(), 4U);
  EXPECT_EQ(std::get<notifier::EmailOptions>(second.receivers[0].integrations[2]).text,
            "two\nlines: #x");
}

TEST(AlertmanagerConfigConformance, OfficialFiles) {
  const char* root =
      std::getenv("TOCSIN_CONFORMANCE_DIR");  // NOLINT(concurrency-mt-unsafe): no other thread runs
  if (root == nullptr) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  base::FileSystem& files = base::real_file_system();
  const std::string folder = std::string(root) + "/alertmanager-config/";
  StatusOr<std::string> expected = files.read_file(folder + "expected.tsv", 1U << 20);
  ASSERT_TRUE(expected.ok());
  std::string_view rest = *expected;
  int seen = 0;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos) continue;
    const std::string name(line.substr(0, tab));
    StatusOr<notifier::NotifierConfig> config = load_alertmanager_config(files, folder + name);
    ++seen;
    if (line.substr(tab + 1) == "fail") {
      EXPECT_FALSE(config.ok()) << name;
    } else if (!config.ok()) {
      EXPECT_THAT(std::string(message(config.status())), HasSubstr("not supported yet: ")) << name;
    }
    if (!config.ok()) {
      EXPECT_THAT(std::string(message(config.status())), StartsWith(folder + name + ":")) << name;
    }
  }
  EXPECT_GE(seen, 46);
}

}  // namespace
}  // namespace tocsin::app
