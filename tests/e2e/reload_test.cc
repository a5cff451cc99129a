// SPDX-License-Identifier: Apache-2.0
//
// Start, reload and refusal: what an operator and a client see when something is wrong.
#include <csignal>

#include <gtest/gtest.h>

#include "net/testing/raw_socket.h"
#include "tests/support/tocsin.h"

namespace tocsin::tests {
namespace {

// A scrape job of one target that nobody answers for.
std::string job(std::string_view name, std::string_view more = "") {
  return fmt::format(
      "scrape_configs:\n  - job_name: {}\n{}    static_configs:\n      - targets: "
      "['127.0.0.1:1']\n",
      name, more);
}

class Reload : public ::testing::Test {
 protected:
  // Returns when the program listens, with the file read and the store not yet open.
  void begin(const std::vector<std::string>& more = {}) {
    const std::string config = files_.write("prometheus.yml", job("first"));
    tocsin_ = std::make_unique<Tocsin>(
        Tocsin::Options{.config = config, .data = files_.file("data"), .more = more});
  }
  void start(const std::vector<std::string>& more = {}) {
    begin(more);
    ASSERT_TRUE(tocsin_->wait_ready());
    ASSERT_EQ(jobs(), "first ");
  }
  std::string jobs() {
    const base::JsonValue targets = tocsin_->get("/api/v1/targets?state=active");
    std::string names;
    for (const base::JsonValue& target : at(targets, "data.activeTargets").items()) {
      names += text_at(target, "scrapePool") + " ";
    }
    return names;
  }
  double reload_worked() {
    return tocsin_->metric("prometheus_config_last_reload_successful").value_or(-1);
  }
  std::string loaded_config() {
    return text_at(tocsin_->get("/api/v1/status/config"), "data.yaml");
  }

