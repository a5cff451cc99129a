// SPDX-License-Identifier: Apache-2.0
//
// Rule groups as a rule file says them. Values; made by app/config from rule files.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "model/labels.h"

namespace tocsin::rules {

struct RuleOptions {
  enum class Kind { kRecording, kAlerting };
  Kind kind = Kind::kRecording;
  std::string name;               // record or alert
  std::string expr;               // parsed and checked by the loader
  base::Duration hold{0};         // for
  base::Duration keep_firing{0};  // keep_firing_for
  std::vector<std::pair<std::string, std::string>>
      labels;  // templates for alerts; group labels merged in
  std::vector<std::pair<std::string, std::string>> annotations;  // templates
  friend bool operator==(const RuleOptions&, const RuleOptions&) = default;
};

struct GroupOptions {
  std::string file;
  std::string name;
  base::Duration interval{60'000};
  base::Duration query_offset{0};
  std::uint64_t limit = 0;  // results per rule; 0: none
  std::vector<RuleOptions> rules;
  friend bool operator==(const GroupOptions&, const GroupOptions&) = default;
};

struct RulesOptions {
  std::vector<GroupOptions> groups;
  model::Labels external_labels;
  std::string external_url;  // of the web server, for generatorURL and templates
};

// Settings that come from flags.
struct AlertTiming {
  base::Duration outage_tolerance{3'600'000};  // --rules.alert.for-outage-tolerance
  base::Duration grace_period{600'000};        // --rules.alert.for-grace-period
  base::Duration resend_delay{60'000};         // --rules.alert.resend-delay
};

}  // namespace tocsin::rules
