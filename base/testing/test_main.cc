// SPDX-License-Identifier: Apache-2.0
//
// main() of every test binary: runs the tests and fails when one logs an unexpected ERROR line.
#include <gtest/gtest.h>

#include "base/log.h"

namespace {

class NoErrorLines final : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo&) override {
    before_ = tocsin::base::log::error_lines();
  }
  void OnTestEnd(const ::testing::TestInfo&) override {
    // A test that expects ERROR lines calls RecordProperty("expects_error_lines", 1).
    const ::testing::TestInfo* info = ::testing::UnitTest::GetInstance()->current_test_info();
    if (info == nullptr || info->result() == nullptr) return;
    for (int i = 0; i < info->result()->test_property_count(); ++i) {
      if (std::string_view(info->result()->GetTestProperty(i).key()) == "expects_error_lines")
        return;
    }
    EXPECT_EQ(tocsin::base::log::error_lines(), before_) << "the test logged an unexpected ERROR";
  }
  std::uint64_t before_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  ::testing::UnitTest::GetInstance()->listeners().Append(new NoErrorLines);
  return RUN_ALL_TESTS();
}