  const TempDir files_;
  std::unique_ptr<Tocsin> tocsin_;
};

TEST_F(Reload, ASignalReadsTheFilesAgain) {
  start();
  EXPECT_EQ(reload_worked(), 1);
  files_.write("prometheus.yml", job("second"));
  EXPECT_EQ(jobs(), "first ") << "nothing happens before the signal";
  tocsin_->process().signal(SIGHUP);
  ASSERT_TRUE(eventually([this] { return jobs() == "second "; }));
  EXPECT_NE(loaded_config().find("second"), std::string::npos);

  files_.write("prometheus.yml", job("third", "    scrape_intervall: 5s\n"));
  tocsin_->process().signal(SIGHUP);
  ASSERT_TRUE(eventually([this] { return reload_worked() == 0; }));
  EXPECT_EQ(jobs(), "second ");
  EXPECT_NE(loaded_config().find("second"), std::string::npos);
  const std::string line = tocsin_->process().wait_for_line({"configuration not reloaded"});
  EXPECT_NE(line.find("prometheus.yml:3:5: field scrape_intervall not found"), std::string::npos)
      << line;

  files_.write("prometheus.yml", job("third"));
  tocsin_->process().signal(SIGHUP);
  ASSERT_TRUE(eventually([this] { return jobs() == "third "; }));
  ASSERT_TRUE(eventually([this] { return reload_worked() == 1; }));
  tocsin_->stop();
}

TEST_F(Reload, SignalsDuringTheStartAreNotLost) {
  begin();
  files_.write("prometheus.yml", job("second"));
  tocsin_->process().signal(SIGHUP);
  ASSERT_TRUE(tocsin_->wait_ready());
  EXPECT_TRUE(eventually([this] { return jobs() == "second "; }));
  tocsin_->stop();
  begin();
  tocsin_->stop();
}

TEST_F(Reload, ThePageReloadsAndSaysWhatIsWrong) {
  start({"--web.enable-lifecycle"});
  files_.write("prometheus.yml", job("second"));
  EXPECT_EQ(http_get(tocsin_->address(), "/-/reload").status, 405);
  EXPECT_EQ(jobs(), "first ");
  EXPECT_EQ(http_post(tocsin_->address(), "/-/reload").status, 200);
  EXPECT_EQ(jobs(), "second ");

  const auto refused = [this](std::string_view config, std::string_view error) {
    files_.write("prometheus.yml", config);
    const Reply reply = http_post(tocsin_->address(), "/-/reload");
    EXPECT_EQ(reply.status, 500);
    EXPECT_TRUE(reply.body.starts_with("failed to reload config: ")) << reply.body;
    EXPECT_NE(reply.body.find(error), std::string::npos) << reply.body;
    EXPECT_EQ(reload_worked(), 0);
    EXPECT_EQ(jobs(), "second ");
  };
  refused("global: [", "prometheus.yml:1");
  refused(job("third", "    scrape_interval: never\n"), "prometheus.yml:3");
  refused(job("third", "    dns_sd_configs: []\n"), "not supported yet: dns_sd_configs");
  files_.write("bad_rules.yml",
               "groups:\n  - name: g\n    rules:\n      - record: r\n        expr: sum(\n");
  refused("rule_files: [bad_rules.yml]\n" + job("third"), "bad_rules.yml:5");
  files_.write("prometheus.yml", job("third"));
  EXPECT_EQ(http_post(tocsin_->address(), "/-/reload").status, 200);
  EXPECT_EQ(reload_worked(), 1);
  EXPECT_EQ(jobs(), "third ");
}

TEST_F(Reload, ThePageIsOffUnlessTheLifecycleIsEnabled) {
  start();
  files_.write("prometheus.yml", job("second"));
  const Reply reply = http_post(tocsin_->address(), "/-/reload");
  EXPECT_EQ(reply.status, 403);
  EXPECT_EQ(reply.body, "Lifecycle API is not enabled.");
  EXPECT_EQ(jobs(), "first ");
}

TEST_F(Reload, RefusedRequestsGetUpstreamsStatusAndText) {
  start();
  const std::string& address = tocsin_->address();
  EXPECT_EQ(http_get(address, "/api/v1/nothing").status, 404);
  EXPECT_EQ(http_get(address, "/nothing").status, 404);
  EXPECT_EQ(http_get(address, "/api/v2/alerts").status, 404) << "no notifier is configured";

  const auto check = [&address](const std::string& path, const Form& form, int status,
                                std::string_view type, std::string_view error) {
    const std::string target = path + "?" + encode_form(form);
    const Reply reply = http_get(address, target);
    ASSERT_EQ(reply.status, status) << target << " " << reply.body.substr(0, 500);
    EXPECT_EQ(reply.headers.get("Content-Type"), "application/json") << target;
    const base::JsonValue body = parsed(reply.body);
    EXPECT_EQ(text_at(body, "status"), "error") << target;
    EXPECT_EQ(text_at(body, "errorType"), type) << target;
    EXPECT_EQ(text_at(body, "error"), error) << target;
  };
  const std::string query = "/api/v1/query", range = "/api/v1/query_range";
  check(query, {{"query", "sum("}}, 400, "bad_data",
        "invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis");
  check(query, {{"query", ""}}, 400, "bad_data",
        "invalid parameter \"query\": unknown position: parse error: no expression found in input");
  check(query, {{"query", "1"}, {"time", "noon"}}, 400, "bad_data",
        "invalid parameter \"time\": invalid time value for 'time': cannot parse \"noon\" to a "
        "valid timestamp");
  check(range, {{"query", "1"}, {"start", "0"}, {"end", "100"}, {"step", "0"}}, 400, "bad_data",
        "invalid parameter \"step\": zero or negative query resolution step widths are not "
        "accepted. Try a positive integer");
  check(range, {{"query", "1"}, {"start", "0"}, {"end", "11001"}, {"step", "1"}}, 400, "bad_data",
        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
        "resolution (?step=XX)");
  check("/api/v1/series", {}, 400, "bad_data", "no match[] parameter provided");
  check(query, {{"query", "label_replace(vector(1), \"~\", \"\", \"\", \"(\")"}}, 422, "execution",
        "invalid regular expression in label_replace(): (");
  // More than can be done in a millisecond.
  std::string long_query = "0";
  for (int i = 0; i < 50; ++i) {
    long_query += fmt::format(" + sum_over_time(vector({})[{}s:1s])", i, 1000 + i);
  }
  const std::string target = range + "?" +
                             encode_form({{"query", long_query},
                                          {"start", "0"},
                                          {"end", "10000"},
                                          {"step", "1"},
                                          {"timeout", "1ms"}});
  const Reply late = http_get(address, target);
  EXPECT_EQ(late.status, 503);
  const base::JsonValue body = parsed(late.body.substr(0, 1000));
  EXPECT_EQ(text_at(body, "errorType"), "timeout");
  // Upstream's text names the stage in which the time ran out.
  EXPECT_TRUE(text_at(body, "error").starts_with("query timed out in ")) << late.body;
}

TEST_F(Reload, AQueryThatIsTooBigIsRefused) {
  start({"--query.max-samples=1000"});
  const Reply reply =
      http_get(tocsin_->address(), "/api/v1/query_range?query=vector(1)&start=0&end=5000&step=1");
  ASSERT_EQ(reply.status, 422) << reply.body.substr(0, 500);
  const base::JsonValue body = parsed(reply.body);
  EXPECT_EQ(text_at(body, "errorType"), "execution");
  EXPECT_EQ(text_at(body, "error"),
            "query processing would load too many samples into memory in query execution");
}

// Runs tocsin, which must end by itself, with the given prometheus.yml.
class Start : public ::testing::Test {
 protected:
  Finished run_with(std::string_view config, const std::string& listen = "127.0.0.1:0") {
    files_.write("prometheus.yml", config);
    return run({built_program("tocsin"), "--config.file=" + files_.file("prometheus.yml"),
                "--storage.tsdb.path=" + files_.file("data"), "--web.listen-address=" + listen});
  }
  const TempDir files_;
};

TEST_F(Start, ATakenPortIsNamed) {
  const net::testing::RawListener taken;
  const Finished finished = run_with(job("j"), taken.address());
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_EQ(finished.err,
            fmt::format("tocsin: error: listen on {}: address already in use\n", taken.address()));
}

TEST_F(Start, ADataDirectoryInUseIsNamed) {
  const std::string config = files_.write("prometheus.yml", job("j"));
  Tocsin first({.config = config, .data = files_.file("data")});
  ASSERT_TRUE(first.wait_ready());
  const Finished second = run_with(job("j"));
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_NE(second.err.find(files_.file("data")), std::string::npos) << second.err;
  EXPECT_NE(second.err.find("lock"), std::string::npos) << second.err;
  EXPECT_EQ(http_get(first.address(), "/-/healthy").status, 200);
}

TEST_F(Start, AMalformedConfigurationIsNamedByFileLineAndKey) {
  const auto check = [this](std::string_view config, std::string_view where) {
    const Finished finished = run_with(config);
    EXPECT_EQ(finished.exit_code, 2) << config;
    const std::string error =
        fmt::format("tocsin: error: {}{}", files_.file("prometheus.yml"), where);
    EXPECT_EQ(finished.err.substr(0, error.size()), error) << finished.err;
  };
  check("globl: {}\n", ":1:1: field globl not found");
  check(job("j", "    scrape_intervall: 5s\n"),
        ":3:5: field scrape_intervall not found in scrape_configs[0]");
  check("global:\n  scrape_interval: 15s\n  scrape_interval: 5s\n", ":3:3: ");
  check("global:\n  scrape_interval: soon\n", ":2:20: global.scrape_interval: ");
  check(job("j") + "  - job_name: j\n", ":5:");
  check("scrape_configs:\n  - static_configs: []\n", ":2:5: scrape_configs[0]");
}

TEST_F(Start, UnknownAndUnbuiltFlagsAreRefused) {
  const Finished unknown = run({built_program("tocsin"), "--bogus"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_NE(unknown.err.find("--bogus"), std::string::npos) << unknown.err;
  const Finished unbuilt = run({built_program("tocsin"), "--agent"});
  EXPECT_EQ(unbuilt.exit_code, 2);
  EXPECT_EQ(unbuilt.err, "tocsin: error: not supported yet: --agent\n");
}

}  // namespace
}  // namespace tocsin::tests
