// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "app/ctl/tsdb/tools.h"
#include "storage/testing/mem_store.h"

namespace tocsin::app {
namespace {

std::size_t stored(const storage::testing::MemStore& store) {
  storage::SelectHints hints;
  hints.mint = base::from_ms(0);
  hints.maxt = base::from_ms(INT64_MAX / 8);
  const auto selection = store.select({}, hints, {});
  std::size_t samples = 0;
  for (std::size_t b = 0; b < (*selection)->batch_count(); ++b) {
    storage::ColumnBatch batch;
    EXPECT_TRUE((*selection)->read(b, &batch).ok());
    for (const storage::SeriesColumn& column : batch.series) {
      for (std::uint32_t row = 0; row < column.rows; ++row) samples += column.has(row) ? 1 : 0;
    }
  }
  return samples;
}

TEST(Import, CountsWhatIsTakenAndWhatIsRefused) {
  storage::testing::MemStore store;
  Imported imported;
  const Status status = import_page("a 1 2\na 2 1\na 1 2\na 3 2\nb 1 1\n# EOF\n", store, &imported);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(imported.accepted, 3U) << "one of them is a repetition";
  EXPECT_EQ(imported.refused, 2U);
  EXPECT_EQ(message(imported.first_refusal), "{__name__=\"a\"}: out of order sample");
  EXPECT_EQ(stored(store), 2U);
}

TEST(Import, BatchesBeforeAnErrorAreIn) {
  storage::testing::MemStore store;
  std::string page;
  for (int i = 1; i <= 12'000; ++i) page += fmt::format("m {} {}\n", i, i);
  Imported imported;
  const Status status = import_page(page + "m x\n# EOF\n", store, &imported);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(stored(store), 10'000U) << "two whole batches";
  EXPECT_TRUE(import_page(page + "# EOF\n", store, &imported).ok());
  EXPECT_EQ(stored(store), 12'000U);
}

TEST(Import, EverySampleNeedsATime) {
  storage::testing::MemStore store;
  Imported imported;
  const Status status = import_page("a 1 1\na 2\n# EOF\n", store, &imported);
  EXPECT_EQ(message(status), "expected timestamp for series {__name__=\"a\"}, got none");
  EXPECT_EQ(stored(store), 0U);
}

}  // namespace
}  // namespace tocsin::app
