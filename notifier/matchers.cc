// SPDX-License-Identifier: Apache-2.0
#include "notifier/matchers.h"

#include <optional>
#include <tuple>
#include <utility>

#include "model/labels.h"

namespace tocsin::notifier {

namespace {

using Type = model::Matcher::Type;

struct RawMatcher {
  std::string name;
  Type type = Type::kEqual;
  std::string value;
};

constexpr std::string_view kReserved = "{}!=~,\\\"'`";

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Takes = != =~ !~ off the front.
std::optional<Type> take_operator(std::string_view* text) {
  static constexpr std::pair<std::string_view, Type> kOperators[] = {
      {"=~", Type::kRegex}, {"!~", Type::kNotRegex}, {"!=", Type::kNotEqual}, {"=", Type::kEqual}};
  for (const auto& [symbol, type] : kOperators) {
    if (!text->starts_with(symbol)) continue;
    text->remove_prefix(symbol.size());
    return type;
  }
  return std::nullopt;
}

// The classic value: OpenMetrics escapes \\ \" \n; an unescaped quote inside or a lone one at an
// end is an error.
StatusOr<std::string> classic_value(std::string_view text) {
  bool open_quote = false;
  if (text.starts_with('"')) {
    open_quote = true;
    text.remove_prefix(1);
  }
  std::string value;
  bool closed = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      const char next = text[++i];
      if (next == 'n') {
        value += '\n';
      } else if (next == '"' || next == '\\') {
        value += next;
      } else {
        value += c;
        value += next;
      }
    } else if (c == '"') {
      if (!open_quote || i + 1 != text.size()) {
        return invalid_argument("matcher value contains unescaped double quote: {}", text);
      }
      closed = true;
    } else {
      value += c;
    }
  }
  if (open_quote && !closed)
    return invalid_argument("matcher value contains unescaped double quote: {}", text);
  return value;
}

StatusOr<RawMatcher> classic_one(std::string_view text) {
  const std::string_view whole = trim(text);
  text = whole;
  std::size_t end = 0;
  while (end < text.size() && kReserved.find(text[end]) == std::string_view::npos &&
         !is_space(text[end]))
    ++end;
  RawMatcher matcher;
  matcher.name = text.substr(0, end);
  text = trim(text.substr(end));
  const std::optional<Type> type = take_operator(&text);
  if (!model::is_legacy_metric_name(matcher.name) || !type)
    return invalid_argument("bad matcher format: {}", whole);
  matcher.type = *type;
  text = trim(text);
  if (!model::is_utf8(text)) return invalid_argument("matcher value not valid UTF-8: {}", text);
  ASSIGN_OR_RETURN(matcher.value, classic_value(text));
  return matcher;
}

// Splits at commas outside of quotes.
std::vector<std::string_view> split_commas(std::string_view text) {
  std::vector<std::string_view> parts;
  bool quoted = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && quoted) {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == ',' && !quoted) {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  parts.push_back(text.substr(begin));
  return parts;
}

StatusOr<std::vector<RawMatcher>> classic_list(std::string_view text) {
  text = trim(text);
  if (text.starts_with('{')) text.remove_prefix(1);
  if (text.ends_with('}')) text.remove_suffix(1);
  std::vector<RawMatcher> matchers;
  if (trim(text).empty()) return matchers;
  std::vector<std::string_view> parts = split_commas(text);
  if (parts.size() > 1 && trim(parts.back()).empty()) parts.pop_back();
  for (std::string_view part : parts) {
    ASSIGN_OR_RETURN(RawMatcher matcher, classic_one(part));
    matchers.push_back(std::move(matcher));
  }
  return matchers;
}

class Utf8Parser {
 public:
  explicit Utf8Parser(std::string_view text) : rest_(text) {}

  StatusOr<std::vector<RawMatcher>> list() {
    std::vector<RawMatcher> matchers;
    const bool braces = take('{');
    while (!at_end(braces)) {
      ASSIGN_OR_RETURN(RawMatcher matcher, one());
      matchers.push_back(std::move(matcher));
      if (!take(',') && !at_end(braces))
        return invalid_argument("expected a comma or close brace: {}", rest_);
    }
    if (braces && !take('}')) return invalid_argument("expected close brace");
    if (!braces && peek('}')) return invalid_argument("expected opening brace");
    if (!trim(rest_).empty()) return invalid_argument("expected end of input: {}", rest_);
    return matchers;
  }

