// SPDX-License-Identifier: Apache-2.0
//
// Matcher: a test of one label's value, and Regex: the one door to RE2.
//
// Prometheus' regular expressions are anchored and "." matches a newline; Alertmanager's are
// anchored and "." does not. A missing label has the value "". Values that share an immutable
// compiled expression; shared, read-only.
// Errors: parse returns kInvalidArgument with RE2's reason.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "model/labels.h"

namespace tocsin::model {

class Regex {
 public:
  enum class Dot { kMatchesNewline, kStopsAtNewline };

  // Compiles `pattern` anchored at both ends; memory for one is limited to 8 MiB.
  static StatusOr<Regex> anchored(std::string_view pattern, Dot dot = Dot::kMatchesNewline);
  // Compiles without anchors, for template functions.
  static StatusOr<Regex> unanchored(std::string_view pattern);

  const std::string& pattern() const;  // as given
  bool matches(std::string_view text) const;
  // Replaces: appends `replacement` with $1, ${1}, ${name}, $$ expanded (Go's Regexp.Expand rules:
  // $1x is the group named "1x"; unknown groups are empty) for the match of the whole `text`, or
  // the first match of an expression that is not anchored; false, nothing appended, without a match.
  bool expand(std::string_view text, std::string_view replacement, std::string* out) const;
  // Replaces every match in `text` (Go's ReplaceAllString).
  std::string replace_all(std::string_view text, std::string_view replacement) const;
  // Names of the groups, from the first on; "" for one without a name.
  std::vector<std::string> group_names() const;
  // Finds the first match (of an anchored expression: of the whole text). groups[0] becomes what
  // matched, groups[i] what group i took; views into `text`, empty where a group took no part.
  // REQUIRES: groups.size() <= group_names().size() + 1.
  bool find(std::string_view text, std::span<std::string_view> groups) const;
  // The literal alternatives when the expression is just a set of literals ("a|b|c", "a"); else
  // empty.
  const std::vector<std::string>& literals() const;
  // A literal prefix that every match has; may be "".
  const std::string& prefix() const;

 private:
  struct Compiled;
  explicit Regex(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const Compiled> compiled_;
};

class Matcher {
 public:
  enum class Type { kEqual, kNotEqual, kRegex, kNotRegex };

  // Cannot fail for kEqual and kNotEqual.
  static StatusOr<Matcher> make(Type type, std::string_view name, std::string_view value,
                                Regex::Dot dot = Regex::Dot::kMatchesNewline);
  static Matcher equal(std::string_view name, std::string_view value);

  Type type() const { return type_; }
  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }
  const Regex* regex() const { return regex_ ? &*regex_ : nullptr; }

  bool matches(std::string_view label_value) const;
  bool matches(const Labels& labels) const { return matches(labels.get(name_)); }
  bool matches_empty() const { return matches(std::string_view()); }

  // name="value" with a Go-quoted value; the name is quoted when it is not a legacy name.
  std::string to_string() const;
  friend bool operator==(const Matcher& a, const Matcher& b) {
    return a.type_ == b.type_ && a.name_ == b.name_ && a.value_ == b.value_;
  }

 private:
  Matcher(Type type, std::string_view name, std::string_view value)
      : type_(type), name_(name), value_(value) {}
  Type type_;
  std::string name_;
  std::string value_;
  std::optional<Regex> regex_;
};

using Matchers = std::vector<Matcher>;
std::string_view operator_text(Matcher::Type type);  // = != =~ !~
bool matches_all(const Matchers& matchers, const Labels& labels);

}  // namespace tocsin::model
