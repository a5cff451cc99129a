// SPDX-License-Identifier: Apache-2.0
//
// Most expressions of real rules are a few literals, or literals with anything between them: what
// can be known from their text (regex/pattern.h) answers for most values before RE2 has to run.
#include "model/matcher.h"

#include <algorithm>
#include <array>

#include <re2/re2.h>

#include "model/regex/pattern.h"
#include "model/unicode/unicode.h"

namespace tocsin::model {
namespace {

constexpr std::int64_t kMaxProgramBytes = 8 << 20;
constexpr std::size_t kMaxPrefix = 64;
constexpr std::string_view kMeta = R"(.+*?()|[]{}^$\)";

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const re2::StringPiece& text) { return {text.data(), text.size()}; }

bool is_meta(char c) { return kMeta.find(c) != std::string_view::npos; }

// Takes one literal character, escaped or not, off `rest`; false at anything else.
bool take_literal(std::string_view* rest, std::string* out) {
  if (rest->empty()) return false;
  if (rest->front() == '\\') {
    const char c = rest->size() > 1 ? (*rest)[1] : 'a';
    const bool punctuation = (c > ' ' && c < '0') || (c > '9' && c < 'A') ||
                             (c > 'Z' && c < 'a' && c != '_') || (c > 'z' && c < 0x7f);
    if (!punctuation) return false;
    out->push_back(c);
    rest->remove_prefix(2);
    return true;
  }
  if (is_meta(rest->front())) return false;
  const std::size_t size = unicode::decode(*rest).size;
  out->append(rest->substr(0, size));
  rest->remove_prefix(size);
  return true;
}

// REQUIRES: `pattern` has no "|", so what comes first is in every match unless it is repeated.
std::string leading_literal(std::string_view pattern) {
  std::string result;
  std::size_t before_last = 0;
  for (std::size_t size = 0; take_literal(&pattern, &result); size = result.size()) {
    before_last = size;
  }
  // In "a(?s)*" the repetition behind the flags is one of "a".
  const bool repeated =
      !pattern.empty() && std::string_view("*?{").find(pattern.front()) != std::string_view::npos;
  const bool flags = pattern.starts_with("(?") && !pattern.starts_with("(?:");
  if (repeated || flags) result.resize(before_last);
  return result;
}

std::string find_prefix(std::string_view pattern, const RE2& re) {
  if (pattern.find('|') == std::string_view::npos) return leading_literal(pattern);
  std::string min;
  std::string max;
  if (!re.PossibleMatchRange(&min, &max, static_cast<int>(kMaxPrefix))) return {};
  const auto end = std::mismatch(min.begin(), min.end(), max.begin(), max.end()).first;
  return {min.begin(), end};
}

// The wording of Go's regexp/syntax, which users of the API see.
std::string_view reason(RE2::ErrorCode code) {
  switch (code) {
    case RE2::ErrorBadEscape:
      return "invalid escape sequence";
    case RE2::ErrorBadCharClass:
      return "invalid character class";
    case RE2::ErrorBadCharRange:
      return "invalid character class range";
    case RE2::ErrorMissingBracket:
      return "missing closing ]";
    case RE2::ErrorMissingParen:
      return "missing closing )";
    case RE2::ErrorUnexpectedParen:
      return "unexpected )";
    case RE2::ErrorTrailingBackslash:
      return "trailing backslash at end of expression";
    case RE2::ErrorRepeatArgument:
      return "missing argument to repetition operator";
    case RE2::ErrorRepeatSize:
      return "invalid repeat count";
    case RE2::ErrorRepeatOp:
      return "invalid nested repetition operator";
    case RE2::ErrorBadPerlOp:
      return "invalid or unsupported Perl syntax";
    case RE2::ErrorBadUTF8:
      return "invalid UTF-8";
    case RE2::ErrorBadNamedCapture:
      return "invalid named capture";
    case RE2::ErrorPatternTooLarge:
      return "expression nests too deeply";
    default:
      return "internal error";
  }
}

RE2::Options options(Regex::Dot dot) {
  RE2::Options result;
  result.set_log_errors(false);
  result.set_max_mem(kMaxProgramBytes);
  result.set_dot_nl(dot == Regex::Dot::kMatchesNewline);
  return result;
}

// Groups of one match; on the stack for as many as people write.
class Groups {
 public:
  explicit Groups(const RE2& re)
      : count_(static_cast<std::size_t>(re.NumberOfCapturingGroups()) + 1) {
    if (count_ > few_.size()) many_.resize(count_);
  }
  re2::StringPiece* data() { return many_.empty() ? few_.data() : many_.data(); }
  int count() const { return static_cast<int>(count_); }
  std::string_view operator[](std::size_t i) const {
    return i >= count_ ? std::string_view() : view(many_.empty() ? few_[i] : many_[i]);
  }

