// SPDX-License-Identifier: Apache-2.0
#include "tests/clients/client.h"

namespace tocsin::tests {
namespace {

class AmtoolTest : public ClientTest {
 protected:
  AmtoolTest() : ClientTest("amtool") {}

  std::string amtool(std::vector<std::string> arguments) {
    arguments.push_back("--alertmanager.url=" + tocsin().alertmanager_url());
    return output(arguments);
  }
  base::JsonValue amtool_json(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-o", "json"});
    return parsed(amtool(std::move(arguments)));
  }
  void add_two_alerts() {
    EXPECT_EQ(amtool({"alert", "add", "alertname=Disk", "severity=warning", "node=a",
                      "--annotation=summary=full", "--generator-url=http://rule"}),
              "");
    EXPECT_EQ(amtool({"alert", "add", "alertname=Cpu", "severity=critical", "node=b"}), "");
  }
  // The names of the alerts that a query returns, in the order of the API, by fingerprint.
  std::string names(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"alert", "query"});
    std::string found;
    const base::JsonValue alerts = amtool_json(std::move(arguments));
    for (const base::JsonValue& alert : alerts.items()) {
      found += text_at(alert, "labels.alertname") + " ";
    }
    return found;
  }
  std::string silences(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"silence", "query", "-q"});
    return amtool(std::move(more));
  }
};

// Words of each line; amtool pads its columns.
std::vector<std::vector<std::string>> table(const std::string& text) {
  std::vector<std::vector<std::string>> rows(1);
  std::string word;
  for (const char c : text) {
    if (c != ' ' && c != '\n') {
      word += c;
      continue;
    }
    if (!word.empty()) rows.back().push_back(std::exchange(word, ""));
    if (c == '\n') rows.emplace_back();
  }
  rows.pop_back();
  return rows;
}

TEST_F(AmtoolTest, AlertAddAndQuery) {
  start_tocsin();
  EXPECT_EQ(table(amtool({"alert", "query"})).size(), 1U) << "only the head of the table";
  add_two_alerts();

  const auto rows = table(amtool({"alert", "query"}));
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0], (std::vector<std::string>{"Alertname", "Starts", "At", "Summary", "State"}));
  EXPECT_EQ(rows[1].front(), "Disk");
  EXPECT_EQ(rows[1][4], "full");
  EXPECT_EQ(rows[1].back(), "active");
  EXPECT_EQ(rows[2].front(), "Cpu");
  EXPECT_EQ(rows[2].back(), "active");
  const std::string extended = amtool({"alert", "query", "-o", "extended", "alertname=Disk"});
  EXPECT_NE(extended.find(R"(alertname="Disk" node="a" severity="warning"  summary="full")"),
            std::string::npos)
      << extended;
  EXPECT_NE(extended.find("http://rule"), std::string::npos) << extended;

  EXPECT_EQ(names({"severity=critical"}), "Cpu ");
  EXPECT_EQ(names({"node=~a|c"}), "Disk ");
  EXPECT_EQ(names({"node!=a"}), "Cpu ");
  EXPECT_EQ(names({"node=c"}), "");
  EXPECT_EQ(names({"--receiver=nobody", "Disk"}), "Disk ") << "a word alone is the alert's name";
  const base::JsonValue alert = amtool_json({"alert", "query", "alertname=Cpu"});
  EXPECT_EQ(text_at(alert, "0.receivers.0.name"), "nobody");
  EXPECT_EQ(text_at(alert, "0.status.state"), "active");
  EXPECT_EQ(text_at(alert, "0.labels.severity"), "critical");
}

TEST_F(AmtoolTest, SilencesHideAlertsUntilTheyExpire) {
  start_tocsin();
  add_two_alerts();
  EXPECT_EQ(silences(), "");
  const std::string printed = amtool({"silence", "add", "alertname=Disk", "node=~a.*", "-c",
                                      "maintenance", "-a", "me", "-d", "1h"});
  ASSERT_EQ(printed.size(), 37U) << printed;
  const std::string id = printed.substr(0, 36);
  EXPECT_EQ(silences(), printed);
  const std::string shown = amtool({"silence", "query"});
  EXPECT_NE(shown.find(id + "  alertname=\"Disk\" node=~\"a.*\"  "), std::string::npos) << shown;
  EXPECT_NE(shown.find("UTC  me          maintenance\n"), std::string::npos) << shown;

  ASSERT_TRUE(eventually([this] { return names({}) == "Cpu "; }));
  EXPECT_EQ(names({"--silenced"}), "Disk ");
  const base::JsonValue hidden = amtool_json({"alert", "query", "--silenced"});
  EXPECT_EQ(text_at(hidden, "0.status.state"), "suppressed");
  EXPECT_EQ(text_at(hidden, "0.status.silencedBy.0"), id);

  EXPECT_EQ(silences({"alertname=Disk"}), printed);
  EXPECT_EQ(silences({"alertname=Cpu"}), "");
  // A longer end is the same silence; amtool prints it.
  const std::string updated = amtool({"silence", "update", id, "-d", "2h", "-c", "longer"});
  EXPECT_NE(updated.find(id), std::string::npos) << updated;
  EXPECT_NE(updated.find("longer"), std::string::npos) << updated;
  EXPECT_EQ(silences(), printed);

  EXPECT_EQ(amtool({"silence", "expire", id}), "");
  EXPECT_EQ(silences(), "");
  EXPECT_EQ(silences({"--expired"}), printed);
  ASSERT_TRUE(eventually([this] { return names({}) == "Cpu Disk "; }));
}

TEST_F(AmtoolTest, RefusalsAreShown) {
  start_tocsin();
  const std::string url = "--alertmanager.url=" + tocsin().alertmanager_url();
  const std::string error = failure(
      {"silence", "add", "alertname=x", "-c", "c", "-a", "me", "--end=2000-01-01T00:00:00Z", url});
  EXPECT_NE(error, "");
  EXPECT_EQ(silences(), "");
  EXPECT_NE(failure({"silence", "expire", "00000000-0000-4000-8000-000000000000", url}).find("404"),
            std::string::npos);
}

TEST_F(AmtoolTest, ConfigShowsWhatIsLoaded) {
  start_tocsin();
  const std::string config = amtool({"config", "show"});
  EXPECT_NE(config.find("route:\n  receiver: nobody\n"), std::string::npos) << config;
  EXPECT_NE(config.find("alertname"), std::string::npos) << config;
  EXPECT_NE(config.find("channel: \"#unused\""), std::string::npos) << config;
  EXPECT_NE(config.find("api_url: <secret>"), std::string::npos) << config;
  EXPECT_EQ(config.find("do-not-show"), std::string::npos) << config;
  const std::string routes = amtool({"config", "routes", "show"});
  EXPECT_NE(routes.find("default-route  receiver: nobody"), std::string::npos) << routes;
  const base::JsonValue status =
      parsed(http_get(tocsin().alertmanager_address(), "/api/v2/status").body);
  EXPECT_EQ(text_at(status, "versionInfo.version"), "0.34.0")
      << "amtool warns when the version is not Alertmanager's own";
}

TEST_F(AmtoolTest, ChecksTheQuickstart) {
  const std::string file = source_path("examples/quickstart/alertmanager.yml");
  const std::string checked = output({"check-config", file});
  EXPECT_NE(checked.find("SUCCESS"), std::string::npos) << checked;
  EXPECT_NE(checked.find(" - 2 receivers"), std::string::npos) << checked;
}

}  // namespace
}  // namespace tocsin::tests
