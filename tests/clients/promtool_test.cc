// SPDX-License-Identifier: Apache-2.0
#include "tests/clients/client.h"

namespace tocsin::tests {
namespace {

class PromtoolTest : public ClientTest {
 protected:
  PromtoolTest() : ClientTest("promtool") {}
};

// Both say the same.
class QueryTest : public ClientTest, public ::testing::WithParamInterface<const char*> {
 protected:
  QueryTest() : ClientTest(GetParam()) {}
};
INSTANTIATE_TEST_SUITE_P(Clients, QueryTest, ::testing::Values("promtool", "tocsinctl"),
                         [](const auto& suite) { return std::string(suite.param); });

TEST_P(QueryTest, QueryInstant) {
  start_tocsin();
  const std::string url = tocsin().url();
  const auto query = [&](const std::string& expr) {
    return output({"query", "instant", "--time=1000", url, expr});
  };
  EXPECT_EQ(query("vector(7)"), "{} => 7 @[1000]\n");
  EXPECT_EQ(query("1 + 2"), "scalar: 3 @[1000]\n");
  EXPECT_EQ(query("fixed"), "\n") << "nothing was scraped then";
  EXPECT_EQ(output({"query", "instant", "-o", "json", "--time=1000", url, "vector(0.5)"}),
            "[{\"metric\":{},\"value\":[1000,\"0.5\"]}]\n");

  // What was scraped, now; the time of the evaluation differs from run to run.
  const std::string now = output({"query", "instant", url, "sort(fixed)"});
  const std::size_t second = now.find('\n') + 1;
  EXPECT_EQ(now.find(R"(fixed{color="blue", instance="one", job="sink"} => 7.5 @[)"), 0U) << now;
  EXPECT_EQ(now.find(R"(fixed{color="red", instance="one", job="sink"} => 42 @[)"), second) << now;

  EXPECT_EQ(
      failure({"query", "instant", url, "fixed +"}),
      "query error: bad_data: invalid parameter \"query\": 1:8: parse error: unexpected end of "
      "input\n");
}

TEST_P(QueryTest, QueryRange) {
  start_tocsin();
  const auto query = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments{"query", "range", "--start=1000", "--end=1060",
                                       "--step=30s"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.insert(arguments.end(), {tocsin().url(), "vector(time() / 10)"});
    return output(arguments);
  };
  EXPECT_EQ(query({}), "{} =>\n100 @[1000]\n103 @[1030]\n106 @[1060]\n");
  EXPECT_EQ(query({"-o", "json"}),
            "[{\"metric\":{},\"values\":[[1000,\"100\"],[1030,\"103\"],[1060,\"106\"]]}]\n");
}

TEST_P(QueryTest, QuerySeriesAndLabels) {
  start_tocsin();
  const std::string url = tocsin().url();
  EXPECT_EQ(sorted_output({"query", "series", "--match=fixed", "--match=up", url}),
            R"({__name__="fixed", color="blue", instance="one", job="sink"}
{__name__="fixed", color="red", instance="one", job="sink"}
{__name__="up", instance="one", job="sink"}
)");
  EXPECT_EQ(output({"query", "series", "--match={job=\"none\"}", url}), "");
  EXPECT_EQ(output({"query", "labels", url, "color"}), "blue\nred\n");
  EXPECT_EQ(output({"query", "labels", "--match=up", url, "__name__"}), "up\n");
  EXPECT_EQ(output({"query", "labels", url, "absent"}), "");
  EXPECT_EQ(
      failure({"query", "series", "--match=fixed{", url}),
      "query error: bad_data: invalid parameter \"match[]\": 1:7: parse error: unexpected end of "
      "input inside braces\n");
}

// Upstream's linter has nothing to say about the page but what it says about upstream's own name.
TEST_F(PromtoolTest, CheckMetrics) {
  start_tocsin();
  const std::string page = files_.write("page", http_get(tocsin().address(), "/metrics").body);
  const Finished finished =
      run({"/bin/sh", "-c", source_path("build/parts/bin/promtool") + " check metrics <" + page});
  EXPECT_EQ(finished.err,
            "prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total metric name "
            "should not include type 'histogram'\n");
  EXPECT_EQ(finished.exit_code, 3) << finished.out;
}

TEST_F(PromtoolTest, ChecksTheQuickstart) {
  const std::string quickstart = source_path("examples/quickstart");
  const std::string config = output({"check", "config", quickstart + "/prometheus.yml"});
  EXPECT_NE(config.find("SUCCESS: 3 rule files found"), std::string::npos) << config;
  for (const std::string& name : list_directory(quickstart + "/rules")) {
    const std::string rules = output({"check", "rules", quickstart + "/rules/" + name});
    EXPECT_NE(rules.find("SUCCESS:"), std::string::npos) << rules;
  }
}

}  // namespace
}  // namespace tocsin::tests
