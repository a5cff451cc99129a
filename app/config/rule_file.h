// SPDX-License-Identifier: Apache-2.0
//
// Reads one rule file. Pure.
// Errors: kInvalidArgument with file, line, column and key; upstream's
// reasons.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "promql/parser.h"
#include "rules/options.h"

namespace tocsin::app {

struct RuleFileDefaults {
  base::Duration interval{60'000};
  base::Duration query_offset{0};
  promql::ParserOptions parser = {};  // of the expressions
};

// `file` is the group's file name and used in errors. Expressions are parsed, so that a bad one is
// found here.
StatusOr<std::vector<rules::GroupOptions>> parse_rule_file(std::string_view text,
                                                           const std::string& file,
                                                           const RuleFileDefaults& defaults);

}  // namespace tocsin::app
