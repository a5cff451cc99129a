// SPDX-License-Identifier: Apache-2.0
//
// The scripts of examples/: the autoscaler against an API that the test plays, the canary gate
// against a real tocsin.
#include <atomic>
#include <map>

#include <gtest/gtest.h>

#include "tests/support/tocsin.h"

namespace tocsin::tests {
namespace {

// A service and its metrics, as far as the autoscaler sees them.
class Autoscaler : public ::testing::Test {
 protected:
  struct Service {
    std::string cpu, requests;  // values of the API; "": no series
    std::map<std::string, int> questions;
  };

  net::HttpResponse answer(const net::HttpRequest& request) {
    const std::string query(request.query.get("query"));
    const auto service = service_.lock();
    ++service->questions[query];
    std::string value = query == "cpu" ? service->cpu : service->requests;
    if (query == "instances") value = instances();
    const std::string result =
        value.empty() ? "" : fmt::format(R"({{"metric":{{}},"value":[1700000000,"{}"]}})", value);
    return net::HttpResponse::json(
        200, fmt::format(R"({{"status":"success","data":{{"resultType":"vector","result":[{}]}}}})",
                         result));
  }
  // What the command of the last step wrote.
  std::string instances() const {
    std::string text = read_file(files_.file("instances"));
    while (text.ends_with('\n')) text.pop_back();
    return text;
  }
  void set(const std::string& cpu, const std::string& requests) {
    const auto service = service_.lock();
    service->cpu = cpu;
    service->requests = requests;
  }
  std::vector<std::string> command(std::vector<std::string> more = {}) const {
    std::vector<std::string> words = {
        "/usr/bin/python3", source_path("examples/autoscaler/autoscaler.py"),
        "--url=http://" + api_.address(), "--cpu=cpu", "--requests=requests",
        "--instances=instances",
        // The rename makes a half-written number impossible.
        fmt::format("--apply=echo $INSTANCES > {0}/new && mv {0}/new {0}/instances",
                    files_.path())};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  // The number of instances after one step from `before`.
  std::string step(const std::string& before, const std::string& cpu, const std::string& requests) {
    files_.write("instances", before);
    set(cpu, requests);
    EXPECT_EQ(run(command({"--once"})).exit_code, 0);
    return instances();
  }

  const TempDir files_;
  base::Guarded<Service> service_;
  HttpSink api_{[this](const net::HttpRequest& request) { return answer(request); }};
};

TEST_F(Autoscaler, TakesOneStepByWhatTheMarksSay) {
  EXPECT_EQ(step("4", "71", "60"), "5") << "busy";
  EXPECT_EQ(step("4", "20", "101"), "5") << "many requests";
  EXPECT_EQ(step("4", "70", "100"), "4") << "not above";
  EXPECT_EQ(step("4", "29", "49"), "3") << "idle";
  EXPECT_EQ(step("4", "29", "50"), "4") << "not both below";
  EXPECT_EQ(step("4", "30", "10"), "4") << "not both below";
  EXPECT_EQ(step("10", "99", "999"), "10") << "no more than ten";
  EXPECT_EQ(step("2", "0", "0"), "2") << "no less than two";
  EXPECT_EQ(step("1", "50", "70"), "2") << "no less than two";
}

TEST_F(Autoscaler, DoesNothingThatItDoesNotKnowAReasonFor) {
  EXPECT_EQ(step("4", "", "10"), "4");
  EXPECT_EQ(step("4", "10", ""), "4");
  EXPECT_EQ(step("4", "NaN", "10"), "4");
  EXPECT_EQ(step("4", "", "101"), "5") << "one reason is enough to grow";
  files_.write("instances", "");
  EXPECT_EQ(run(command({"--once"})).exit_code, 1);
  const Finished failed = run(command({"--once", "--url=http://127.0.0.1:1"}));
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_NE(failed.err.find("cannot ask http://127.0.0.1:1"), std::string::npos) << failed.err;
}

TEST_F(Autoscaler, GrowsAndShrinksOneByOneAndHoldsItsLimits) {
  files_.write("instances", "2");
  set("90", "200");
  const Process script(command({"--interval=0.01"}));
  EXPECT_TRUE(eventually([this] { return instances() == "10"; }));
  set("10", "10");
  EXPECT_TRUE(eventually([this] { return instances() == "2"; }));
  const int asked = service_.lock()->questions["instances"];
  EXPECT_TRUE(eventually([&] { return service_.lock()->questions["instances"] > asked + 3; }));
  EXPECT_EQ(instances(), "2");
  // Every step was taken and told.
  const std::string told = script.standard_output();
  for (int i = 2; i < 10; ++i) {
    EXPECT_NE(told.find(fmt::format("{} -> {} instances", i, i + 1)), std::string::npos);
    EXPECT_NE(told.find(fmt::format("{} -> {} instances", i + 1, i)), std::string::npos);
  }
}

TEST(Canary, IsStoppedAboveFivePercentOfFailures) {
  // Each scrape finds a hundred requests more; of those to "bad" six, to "good" four failed.
  std::atomic<int> scrapes = 0;
  HttpSink service([&](const net::HttpRequest&) {
    const int n = ++scrapes;
    std::string page = "# TYPE http_requests_total counter\n";
    for (const auto& [version, failures] : {std::pair("bad", 6), std::pair("good", 4)}) {
      page += fmt::format("http_requests_total{{version=\"{}\",status=\"200\"}} {}\n", version,
                          n * (100 - failures));
      page += fmt::format("http_requests_total{{version=\"{}\",status=\"503\"}} {}\n", version,
                          n * failures);
    }
    page += fmt::format("http_requests_total{{version=\"flawless\",status=\"200\"}} {}\n", n);
    page += "http_requests_total{version=\"idle\",status=\"200\"} 7\n";
    return net::HttpResponse::text(200, page);
  });
  const TempDir files;
  const std::string config = files.write(
      "prometheus.yml", fmt::format("scrape_configs:\n- job_name: api\n  scrape_interval: 1s\n"
                                    "  static_configs: [{{targets: ['{}']}}]\n",
                                    service.address()));
  Tocsin tocsin({.config = config, .data = files.file("data")});
  ASSERT_TRUE(tocsin.wait_ready());
  ASSERT_TRUE(eventually([&] {
    return tocsin.value("min(count_over_time(http_requests_total[60s])) >= bool 3") == "1";
  }));
  const auto gate = [&](const std::string& version, const std::string& url) {
    return run({"/usr/bin/python3", source_path("examples/canary/canary.py"), "--url=" + url,
                "--selector", fmt::format("job=\"api\",version=\"{}\"", version)});
  };
  const Finished bad = gate("bad", tocsin.url());
  EXPECT_EQ(bad.exit_code, 1) << bad.err;
  EXPECT_EQ(bad.out, "6.00 % of the requests to the canary failed, 5 % are borne\n");
  EXPECT_EQ(gate("good", tocsin.url()).exit_code, 0);
  EXPECT_EQ(gate("flawless", tocsin.url()).exit_code, 0);
  EXPECT_EQ(gate("idle", tocsin.url()).exit_code, 2);
  EXPECT_EQ(gate("unknown", tocsin.url()).exit_code, 2);
  EXPECT_EQ(gate("good", "http://127.0.0.1:1").exit_code, 2);
}

}  // namespace
}  // namespace tocsin::tests