 private:
  std::size_t count_;
  std::array<re2::StringPiece, 12> few_;
  std::vector<re2::StringPiece> many_;
};

// The group number that `name` spells, or nothing: Go takes at most eight digits, no leading zero.
std::optional<std::size_t> group_number(std::string_view name) {
  if (name.size() > 1 && name[0] == '0') return std::nullopt;
  std::size_t number = 0;
  for (const char c : name) {
    if (c < '0' || c > '9' || number >= 100'000'000) return std::nullopt;
    number = number * 10 + static_cast<std::size_t>(c - '0');
  }
  return number;
}

// Takes "name" or "{name}" off `rest`, which follows a "$"; "" and `rest` unchanged when malformed.
std::string_view take_group_name(std::string_view* rest) {
  std::string_view at = *rest;
  const bool brace = !at.empty() && at.front() == '{';
  if (brace) at.remove_prefix(1);
  std::size_t size = 0;
  while (size < at.size()) {
    const unicode::Rune rune = unicode::decode(at.substr(size));
    if (rune.value != '_' && !unicode::is_letter_or_digit(rune.value)) break;
    size += rune.size;
  }
  const bool closed = !brace || (size < at.size() && at[size] == '}');
  if (size == 0 || !closed) return {};
  rest->remove_prefix(size + (brace ? 2 : 0));
  return at.substr(0, size);
}

void expand_template(const RE2& re, const Groups& groups, std::string_view replacement,
                     std::string* out) {
  while (!replacement.empty()) {
    const std::size_t literal = std::min(replacement.find('$'), replacement.size());
    out->append(replacement.substr(0, literal));
    replacement.remove_prefix(literal);
    if (replacement.empty()) return;
    replacement.remove_prefix(1);
    if (!replacement.empty() && replacement.front() == '$') {
      out->push_back('$');
      replacement.remove_prefix(1);
      continue;
    }
    const std::string_view name = take_group_name(&replacement);
    if (name.empty()) {
      out->push_back('$');
    } else if (const auto number = group_number(name)) {
      out->append(groups[*number]);
    } else if (const auto it = re.NamedCapturingGroups().find(std::string(name));
               it != re.NamedCapturingGroups().end()) {
      out->append(groups[static_cast<std::size_t>(it->second)]);
    }
  }
}

}  // namespace

struct Regex::Compiled {
  Compiled(std::string_view text, Dot dot, RE2::Anchor where)
      : pattern(text), re(piece(pattern), options(dot)), anchor(where) {}

  // REQUIRES: re.ok() and anchored.
  void analyze(Dot dot) {
    shape = Pattern::analyze(pattern, dot == Dot::kMatchesNewline);
    prefix = shape.prefix().empty() ? find_prefix(pattern, re) : shape.prefix();
  }

  std::string pattern;
  RE2 re;
  RE2::Anchor anchor;
  Pattern shape;  // of an anchored expression
  std::string prefix;
};

StatusOr<Regex> Regex::anchored(std::string_view pattern, Dot dot) {
  auto compiled = std::make_shared<Compiled>(pattern, dot, RE2::ANCHOR_BOTH);
  if (!compiled->re.ok()) {
    return invalid_argument("error parsing regexp: {}: `{}`", reason(compiled->re.error_code()),
                            compiled->re.error_arg());
  }
  compiled->analyze(dot);
  return Regex(std::move(compiled));
}

StatusOr<Regex> Regex::unanchored(std::string_view pattern) {
  auto compiled = std::make_shared<Compiled>(pattern, Dot::kStopsAtNewline, RE2::UNANCHORED);
  if (!compiled->re.ok()) {
    return invalid_argument("error parsing regexp: {}: `{}`", reason(compiled->re.error_code()),
                            compiled->re.error_arg());
  }
  return Regex(std::move(compiled));
}

