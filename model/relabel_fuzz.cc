// SPDX-License-Identifier: Apache-2.0
//
// Regular expressions and relabelling: shortcuts agree with the expression, and no rule makes labels
// that are out of order. Input: pattern, text, replacement and action, separated by newlines.
#include "model/relabel.h"

#include "base/check.h"
#include "base/testing/fuzz.h"
#include "model/matcher.h"

namespace tocsin::model {
namespace {

std::string_view take_line(std::string_view* bytes) {
  const std::string_view line = bytes->substr(0, bytes->find('\n'));
  bytes->remove_prefix(std::min(line.size() + 1, bytes->size()));
  return line;
}

void check_regex(std::string_view pattern, std::string_view text, std::string_view replacement) {
  const StatusOr<Regex> regex = Regex::anchored(pattern);
  if (!regex.ok()) return;
  const bool matches = regex->matches(text);
  if (matches) CHECK(text.starts_with(regex->prefix()));
  if (!regex->literals().empty()) {
    const auto& literals = regex->literals();
    CHECK((std::find(literals.begin(), literals.end(), text) != literals.end()) == matches);
    for (const std::string& literal : literals) CHECK(regex->matches(literal));
  }
  std::string out;
  CHECK(regex->expand(text, replacement, &out) == matches);
  const StatusOr<Regex> free = Regex::unanchored(pattern);
  if (free.ok()) static_cast<void>(free->replace_all(text, replacement));
}

void fuzz(std::string_view bytes) {
  const std::string_view pattern = take_line(&bytes);
  const std::string_view text = take_line(&bytes);
  const std::string_view replacement = take_line(&bytes);
  // RE2 bounds its memory, its time grows with the pattern. Labels are UTF-8.
  if (pattern.size() > 200 || !is_utf8(text)) return;
  check_regex(pattern, text, replacement);
  RelabelOptions options;
  options.regex = pattern;
  options.replacement = replacement;
  options.action = take_line(&bytes);
  options.source_labels = {"a", "b"};
  options.target_label = take_line(&bytes);
  options.modulus = bytes.size();
  const StatusOr<RelabelRule> rule = make_relabel_rule(options);
  if (!rule.ok()) return;
  LabelsBuilder labels(Labels::of({{"a", text}, {"b", "2"}, {"c", pattern}}));
  if (!relabel({&*rule, 1}, &labels)) return;
  const Labels built = labels.build();
  std::string_view last;
  for (const LabelView& label : built) {
    CHECK(last < label.name || last.empty());
    CHECK(!label.value.empty());
    last = label.name;
  }
}

}  // namespace

TOCSIN_FUZZ_TARGET(relabel, fuzz)

}  // namespace tocsin::model
