// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/statsd/statsd_store.h"

#include <gtest/gtest.h>

#include "exporters/common/page.h"
#include "formats/text_writer.h"

namespace tocsin::exporters::app {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class StatsdStoreTest : public ::testing::Test {
 protected:
  void make(std::string_view yaml, std::size_t max_series = 100) {
    const StatusOr<base::YamlNode> node = base::parse_yaml(yaml, "app.yml");
    StatusOr<StatsdMapper> mapper =
        StatsdMapper::read(node->find("defaults"), node->find("mappings"), minutes(10));
    ASSERT_TRUE(mapper.ok()) << message(mapper.status());
    store_ = std::make_unique<StatsdStore>(StatsdStore::Options{
        .mapper = *std::move(mapper), .max_series = max_series, .max_set_members = 4});
  }
  void SetUp() override { make("{}"); }
  void take(std::string_view packet) { store_->take(packet, now_); }
  // The page without our own metrics and comments.
  std::string page() {
    std::vector<base::MetricFamily> families;
    store_->append_to(now_, &families);
    std::erase_if(families, [](const auto& f) { return f.name.starts_with("statsd_exporter_"); });
    for (base::MetricFamily& family : families) family.help.clear();
    tidy_families(&families);
    std::string text;
    formats::write_text(families, &text);
    return text;
  }
  double errors(std::string_view reason) {
    std::vector<base::MetricFamily> families;
    store_->append_to(now_, &families);
    for (const base::MetricFamily& family : families) {
      if (family.name != "statsd_exporter_sample_errors_total") continue;
      for (const base::MetricSample& sample : family.samples) {
        if (sample.labels.front().second == reason) return sample.value;
      }
    }
    return -1;
  }

