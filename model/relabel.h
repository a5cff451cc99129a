// SPDX-License-Identifier: Apache-2.0
//
// Relabelling: all eleven actions of relabel_config.
//
// A RelabelRule is a value made by make_relabel_rule, which refuses what upstream refuses.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/labels.h"
#include "model/matcher.h"

namespace tocsin::model {

enum class RelabelAction {
  kReplace,
  kKeep,
  kDrop,
  kKeepEqual,
  kDropEqual,
  kHashMod,
  kLabelMap,
  kLabelDrop,
  kLabelKeep,
  kLowercase,
  kUppercase
};

// The keys of a relabel_config as written; absent optional keys keep upstream's defaults.
struct RelabelOptions {
  std::vector<std::string> source_labels = {};
  std::string separator = ";";
  std::string target_label = {};
  std::string regex = "(.*)";
  std::uint64_t modulus = 0;
  std::string replacement = "$1";
  std::string action = "replace";  // any case
};

struct RelabelRule {
  RelabelAction action;
  std::vector<std::string> source_labels;
  std::string separator;
  std::string target_label;
  Regex regex;
  std::uint64_t modulus;
  std::string replacement;
};

// Validates as upstream, e.g. "relabel configuration for hashmod action requires 'target_label'
// value".
StatusOr<RelabelRule> make_relabel_rule(const RelabelOptions& options);

// Applies `rules` in order; returns false when one drops the label set (its state is then
// unspecified).
[[nodiscard]] bool relabel(std::span<const RelabelRule> rules, LabelsBuilder* labels);

}  // namespace tocsin::model
