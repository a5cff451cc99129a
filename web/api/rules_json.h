// SPDX-License-Identifier: Apache-2.0
//
// JSON of /api/v1/rules and /api/v1/alerts. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "model/matcher.h"
#include "net/http.h"
#include "rules/evaluator.h"

namespace tocsin::web {

// The parameters of /rules.
struct RuleFilter {
  bool alerting = true, recording = true;
  std::set<std::string, std::less<>> names, groups, files;  // empty: all
  std::vector<model::Matchers> matchers;
  bool exclude_alerts = false;
  std::size_t group_limit = 0;
  std::string next_token;

  static StatusOr<RuleFilter> parse(const net::QueryParams& params);
};

// kInvalidArgument when the token names no group.
Status write_rules(const std::vector<rules::GroupStatus>& groups, const RuleFilter& filter,
                   base::JsonWriter& json);
void write_alerts(const std::vector<rules::GroupStatus>& groups, base::JsonWriter& json);

}  // namespace tocsin::web
