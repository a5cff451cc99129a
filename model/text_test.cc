// SPDX-License-Identifier: Apache-2.0
#include "model/text.h"

#include <gtest/gtest.h>

namespace tocsin::model {
namespace {

TEST(Text, ChangesCase) {
  EXPECT_EQ(to_upper("straße Ünï-1"), "STRAßE ÜNÏ-1");
  EXPECT_EQ(to_lower("ÄBC Def"), "äbc def");
}

TEST(Text, WritesTitles) {
  EXPECT_EQ(to_title("aa bb CC", TitleRest::kKept), "Aa Bb CC");
  EXPECT_EQ(to_title("a-b c_d o'neil élan", TitleRest::kKept), "A-B C_d O'Neil Élan");
  EXPECT_EQ(to_title("aa bb CC", TitleRest::kLowerCased), "Aa Bb Cc");
  EXPECT_EQ(to_title("a-b c_d o'neil x.y: z", TitleRest::kLowerCased), "A-B C_d O'neil X.y: Z");
}

}  // namespace
}  // namespace tocsin::model
