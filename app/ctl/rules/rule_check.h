// SPDX-License-Identifier: Apache-2.0
//
// Checks rule files as upstream's tools do: every mistake of a file, in upstream's words and order,
// where the server stops at the first.
//
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/config/rule_file.h"
#include "app/ctl/rules/go_yaml.h"

namespace tocsin::app {

struct RuleCheckOptions {
  UnknownFields unknown = UnknownFields::kRefuse;
  RuleFileDefaults defaults;
};

struct CheckedRules {
  std::vector<std::string> errors;          // each begins with the file, unless that is ""
  std::vector<rules::GroupOptions> groups;  // without errors only; labels of groups merged in
};

CheckedRules check_rule_text(std::string_view text, const std::string& file,
                             const RuleCheckOptions& options);

// The rules that occur more than once with the same labels, as upstream's lint reports them; ""
// without any.
std::string lint_duplicates(const std::vector<rules::GroupOptions>& groups);

}  // namespace tocsin::app
