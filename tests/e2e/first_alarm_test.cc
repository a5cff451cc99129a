// SPDX-License-Identifier: Apache-2.0
//
// The whole way: this machine's CPU, a real node exporter, the rule and the receivers that the
// quickstart ships (their times shortened), Slack's payload at an HTTP server and a mail at a real
// SMTP server; then both again when the CPU is calm.
#include <charconv>

#include <gtest/gtest.h>

#include "tests/support/mail.h"
#include "tests/support/tocsin.h"

namespace tocsin::tests {
namespace {

constexpr std::string_view kRule = "HostCpuBusy";

class FirstAlarm : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!SmtpServer::is_installed()) GTEST_SKIP() << "python3-aiosmtpd is not installed";
    exporter_ = std::make_unique<Process>(std::vector<std::string>{
        built_program("tocsin-node-exporter"), "--web.listen-address=127.0.0.1:0"});
    node_ = log_field(exporter_->wait_for_line({"listening", "address="}), "address");
    mail_server_ = std::make_unique<SmtpServer>();
    ASSERT_FALSE(node_.empty() || mail_server_->address().empty());
    tocsin_ = std::make_unique<Tocsin>(Tocsin::Options{.config = write_prometheus_config(),
                                                       .alertmanager = write_alertmanager_config(),
                                                       .data = files_.file("data")});
    ASSERT_TRUE(tocsin_->wait_ready());
  }

  // What is shipped, with other addresses and shorter times.
  std::string write_prometheus_config() const {
    std::string rules = read_file(source_path("examples/quickstart/rules/hosts.yml"));
    // Only the first rule of the file; the memory and the disk of the machine do not matter.
    const std::size_t begin = rules.find("- alert: HostCpuBusy"),
                      end = rules.find("- alert:", begin + 1);
    EXPECT_NE(end, std::string::npos);
    rules = replaced_once(rules.substr(0, end), "for: 5m", "for: 5s");
    files_.write("rules/hosts.yml", replaced_once(rules, "[2m]", "[10s]"));
    std::string config = read_file(source_path("examples/quickstart/prometheus.yml"));
    config = replaced_once(config, "scrape_interval: 15s", "scrape_interval: 1s");
    config = replaced_once(config, "evaluation_interval: 15s", "evaluation_interval: 1s");
    config = replaced_once(config, "  - rules/instances.yml\n  - rules/api.yml\n", "");
    config = replaced_once(config, "127.0.0.1:9100", node_);
    // Its own pages are scraped by other tests; here nothing listens on the fixed port.
    config = config.substr(0, replaced_once(config, "  # Tocsin itself.", "\n#").find("\n#"));
    return files_.write("prometheus.yml", config);
  }
  std::string write_alertmanager_config() const {
    std::string config = read_file(source_path("examples/quickstart/alertmanager.yml"));
    config =
        replaced(config, "http://127.0.0.1:9025/slack", "http://" + slack_.address() + "/slack");
    config = replaced_once(config, "127.0.0.1:9026", mail_server_->address());
    config = replaced_once(config, "group_wait: 30s", "group_wait: 1s");
    config = replaced_once(config, "group_interval: 5m", "group_interval: 2s");
    return files_.write("alertmanager.yml", config);
  }

  std::string state() {
    const base::JsonValue rules = tocsin_->get("/api/v1/rules?type=alert");
    EXPECT_EQ(text_at(rules, "data.groups.0.rules.0.name"), kRule);
    return text_at(rules, "data.groups.0.rules.0.state");
  }
  // Follows the rule's state until it is `last`, and keeps the states on the way.
  bool follow(const std::string& last, base::Duration patience = kPatience) {
    return eventually(
        [&] {
          const std::string now = state();
          if (now != "unknown" && (states_.empty() || states_.back() != now)) {
            states_.push_back(now);
          }
          return now == last;
        },
        patience);
  }
  // Stops what kept the CPU busy. Other work on the machine may keep it as busy, and then the
  // alert rightly stays: it is ended by ending the exporter, whose series become stale.
  void calm_down(Process& burner) {
    constexpr base::Duration kForOthers{40'000};
    burner.kill();
    if (follow("inactive", kForOthers)) return;
    std::printf("the machine is busy with other work; the exporter is ended instead\n");
    EXPECT_EQ(exporter_->terminate(), 0);
    ASSERT_TRUE(follow("inactive"));
  }
  void expect_slack(std::size_t index, std::string_view status, std::string_view color);
  void expect_mail(std::size_t index, std::string_view status);
  // The text both get; the percentage is what it was at the time.
  void expect_text(const std::string& text) const;

  const TempDir files_;
  HttpSink slack_{[](const net::HttpRequest&) { return net::HttpResponse::text(200, "ok"); }};
  std::unique_ptr<Process> exporter_;
  std::unique_ptr<SmtpServer> mail_server_;
  std::unique_ptr<Tocsin> tocsin_;
  std::string node_;
  std::vector<std::string> states_;
};

