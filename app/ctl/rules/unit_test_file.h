// SPDX-License-Identifier: Apache-2.0
//
// A file of unit tests for rules: promtool's format.
//
// Values. Errors: kInvalidArgument in upstream's words.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "model/labels.h"
#include "model/timestamp.h"

namespace tocsin::app {

struct ExpectedAlert {
  model::Labels labels;  // with the alert's name
  model::Labels annotations;
};
struct AlertTest {
  base::Duration eval_time{0};
  std::string alertname;
  std::vector<ExpectedAlert> alerts;
};

struct ExpectedSample {
  std::string labels;  // a series, as written
  double value = 0;
  std::string histogram;  // not empty: instead of the value
};
struct ExprTest {
  std::string expr;
  base::Duration eval_time{0};
  std::vector<ExpectedSample> samples;
};

struct TestGroup {
  std::string name;
  base::Duration interval{0};
  std::vector<std::string> input_series;  // "<series> <values>"
  std::vector<AlertTest> alert_tests;
  std::vector<ExprTest> expr_tests;
  model::Labels external_labels;
  std::string external_url;
  base::Timestamp start = base::from_ms(0);

  // The latest time that anything is tested at.
  base::Duration last_eval_time() const;
};

struct UnitTestFile {
  std::vector<std::string> rule_files;  // that exist
  std::vector<std::string> unmatched;   // patterns of rule files without any
  base::Duration evaluation_interval{60'000};
  std::vector<std::string> group_eval_order;
  bool fuzzy_compare = false;
  std::vector<TestGroup> tests;
};

// Reads the text of `file`; patterns of rule files are relative to its directory.
StatusOr<UnitTestFile> parse_unit_test_file(std::string_view text, const std::string& file);

}  // namespace tocsin::app
