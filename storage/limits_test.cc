// SPDX-License-Identifier: Apache-2.0
#include "storage/limits.h"

#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"

namespace tocsin::storage {
namespace {

TEST(MemoryAccount, ChargesParentAndRefusesAboveEitherLimit) {
  MemoryAccount all(100);
  {
    MemoryAccount query(60, &all);
    EXPECT_TRUE(query.charge(50).ok());
    EXPECT_EQ(query.charge(11).code(), StatusCode::kResourceExhausted);
    EXPECT_EQ(query.used(), 50U);
    EXPECT_EQ(all.used(), 50U);

    MemoryAccount other(0, &all);
    EXPECT_EQ(other.charge(51).code(), StatusCode::kResourceExhausted);
    EXPECT_EQ(other.used(), 0U) << "a charge that the parent refuses leaves nothing behind";
    query.release(20);
    EXPECT_TRUE(other.charge(51).ok());
    EXPECT_EQ(query.peak(), 50U);
  }
  EXPECT_EQ(all.used(), 0U) << "accounts give back what they held";
}

TEST(CancelToken, ReportsCancelAndDeadlineWithUpstreamTexts) {
  base::testing::FakeClock clock;
  CancelToken token(&clock, clock.steady_now() + std::chrono::seconds(2));
  EXPECT_TRUE(token.check().ok());
  clock.advance(std::chrono::seconds(2));
  EXPECT_EQ(message(token.check()), "query timed out in expression evaluation");
  token.cancel();
  EXPECT_EQ(message(token.check()), "query was canceled in expression evaluation");
}

}  // namespace
}  // namespace tocsin::storage
