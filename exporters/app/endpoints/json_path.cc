// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/endpoints/json_path.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kMaxSteps = 32;

// What stands in brackets: 'name', "name", *, a number.
struct Bracket {
  std::string name;
  std::optional<std::int64_t> index;
  bool is_all = false;
};

StatusOr<Bracket> take_bracket(std::string_view* rest) {
  Bracket out;
  const char quote = rest->empty() ? '\0' : rest->front();
  if (quote == '\'' || quote == '"') {
    const std::size_t end = rest->find(quote, 1);
    if (end == std::string_view::npos) return invalid_argument("a quote is not closed");
    out.name = rest->substr(1, end - 1);
    rest->remove_prefix(end + 1);
  } else if (quote == '*') {
    out.is_all = true;
    rest->remove_prefix(1);
  } else if (quote == '?' || quote == '(') {
    return unimplemented("not supported yet: filters");
  } else {
    std::int64_t index = 0;
    const auto [end, error] = std::from_chars(rest->data(), rest->data() + rest->size(), index);
    if (error != std::errc()) return invalid_argument("expected a position, '*' or a quoted name");
    out.index = index;
    rest->remove_prefix(static_cast<std::size_t>(end - rest->data()));
  }
  if (rest->starts_with(':') || rest->starts_with(',')) {
    return unimplemented("not supported yet: slices and unions");
  }
  if (!rest->starts_with(']')) return invalid_argument("expected ']'");
  rest->remove_prefix(1);
  return out;
}

}  // namespace

StatusOr<JsonPath> JsonPath::parse(std::string_view text) {
  if (!text.starts_with('$')) return invalid_argument("a path begins with $");
  text.remove_prefix(1);
  JsonPath out;
  while (!text.empty()) {
    if (out.steps_.size() == kMaxSteps) return invalid_argument("more than {} steps", kMaxSteps);
    Step step;
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '[') {
      ASSIGN_OR_RETURN(Bracket bracket, take_bracket(&text));
      if (bracket.index) {
        step.kind = Step::Kind::kItem;
        step.index = *bracket.index;
      } else if (!bracket.is_all) {
        step.kind = Step::Kind::kMember;
        step.name = std::move(bracket.name);
      }
    } else if (c == '.') {
      if (text.starts_with('.')) return unimplemented("not supported yet: '..'");
      const std::string_view name = text.substr(0, text.find_first_of(".["));
      if (name.empty()) return invalid_argument("a name must follow '.'");
      text.remove_prefix(name.size());
      step.kind = name == "*" ? Step::Kind::kAll : Step::Kind::kMember;
      step.name = name;
    } else {
      return invalid_argument("expected '.' or '[' and not {:?}", std::string_view(&c, 1));
    }
    if (step.kind == Step::Kind::kAll) ++out.wildcards_;
    out.steps_.push_back(std::move(step));
  }
  return out;
}

void JsonPath::visit(const base::JsonValue& document, const Visit& visit) const {
  std::vector<std::string> keys;
  walk(document, 0, &keys, visit);
}

void JsonPath::walk(const base::JsonValue& value, std::size_t step, std::vector<std::string>* keys,
                    const Visit& visit) const {
  if (step == steps_.size()) return visit(value, *keys);
  const Step& at = steps_[step];
  switch (at.kind) {
    case Step::Kind::kMember:
      if (const base::JsonValue* member = value.find(at.name)) walk(*member, step + 1, keys, visit);
      return;
    case Step::Kind::kItem: {
      const auto size = static_cast<std::int64_t>(value.items().size());
      const std::int64_t index = at.index < 0 ? size + at.index : at.index;
      if (index < 0 || index >= size) return;
      return walk(value.items()[static_cast<std::size_t>(index)], step + 1, keys, visit);
    }
    case Step::Kind::kAll:
      for (const auto& [name, member] : value.entries()) {
        keys->push_back(name);
        walk(member, step + 1, keys, visit);
        keys->pop_back();
      }
      for (std::size_t i = 0; i < value.items().size(); ++i) {
        keys->push_back(std::to_string(i));
        walk(value.items()[i], step + 1, keys, visit);
        keys->pop_back();
      }
  }
}

}  // namespace tocsin::exporters::app