  StatusOr<RawMatcher> one() {
    RawMatcher matcher;
    ASSIGN_OR_RETURN(matcher.name, word("label name"));
    skip();
    const std::optional<Type> type = take_operator(&rest_);
    if (!type)
      return invalid_argument("expected an operator such as '=', '!=', '=~' or '!~': {}", rest_);
    matcher.type = *type;
    ASSIGN_OR_RETURN(matcher.value, word("label value"));
    return matcher;
  }

  bool done() const { return trim(rest_).empty(); }

 private:
  void skip() {
    while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
  }
  bool peek(char c) {
    skip();
    return rest_.starts_with(c);
  }
  bool take(char c) {
    if (!peek(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool at_end(bool braces) {
    skip();
    return rest_.empty() || (braces && rest_.front() == '}') || (!braces && rest_.front() == '}');
  }
  StatusOr<std::string> word(std::string_view what) {
    skip();
    std::size_t end = 0;
    if (rest_.starts_with('"')) {
      for (end = 1; end < rest_.size() && rest_[end] != '"'; ++end) {
        if (rest_[end] == '\\') ++end;
      }
      if (end >= rest_.size()) return invalid_argument("missing end of quoted string: {}", rest_);
      ++end;
      StatusOr<std::string> text = model::go_unquote(rest_.substr(0, end));
      rest_.remove_prefix(end);
      return text;
    }
    while (end < rest_.size() && kReserved.find(rest_[end]) == std::string_view::npos &&
           !is_space(rest_[end]))
      ++end;
    if (end == 0) return invalid_argument("expected {}: {}", what, rest_);
    std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end);
    if (!model::is_utf8(text)) return invalid_argument("not valid UTF-8");
    return text;
  }

  std::string_view rest_;
};

StatusOr<model::Matchers> compile(const std::vector<RawMatcher>& raw) {
  model::Matchers matchers;
  for (const RawMatcher& one : raw) {
    ASSIGN_OR_RETURN(
        model::Matcher matcher,
        model::Matcher::make(one.type, one.name, one.value, model::Regex::Dot::kStopsAtNewline));
    matchers.push_back(std::move(matcher));
  }
  return matchers;
}

}  // namespace

StatusOr<model::Matcher> parse_matcher(std::string_view text) {
  const std::string_view trimmed = trim(text);
  if (trimmed.starts_with('{') || trimmed.ends_with('}')) {
    return invalid_argument("unexpected open or close brace: {}", text);
  }
  StatusOr<RawMatcher> classic = classic_one(trimmed);
  if (!classic.ok()) {
    Utf8Parser parser(trimmed);
    StatusOr<RawMatcher> utf8 = parser.one();
    if (!utf8.ok() || !parser.done()) return classic.status();
    classic = std::move(utf8);
  }
  ASSIGN_OR_RETURN(model::Matchers matchers, compile({*classic}));
  return matchers.front();
}

StatusOr<model::Matchers> parse_matchers(std::string_view text) {
  StatusOr<std::vector<RawMatcher>> classic = classic_list(text);
  if (!classic.ok()) {
    StatusOr<std::vector<RawMatcher>> utf8 = Utf8Parser(text).list();
    if (!utf8.ok()) return classic.status();
    classic = std::move(utf8);
  }
  ASSIGN_OR_RETURN(model::Matchers matchers, compile(*classic));
  sort_matchers(&matchers);
  return matchers;
}

void sort_matchers(model::Matchers* matchers) {
  std::stable_sort(matchers->begin(), matchers->end(),
                   [](const model::Matcher& a, const model::Matcher& b) {
                     return std::forward_as_tuple(a.name(), a.value(), a.type()) <
                            std::forward_as_tuple(b.name(), b.value(), b.type());
                   });
}

std::string print_matchers(const model::Matchers& matchers) {
  std::string out = "{";
  for (const model::Matcher& matcher : matchers) {
    if (out.size() > 1) out += ',';
    const bool reserved = matcher.name().find_first_of(kReserved) != std::string::npos ||
                          std::any_of(matcher.name().begin(), matcher.name().end(), is_space);
    out += reserved ? model::go_quote(matcher.name()) : matcher.name();
    out += model::operator_text(matcher.type());
    out += '"';
    for (const char c : matcher.value()) {
      if (c == '\\' || c == '"') out += '\\';
      if (c == '\n') {
        out += "\\n";
      } else {
        out += c;
      }
    }
    out += '"';
  }
  return out + "}";
}

}  // namespace tocsin::notifier
