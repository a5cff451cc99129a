// SPDX-License-Identifier: Apache-2.0
//
// Exemplars and metadata in the database: appended, replayed, sealed.
#include "tsdb/testing/db_fixture.h"

namespace tocsin::tsdb {
namespace {

using base::from_ms;

class DbNotesTest : public testing::DbTest {
 protected:
  static model::Exemplar exemplar(std::int64_t t, double value) {
    return {model::Labels::of({{"trace_id", "x"}}), value, from_ms(t)};
  }
  Status append_exemplar(const model::Labels& l, const model::Exemplar& e) {
    const auto appender = db_->appender();
    RETURN_IF_ERROR(appender->append_exemplar({}, l, e));
    return commit_and_wait(*appender);
  }
  Status update_metadata(const model::Labels& l, const model::Metadata& m) {
    const auto appender = db_->appender();
    RETURN_IF_ERROR(appender->update_metadata({}, l, m));
    return commit_and_wait(*appender);
  }
  std::string exemplars(std::int64_t min_ms, std::int64_t max_ms) {
    std::string out;
    const std::vector<model::Matchers> all(1);
    const auto found = *db_->exemplars(all, from_ms(min_ms), from_ms(max_ms));
    for (const auto& series : found) {
      out += series.labels.to_series_string();
      for (const model::Exemplar& e : series.exemplars) {
        out += fmt::format(" {}:{}", base::to_ms(*e.time), e.value);
      }
      out += "\n";
    }
    return out;
  }
  std::string metadata() {
    std::string out;
    const auto found = *db_->metadata({}, 0);
    for (const auto& one : found) {
      out += fmt::format("{} {} {} {}\n", one.labels.metric_name(),
                         model::kind_text(one.metadata.kind), one.metadata.unit, one.metadata.help);
    }
    return out;
  }
};

TEST_F(DbNotesTest, ExemplarsSurviveRestartsAndSeals) {
  options_.max_exemplars = 4;
  open();
  ASSERT_TRUE(append(labels("a"), 1000, 1).ok());
  ASSERT_TRUE(append(labels("b"), 1000, 1).ok());
  ASSERT_TRUE(append_exemplar(labels("a"), exemplar(900, 0.5)).ok());
  ASSERT_TRUE(append_exemplar(labels("a"), exemplar(900, 0.5)).ok());
  ASSERT_TRUE(append_exemplar(labels("a"), exemplar(1000, 0.7)).ok());
  EXPECT_EQ(message(append_exemplar(labels("a"), exemplar(800, 1))), "out of order exemplar");
  ASSERT_TRUE(append_exemplar(labels("b"), exemplar(950, 2)).ok());
  const std::string all = "a{instance=\"a\"} 900:0.5 1000:0.7\nb{instance=\"a\"} 950:2\n";
  EXPECT_EQ(exemplars(0, 5000), all);
  EXPECT_EQ(exemplars(901, 960), "b{instance=\"a\"} 950:2\n");
  open();
  EXPECT_EQ(exemplars(0, 5000), all) << "after replay";
  ASSERT_TRUE(db_->seal_all().ok());
  EXPECT_EQ(exemplars(0, 5000), all) << "after a seal";
  ASSERT_TRUE(append_exemplar(labels("a"), exemplar(1100, 3)).ok());
  open();
  EXPECT_EQ(exemplars(0, 5000),
            "a{instance=\"a\"} 900:0.5 1000:0.7 1100:3\nb{instance=\"a\"} 950:2\n");
  ASSERT_TRUE(append_exemplar(labels("a"), exemplar(1200, 4)).ok());
  EXPECT_EQ(exemplars(0, 1000), "a{instance=\"a\"} 1000:0.7\nb{instance=\"a\"} 950:2\n");
}

// The journal's position must not pass notes that are in no file: a crash would take them.
TEST_F(DbNotesTest, ASealThatCannotWriteNotesLeavesThemInTheJournal) {
  options_.max_exemplars = 4;
  files_ = &base::real_file_system();
  open();
  ASSERT_TRUE(append(labels("a"), 1000, 1).ok());
  ASSERT_TRUE(append_exemplar(labels("a"), exemplar(900, 0.5)).ok());
  const std::filesystem::path in_the_way = std::filesystem::path(directory_) / "notes";
  std::filesystem::create_directories(in_the_way / "folder");
  EXPECT_FALSE(db_->seal_all().ok());
  std::filesystem::remove_all(in_the_way);
  open();
  EXPECT_EQ(exemplars(0, 5000), "a{instance=\"a\"} 900:0.5\n");
  ASSERT_TRUE(db_->seal_all().ok());
  open();
  EXPECT_EQ(exemplars(0, 5000), "a{instance=\"a\"} 900:0.5\n") << "from the file";
}

TEST_F(DbNotesTest, ExemplarsAreDroppedWhenNoneAreKeptAndOfOneBatchComparedWithEachOther) {
  open();
  ASSERT_TRUE(append_exemplar(labels("a"), exemplar(900, 0.5)).ok());
  EXPECT_EQ(exemplars(0, 5000), "");
  options_.max_exemplars = 10;
  db_->reconfigure(options_);
  const auto appender = db_->appender();
  EXPECT_TRUE(appender->append_exemplar({}, labels("a"), exemplar(900, 0.5)).ok());
  EXPECT_EQ(message(appender->append_exemplar({}, labels("a"), exemplar(800, 0.5))),
            "out of order exemplar");
  EXPECT_TRUE(commit_and_wait(*appender).ok());
  EXPECT_EQ(exemplars(0, 5000), "a{instance=\"a\"} 900:0.5\n");
}

TEST_F(DbNotesTest, MetadataSurvivesRestartsAndSeals) {
  open();
  const model::Metadata counter{model::MetricKind::kCounter, "Bytes sent.", "bytes"};
  ASSERT_TRUE(append(labels("a"), 1000, 1).ok());
  ASSERT_TRUE(update_metadata(labels("a"), counter).ok());
  ASSERT_TRUE(update_metadata(labels("a"), counter).ok());
  EXPECT_EQ(metadata(), "a counter bytes Bytes sent.\n");
  open();
  EXPECT_EQ(metadata(), "a counter bytes Bytes sent.\n");
  ASSERT_TRUE(db_->seal_all().ok());
  ASSERT_TRUE(update_metadata(labels("a"), {model::MetricKind::kGauge, "Now.", ""}).ok());
  open();
  EXPECT_EQ(metadata(), "a gauge  Now.\n");
  model::Metadata longer = counter;
  longer.help.assign(70'000, 'x');
  EXPECT_EQ(update_metadata(labels("a"), longer).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tocsin::tsdb
