// SPDX-License-Identifier: Apache-2.0
#include "tsdb/db.h"

#include <gtest/gtest.h>

#include "tsdb/testing/db_fixture.h"

namespace tocsin::tsdb {
namespace {

using base::from_ms;
using model::Labels;
using storage::SeriesRef;
using testing::DbTest;

TEST_F(DbTest, AnswersFromHeadThenJournalThenRuns) {
  open();
  ASSERT_TRUE(append(labels("up"), 1000, 1).ok());
  ASSERT_TRUE(append(labels("up"), 2000, 0.5).ok());
  const std::string expected = "up{instance=\"a\"} 1000:1 2000:0.5\n";
  EXPECT_EQ(query(), expected);
  open();
  EXPECT_EQ(query(), expected) << "replayed";
  ASSERT_TRUE(db_->seal_all().ok());
  EXPECT_EQ(query(), expected) << "from a run";
  open();
  EXPECT_EQ(query(), expected) << "from a run after a restart";
  ASSERT_TRUE(append(labels("up"), 3000, 2).ok());
  EXPECT_EQ(query(), "up{instance=\"a\"} 1000:1 2000:0.5 3000:2\n") << "run and head";
  EXPECT_EQ(query(2000, 2500), "up{instance=\"a\"} 2000:0.5\n");
}

}  // namespace
}  // namespace tocsin::tsdb