void FirstAlarm::expect_text(const std::string& text) const {
  const std::string before = fmt::format("The CPU of {} is ", node_);
  ASSERT_TRUE(text.starts_with(before)) << text;
  int percent = 0;
  const char* rest = text.data() + before.size();
  rest = std::from_chars(rest, text.data() + text.size(), percent).ptr;
  EXPECT_GE(percent, 80);
  EXPECT_LE(percent, 100);
  EXPECT_EQ(std::string_view(rest),
            " % busy\nIt has been more than 80 % busy for 5 minutes, so programs on this machine "
            "may answer "
            "slowly. Find out with \"top\" which program uses the CPU.\n");
}

void FirstAlarm::expect_slack(std::size_t index, std::string_view status, std::string_view color) {
  const net::HttpRequest request = slack_.requests().at(index);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/slack");
  EXPECT_EQ(request.headers.get("Content-Type"), "application/json");
  const base::JsonValue body = parsed(request.body);
  EXPECT_EQ(text_at(body, "channel"), "#alerts");
  EXPECT_EQ(text_at(body, "username"), "Alertmanager");
  EXPECT_EQ(at(body, "attachments").items().size(), 1U);
  const std::string title = fmt::format("[{}] {} ({} node warning)", status, kRule, node_);
  const std::string link = tocsin_->alertmanager_url() + "/#/alerts?receiver=team";
  const base::JsonValue& message = at(body, "attachments.0");
  EXPECT_EQ(text_at(message, "title"), title);
  EXPECT_EQ(text_at(message, "title_link"), link);
  EXPECT_EQ(text_at(message, "fallback"), title + " | " + link);
  EXPECT_EQ(text_at(message, "color"), color);
  EXPECT_EQ(text_at(message, "mrkdwn_in.0"), "fallback");
  expect_text(text_at(message, "text"));
}

void FirstAlarm::expect_mail(std::size_t index, std::string_view status) {
  const MimePart mail = mail_server_->mails().at(index);
  EXPECT_EQ(mail.header("Subject"), fmt::format("[{}] {} ({} node warning)", status, kRule, node_));
  EXPECT_EQ(mail.header("From"), "tocsin@example.org");
  EXPECT_EQ(mail.header("To"), "team@example.org");
  // What the server was told, apart from the headers.
  EXPECT_EQ(mail.header("X-MailFrom"), "tocsin@example.org");
  EXPECT_EQ(mail.header("X-RcptTo"), "team@example.org");
  EXPECT_EQ(mail.header("MIME-Version"), "1.0");
  EXPECT_TRUE(mail.header("Content-Type").starts_with("multipart/alternative;"));
  EXPECT_NE(mail.header("Date"), "");
  EXPECT_TRUE(mail.header("Message-Id").starts_with("<"));
  ASSERT_EQ(mail.parts.size(), 2U);
  EXPECT_EQ(mail.parts[0].header("Content-Type"), "text/plain; charset=UTF-8");
  EXPECT_EQ(mail.parts[1].header("Content-Type"), "text/html; charset=UTF-8");
  expect_text(mail.parts[0].body);
  EXPECT_NE(mail.parts[1].body.find("HostCpuBusy"), std::string::npos);
}

TEST_F(FirstAlarm, ABusyCpuReachesSlackAndMailAndIsResolved) {
  ASSERT_TRUE(follow("inactive"));
  ASSERT_TRUE(eventually([this] { return tocsin_->value("up{job=\"node\"}") == "1"; }));

  Process burner({built_program("burn_cpu")});
  ASSERT_TRUE(follow("firing"));
  // On a busy machine it may have been pending before.
  ASSERT_GE(states_.size(), 3U);
  EXPECT_EQ(states_.front(), "inactive");
  EXPECT_EQ(states_[states_.size() - 2], "pending");
  const std::string labels = fmt::format("{{alertname=\"{}\",instance=\"{}\"}}", kRule, node_);
  EXPECT_TRUE(eventually([&] {
    return tocsin_->value("ALERTS" + replaced(labels, "}", ",alertstate=\"firing\"}")) == "1";
  }));
  const base::JsonValue alerts = tocsin_->get("/api/v1/alerts");
  EXPECT_EQ(at(alerts, "data.alerts").items().size(), 1U);
  EXPECT_EQ(text_at(alerts, "data.alerts.0.labels.severity"), "warning");

  ASSERT_TRUE(
      eventually([this] { return slack_.count() >= 1 && mail_server_->mails().size() >= 1; }));
  expect_slack(0, "FIRING:1", "danger");
  expect_mail(0, "FIRING:1");
  // Several more evaluations and group intervals bring no second message.
  const auto evaluations = [this] {
    return tocsin_->metric("prometheus_rule_evaluations_total").value_or(0);
  };
  const double evaluated = evaluations();
  ASSERT_TRUE(eventually([&] { return evaluations() >= evaluated + 5; }));
  EXPECT_EQ(slack_.count(), 1U);
  EXPECT_EQ(mail_server_->mails().size(), 1U);

  calm_down(burner);
  ASSERT_TRUE(
      eventually([this] { return slack_.count() >= 2 && mail_server_->mails().size() >= 2; }));
  expect_slack(1, "RESOLVED", "good");
  expect_mail(1, "RESOLVED");
  EXPECT_EQ(slack_.count(), 2U);

  tocsin_->stop();
  EXPECT_EQ(exporter_->terminate(), 0);
  EXPECT_EQ(slack_.count(), 2U);
  EXPECT_EQ(mail_server_->mails().size(), 2U);
}

}  // namespace
}  // namespace tocsin::tests
