// SPDX-License-Identifier: Apache-2.0
//
// A query that takes too long: it is seen, ended by hand, by its client's leaving and by the end of
// the server, and named after a crash.
#include <gtest/gtest.h>

#include "tests/support/tocsin.h"

namespace tocsin::tests {
namespace {

// Sorts millions of samples at each of thousands of steps: an hour of work.
constexpr const char* kHeavy = "quantile_over_time(0.5,vector(time())[25d:1s])";

class Queries : public ::testing::Test {
 protected:
  void start() {
    tocsin_ = std::make_unique<Tocsin>(
        Tocsin::Options{.config = files_.write("prometheus.yml", "global: {}\n"),
                        .data = files_.file("data"),
                        .more = {"--web.enable-admin-api", "--query.timeout=1h"}});
    ASSERT_TRUE(tocsin_->wait_ready());
  }
  std::unique_ptr<Process> heavy() const {
    return std::make_unique<Process>(
        std::vector<std::string>{built_program("tocsinctl"), "query", "range", "--start=100000000",
                                 "--end=100010000", "--step=1s", tocsin_->url(), kHeavy});
  }
  std::string listed() const {
    return run({built_program("tocsinctl"), "query", "list", tocsin_->url()}).out;
  }
  bool runs() const { return listed().find(kHeavy) != std::string::npos; }
  // Of the first in the list.
  std::string id() const {
    const std::string list = listed();
    const std::size_t begin = list.find_first_of("0123456789", list.find('\n'));
    return list.substr(begin, list.find(' ', begin) - begin);
  }

  const TempDir files_;
  std::unique_ptr<Tocsin> tocsin_;
};

TEST_F(Queries, AreEndedByHand) {
  start();
  const auto client = heavy();
  ASSERT_TRUE(eventually([this] { return runs(); }));
  EXPECT_EQ(run({built_program("tocsinctl"), "query", "kill", tocsin_->url(), id()}).exit_code, 0);
  EXPECT_EQ(client->wait(), 1);
  EXPECT_EQ(client->standard_error(),
            "query error: canceled: query was canceled in expression evaluation\n");
  EXPECT_FALSE(runs());
  const Finished again = run({built_program("tocsinctl"), "query", "kill", tocsin_->url(), "1"});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_EQ(again.err, "query error: not_found: no query with id 1 is running\n");
}

TEST_F(Queries, EndWhenTheirClientLeaves) {
  start();
  const auto client = heavy();
  ASSERT_TRUE(eventually([this] { return runs(); }));
  client->kill();
  EXPECT_TRUE(eventually([this] { return !runs(); }));
  EXPECT_TRUE(eventually(
      [this] { return tocsin_->metric("tocsin_engine_queries_ended_early_total") == 1; }));
}

TEST_F(Queries, DoNotKeepTheServerFromStopping) {
  start();
  const auto client = heavy();
  ASSERT_TRUE(eventually([this] { return runs(); }));
  tocsin_->stop();
}

TEST_F(Queries, AreNamedAfterACrash) {
  start();
  {
    const auto client = heavy();
    ASSERT_TRUE(eventually([this] { return runs(); }));
    tocsin_->process().kill();
  }
  start();
  const std::string line = tocsin_->process().wait_for_line({"These queries didn't finish"});
  EXPECT_NE(line.find("quantile_over_time(0.5,vector(time())[25d:1s])"), std::string::npos) << line;
  tocsin_->stop();
  start();
  EXPECT_EQ(tocsin_->process().standard_error().find("didn't finish"), std::string::npos);
}

}  // namespace
}  // namespace tocsin::tests
