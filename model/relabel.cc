// SPDX-License-Identifier: Apache-2.0
#include "model/relabel.h"

#include <optional>

#include <fmt/format.h>

#include "base/hash.h"
#include "model/unicode/unicode.h"

namespace tocsin::model {
namespace {

constexpr std::string_view kActionNames[] = {"replace",   "keep",      "drop",     "keepequal",
                                             "dropequal", "hashmod",   "labelmap", "labeldrop",
                                             "labelkeep", "lowercase", "uppercase"};

std::optional<RelabelAction> find_action(std::string_view lower) {
  for (std::size_t i = 0; i < std::size(kActionNames); ++i) {
    if (kActionNames[i] == lower) return static_cast<RelabelAction>(i);
  }
  return std::nullopt;
}

bool is_case_action(RelabelAction action) {
  return action == RelabelAction::kLowercase || action == RelabelAction::kUppercase;
}
bool is_equal_action(RelabelAction action) {
  return action == RelabelAction::kKeepEqual || action == RelabelAction::kDropEqual;
}
bool is_name_action(RelabelAction action) {
  return action == RelabelAction::kLabelDrop || action == RelabelAction::kLabelKeep;
}
bool needs_target(RelabelAction action) {
  return action == RelabelAction::kReplace || action == RelabelAction::kHashMod ||
         is_case_action(action) || is_equal_action(action);
}

// The order of the checks is upstream's: it decides which error a user sees.
Status validate(const RelabelOptions& o, RelabelAction action, std::string_view name) {
  const RelabelOptions defaults;
  for (const std::string& label : o.source_labels) {
    if (!is_label_name(label))
      return invalid_argument("{} is not a valid label name", go_quote(label));
  }
  if (action == RelabelAction::kHashMod && o.modulus == 0) {
    return invalid_argument("relabel configuration for hashmod requires non-zero modulus");
  }
  if (needs_target(action) && o.target_label.empty()) {
    return invalid_argument("relabel configuration for {} action requires 'target_label' value",
                            name);
  }
  if (needs_target(action) && !is_label_name(o.target_label)) {
    return invalid_argument("{} is invalid 'target_label' for {} action", go_quote(o.target_label),
                            name);
  }
  if ((is_case_action(action) || is_equal_action(action)) &&
      o.replacement != defaults.replacement) {
    return invalid_argument("'replacement' can not be set for {} action", name);
  }
  if (action == RelabelAction::kLabelMap && !is_label_name(o.replacement)) {
    return invalid_argument("{} is invalid 'replacement' for {} action", go_quote(o.replacement),
                            name);
  }
  if (is_equal_action(action) &&
      (o.regex != defaults.regex || o.modulus != 0 || o.separator != defaults.separator)) {
    return invalid_argument(
        "{} action requires only 'source_labels' and `target_label`, and no other fields", name);
  }
  if (is_name_action(action) &&
      (!o.source_labels.empty() || !o.target_label.empty() || o.modulus != 0 ||
       o.separator != defaults.separator || o.replacement != defaults.replacement)) {
    return invalid_argument("{} action requires only 'regex', and no other fields", name);
  }
  return ok();
}

std::string join_sources(const RelabelRule& rule, const LabelsBuilder& labels) {
  std::string joined;
  for (std::size_t i = 0; i < rule.source_labels.size(); ++i) {
    if (i > 0) joined.append(rule.separator);
    joined.append(labels.get(rule.source_labels[i]));
  }
  return joined;
}

void replace(const RelabelRule& rule, std::string_view source, LabelsBuilder* labels) {
  std::string target;
  std::string value;
  if (!rule.regex.expand(source, rule.target_label, &target) || !is_label_name(target)) return;
  rule.regex.expand(source, rule.replacement, &value);
  labels->set(target, value);
}

void hash_mod(const RelabelRule& rule, std::string_view source, LabelsBuilder* labels) {
  const auto digest = base::md5(source);
  std::uint64_t hash = 0;
  for (std::size_t i = 8; i < digest.size(); ++i) hash = (hash << 8U) | digest[i];
  labels->set(rule.target_label, fmt::format("{}", hash % rule.modulus));
}

// Maps the labels as they are before the rule, so that a mapped name is not mapped again.
void map_names(const RelabelRule& rule, LabelsBuilder* labels) {
  const auto before = labels->labels();
  for (const auto& [name, value] : before) {
    std::string target;
    if (rule.regex.expand(name, rule.replacement, &target) && !target.empty()) {
      labels->set(target, value);
    }
  }
}

void remove_names(const RelabelRule& rule, bool remove_matching, LabelsBuilder* labels) {
  const auto before = labels->labels();
  for (const auto& [name, value] : before) {
    if (rule.regex.matches(name) == remove_matching) labels->remove(name);
  }
}

bool apply(const RelabelRule& rule, LabelsBuilder* labels) {
  const std::string source = join_sources(rule, *labels);
  switch (rule.action) {
    case RelabelAction::kReplace:
      replace(rule, source, labels);
      break;
    case RelabelAction::kKeep:
      return rule.regex.matches(source);
    case RelabelAction::kDrop:
      return !rule.regex.matches(source);
    case RelabelAction::kKeepEqual:
      return labels->get(rule.target_label) == source;
    case RelabelAction::kDropEqual:
      return labels->get(rule.target_label) != source;
    case RelabelAction::kHashMod:
      hash_mod(rule, source, labels);
      break;
    case RelabelAction::kLabelMap:
      map_names(rule, labels);
      break;
    case RelabelAction::kLabelDrop:
      remove_names(rule, true, labels);
      break;
    case RelabelAction::kLabelKeep:
      remove_names(rule, false, labels);
      break;
    case RelabelAction::kLowercase:
      labels->set(rule.target_label, unicode::to_lower(source));
      break;
    case RelabelAction::kUppercase:
      labels->set(rule.target_label, unicode::to_upper(source));
      break;
  }
  return true;
}

}  // namespace

StatusOr<RelabelRule> make_relabel_rule(const RelabelOptions& options) {
  const std::string name = unicode::to_lower(options.action);
  if (name.empty()) return invalid_argument("relabel action cannot be empty");
  const auto action = find_action(name);
  if (!action) return invalid_argument("unknown relabel action {}", go_quote(options.action));
  RETURN_IF_ERROR(validate(options, *action, name));
  ASSIGN_OR_RETURN(Regex regex, Regex::anchored(options.regex));
  return RelabelRule{
      *action,          options.source_labels, options.separator,  options.target_label,
      std::move(regex), options.modulus,       options.replacement};
}

bool relabel(std::span<const RelabelRule> rules, LabelsBuilder* labels) {
  return std::all_of(rules.begin(), rules.end(),
                     [labels](const RelabelRule& rule) { return apply(rule, labels); });
}

}  // namespace tocsin::model