  base::SteadyTime now_{std::chrono::hours(100)};
  std::unique_ptr<StatsdStore> store_;
};

TEST_F(StatsdStoreTest, CountersAddUpByTheirRate) {
  take("a.b:2|c\na.b:1|c|@0.1\na.b:0|c");
  EXPECT_EQ(page(), "# TYPE a_b counter\na_b 12\n");
}

TEST_F(StatsdStoreTest, GaugesAreSetOrMoved) {
  take("a:10|g\na:+5|g\na:-3|g\nb:-3|g\nc:4|g\nc:0|g\nc:-4|g");
  EXPECT_EQ(page(), "# TYPE a gauge\na 12\n# TYPE b gauge\nb -3\n# TYPE c gauge\nc -4\n");
}

TEST_F(StatsdStoreTest, TimersAreSecondsAndTheOthersAsTheyAre) {
  make("defaults: {observer_type: histogram, buckets: [0.1, 2]}");
  take("t:100|ms\nt:3000|ms|@0.5\nh:1.5|h");
  EXPECT_EQ(page(), R"(# TYPE h histogram
h_bucket{le="0.1"} 0
h_bucket{le="2"} 1
h_bucket{le="+Inf"} 1
h_sum 1.5
h_count 1
# TYPE t histogram
t_bucket{le="0.1"} 1
t_bucket{le="2"} 1
t_bucket{le="+Inf"} 3
t_sum 6.1
t_count 3
)");
}

TEST_F(StatsdStoreTest, SummariesAreOfTheLastMinutes) {
  for (int i = 1; i <= 100; ++i) take(fmt::format("t:{}|ms", i * 1000));
  EXPECT_EQ(page(), R"(# TYPE t summary
t{quantile="0.5"} 50
t{quantile="0.9"} 90
t{quantile="0.99"} 99
t_sum 5050
t_count 100
)");
  now_ += minutes(8);
  take("t:1000|ms");
  now_ += minutes(8);
  EXPECT_NE(page().find("t{quantile=\"0.99\"} 1\n"), std::string::npos) << page();
  EXPECT_NE(page().find("t_count 101\n"), std::string::npos) << page();
}

TEST_F(StatsdStoreTest, AQuantileOfMoreThanIsKeptIsNear) {
  for (int i = 0; i < 100'000; ++i) take(fmt::format("t:{}|d", i % 1000));
  const std::string text = page();
  const std::size_t at = text.find("t{quantile=\"0.5\"} ");
  const double median = std::stod(text.substr(at + 18));
  EXPECT_NEAR(median, 500, 150);  // of 256 values that were kept
}

TEST_F(StatsdStoreTest, SetsCountDifferentMembersOfAMinute) {
  take("u:a|s\nu:b|s\nu:a|s");
  EXPECT_EQ(page(), "# TYPE u gauge\nu 2\n");
  now_ += minutes(1);
  take("u:a|s");
  EXPECT_EQ(page(), "# TYPE u gauge\nu 2\n");
  now_ += minutes(1);
  EXPECT_EQ(page(), "# TYPE u gauge\nu 1\n");
  now_ += minutes(1);
  EXPECT_EQ(page(), "# TYPE u gauge\nu 0\n");
  take("u:a|s\nu:b|s\nu:c|s\nv:d|s\nv:e|s");
  EXPECT_EQ(page(), "# TYPE u gauge\nu 3\n# TYPE v gauge\nv 1\n");
  EXPECT_EQ(errors("set_full"), 1);
}

TEST_F(StatsdStoreTest, TagsAndLabelsOfRulesAreLabels) {
  make(R"(mappings:
- {match: 'ws.*', name: ws_total, labels: {result: '$1', env: rule}}
- {match: 'hw.*', name: hw_total, labels: {env: rule, empty: ''}, honor_labels: true})");
  take("ws.ok:1|c|#env:tag,zone:z\nhw.x:1|c|#env:tag\nws.ok:1|c|#zone:z,env:tag");
  EXPECT_EQ(page(), R"(# TYPE hw_total counter
hw_total{env="tag"} 1
# TYPE ws_total counter
ws_total{env="rule",result="ok",zone="z"} 2
)");
}

TEST_F(StatsdStoreTest, RefusesASecondTypeForAName) {
  take("a:1|c\na:5|g\na:5|s\nt:1|ms\nt_sum:1|c\na.b:1|c\na-b:1|g");
  EXPECT_EQ(errors("type_conflict"), 4);
  EXPECT_NE(page().find("\na 1\n"), std::string::npos);
}

TEST_F(StatsdStoreTest, ForgetsWhatNobodyWritesTo) {
  make("mappings:\n- {match: keep, name: keep, ttl: 0}\n- {match: 'short', name: short, ttl: 1m}");
  take("keep:1|c\nshort:1|c\nlong:1|c\nu:x|s");
  now_ += minutes(1) + seconds(1);
  EXPECT_EQ(page().find("short"), std::string::npos);
  EXPECT_NE(page().find("long 1\n"), std::string::npos);
  take("short:1|g");  // another type may have the name now
  EXPECT_NE(page().find("# TYPE short gauge\nshort 1\n"), std::string::npos);
  now_ += minutes(11);
  EXPECT_EQ(page(), "# TYPE keep counter\nkeep 1\n");
  EXPECT_EQ(store_->series(), 1U);
}

TEST_F(StatsdStoreTest, FoldsCountersAndRefusesTheRestAboveTheLimit) {
  make("{}", 3);
  for (int i = 0; i < 10; ++i) take(fmt::format("a:1|c|#user:u{}", i));
  EXPECT_EQ(page(), R"(# TYPE a counter
a{user="other"} 7
a{user="u0"} 1
a{user="u1"} 1
a{user="u2"} 1
)");
  EXPECT_EQ(store_->dropped(), 7U);
  take("g:1|g|#user:x\nb:1|c\nb:1|c");
  EXPECT_EQ(errors("too_many_series"), 3);
  for (int i = 0; i < 10; ++i) take(fmt::format("name{}:1|c|#user:x", i));
  EXPECT_LE(store_->series(), 3U);
  // When there is room again, it is used.
  now_ += minutes(11);
  take("b:1|c");
  EXPECT_EQ(page(), "# TYPE b counter\nb 1\n");
}

TEST_F(StatsdStoreTest, CountsWhatItCannotUse) {
  take("a\nb:x|c\nc:1|c|#le:5\nd,x=1:1|c|#y:2\n\xff:1|c");
  EXPECT_EQ(errors("malformed_line"), 2);
  EXPECT_EQ(errors("malformed_value"), 1);
  EXPECT_EQ(errors("mixed_tagging_styles"), 1);
}

}  // namespace
}  // namespace tocsin::exporters::app