const std::string& Regex::pattern() const { return compiled_->pattern; }
const std::vector<std::string>& Regex::literals() const { return compiled_->shape.literals(); }
const std::string& Regex::prefix() const { return compiled_->prefix; }

bool Regex::matches(std::string_view text) const {
  const Compiled& c = *compiled_;
  if (const Pattern::Verdict verdict = c.shape.matches(text); verdict != Pattern::Verdict::kMaybe) {
    return verdict == Pattern::Verdict::kYes;
  }
  if (text.substr(0, c.prefix.size()) != c.prefix) return false;
  return c.re.Match(piece(text), 0, text.size(), c.anchor, nullptr, 0);
}

bool Regex::expand(std::string_view text, std::string_view replacement, std::string* out) const {
  const Compiled& c = *compiled_;
  Groups groups(c.re);
  if (!c.re.Match(piece(text), 0, text.size(), c.anchor, groups.data(), groups.count())) {
    return false;
  }
  expand_template(c.re, groups, replacement, out);
  return true;
}

std::string Regex::replace_all(std::string_view text, std::string_view replacement) const {
  const Compiled& c = *compiled_;
  Groups groups(c.re);
  std::string out;
  std::size_t copied = 0;
  std::size_t search = 0;
  while (search <= text.size() &&
         c.re.Match(piece(text), search, text.size(), c.anchor, groups.data(), groups.count())) {
    const auto begin = static_cast<std::size_t>(groups[0].data() - text.data());
    const std::size_t end = begin + groups[0].size();
    out.append(text.substr(copied, begin - copied));
    // An empty match right after a match is not replaced.
    if (end > copied || begin == 0) expand_template(c.re, groups, replacement, &out);
    copied = end;
    const std::size_t step = search < text.size() ? unicode::decode(text.substr(search)).size : 1;
    search = std::max(end, search + step);
  }
  out.append(text.substr(std::min(copied, text.size())));
  return out;
}

std::vector<std::string> Regex::group_names() const {
  std::vector<std::string> names(static_cast<std::size_t>(compiled_->re.NumberOfCapturingGroups()));
  for (const auto& [name, number] : compiled_->re.NamedCapturingGroups()) {
    names[static_cast<std::size_t>(number) - 1] = name;
  }
  return names;
}

bool Regex::find(std::string_view text, std::span<std::string_view> groups) const {
  const Compiled& c = *compiled_;
  Groups found(c.re);
  const int count = static_cast<int>(groups.size());
  if (!c.re.Match(piece(text), 0, text.size(), c.anchor, found.data(), count)) return false;
  for (std::size_t i = 0; i < groups.size(); ++i) groups[i] = found[i];
  return true;
}

StatusOr<Matcher> Matcher::make(Type type, std::string_view name, std::string_view value,
                                Regex::Dot dot) {
  Matcher matcher(type, name, value);
  if (type == Type::kRegex || type == Type::kNotRegex) {
    ASSIGN_OR_RETURN(matcher.regex_, Regex::anchored(value, dot));
  }
  return matcher;
}

Matcher Matcher::equal(std::string_view name, std::string_view value) {
  return Matcher(Type::kEqual, name, value);
}

bool Matcher::matches(std::string_view label_value) const {
  switch (type_) {
    case Type::kEqual:
      return label_value == value_;
    case Type::kNotEqual:
      return label_value != value_;
    case Type::kRegex:
      return regex_->matches(label_value);
    case Type::kNotRegex:
      return !regex_->matches(label_value);
  }
  return false;
}

std::string Matcher::to_string() const {
  std::string out = is_legacy_label_name(name_) ? name_ : go_quote(name_);
  out.append(operator_text(type_)).append(go_quote(value_));
  return out;
}

std::string_view operator_text(Matcher::Type type) {
  switch (type) {
    case Matcher::Type::kEqual:
      return "=";
    case Matcher::Type::kNotEqual:
      return "!=";
    case Matcher::Type::kRegex:
      return "=~";
    case Matcher::Type::kNotRegex:
      return "!~";
  }
  return "=";
}

bool matches_all(const Matchers& matchers, const Labels& labels) {
  return std::all_of(matchers.begin(), matchers.end(),
                     [&labels](const Matcher& m) { return m.matches(labels); });
}

}  // namespace tocsin::model
