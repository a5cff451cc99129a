// SPDX-License-Identifier: Apache-2.0
#include "exporters/common/flags.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"

namespace tocsin::exporters {
namespace {

constexpr std::size_t kManualWidth = 80;

// Appends `text` in lines of at most kManualWidth, each indented by `indent` spaces.
void append_wrapped(std::string_view text, std::size_t indent, std::string* out) {
  std::size_t column = 0;
  while (!text.empty()) {
    const std::size_t length = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, length);
    text.remove_prefix(std::min(length + 1, text.size()));
    if (column != 0 && column + 1 + word.size() > kManualWidth) {
      out->push_back('\n');
      column = 0;
    }
    if (column == 0) {
      out->append(indent, ' ');
      column = indent;
    } else {
      out->push_back(' ');
      ++column;
    }
    out->append(word);
    column += word.size();
  }
  out->push_back('\n');
}

// A boolean as Go reads it.
std::optional<bool> to_bool(std::string_view text) {
  for (const std::string_view one : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == one) return true;
  }
  for (const std::string_view one : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == one) return false;
  }
  return std::nullopt;
}

}  // namespace

Flags::Flags(std::string program, std::string about, Style style)
    : program_(std::move(program)), about_(std::move(about)), style_(style) {}

void Flags::add(std::string name, std::string help, std::string shown_default, Kind kind,
                Setter set) {
  CHECK(find(name) == nullptr);
  flags_.push_back({std::move(name),
                    std::move(help),
                    std::move(shown_default),
                    kind,
                    std::move(set),
                    false,
                    {}});
}

void Flags::text(std::string name, std::string help, std::string* value) {
  add(std::move(name), std::move(help), *value, Kind::kValue, [value](std::string_view given) {
    *value = given;
    return ok();
  });
}

void Flags::number(std::string name, std::string help, std::size_t* value) {
  add(std::move(name), std::move(help), fmt::format("{}", *value), Kind::kValue,
      [value](std::string_view given) {
        const char* end = given.data() + given.size();
        const auto [stop, error] = std::from_chars(given.data(), end, *value);
        if (error == std::errc() && stop == end) return ok();
        return invalid_argument("expected a number, got {:?}", given);
      });
}

void Flags::list(std::string name, std::string help, std::vector<std::string>* values) {
  std::string shown;
  for (const std::string& one : *values) shown.append(shown.empty() ? "" : ",").append(one);
  add(std::move(name), std::move(help), std::move(shown), Kind::kList,
      [values, first = true](std::string_view given) mutable {
        if (std::exchange(first, false)) values->clear();
        values->emplace_back(given);
        return ok();
      });
}

void Flags::custom(std::string name, std::string help, std::string shown_default, Setter set) {
  add(std::move(name), std::move(help), std::move(shown_default), Kind::kValue, std::move(set));
}

void Flags::toggle(std::string name, std::string help, bool* value) {
  add(std::move(name), std::move(help), *value ? "on" : "", Kind::kToggle,
      [value](std::string_view given) {
        *value = given == "true";
        return ok();
      });
}

void Flags::toggle(std::string name, std::string help, std::optional<bool>* value) {
  add(std::move(name), std::move(help), "", Kind::kToggle, [value](std::string_view given) {
    *value = given == "true";
    return ok();
  });
}

void Flags::unsupported_toggle(std::string name) {
  add(std::move(name), "", "", Kind::kUnsupportedToggle, [](std::string_view) { return ok(); });
}

void Flags::unsupported(std::string name) {
  add(std::move(name), "", "", Kind::kUnsupported, [](std::string_view) { return ok(); });
}

void Flags::unsupported_prefix(std::string prefix) {
  unsupported_prefixes_.push_back(std::move(prefix));
}

Flags::Flag* Flags::find(std::string_view name) {
  for (Flag& flag : flags_) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

Status Flags::unknown(std::string_view name) const {
  std::string_view positive = name;
  if (positive.starts_with("no-")) positive.remove_prefix(3);
  for (const std::string& prefix : unsupported_prefixes_) {
    if (positive.starts_with(prefix)) return unimplemented("not supported yet: --{}", name);
  }
  return invalid_argument("unknown long flag '--{}'", name);
}

void Flags::environment(std::string_view name, std::string variable) {
  Flag* flag = find(name);
  CHECK(flag != nullptr);
  flag->variable = std::move(variable);
}

Status Flags::read_environment(const std::function<const char*(const char*)>& get) {
  for (const Flag& flag : flags_) {
    const char* value = flag.variable.empty() ? nullptr : get(flag.variable.c_str());
    if (value == nullptr) continue;
    const bool is_switch = flag.kind == Kind::kToggle || flag.kind == Kind::kUnsupportedToggle;
    const std::optional<bool> on = to_bool(value);
    if (is_switch && !on) {
      return invalid_argument("{}: expected true or false, got {:?}", flag.variable, value);
    }
    const bool is_unsupported = flag.kind == Kind::kUnsupportedToggle
                                    ? *on
                                    : flag.kind == Kind::kUnsupported && *value != '\0';
    if (is_unsupported) return unimplemented("not supported yet: {}", flag.variable);
    // A copy, because the first use of a list on the command line replaces what was set here.
    const Setter set = flag.set;
    RETURN_IF_ERROR(
        annotate(set(is_switch ? (*on ? "true" : "false") : value), "{}", flag.variable));
  }
  return ok();
}

Status Flags::take_go(std::span<const std::string> arguments, std::size_t* i) {
  std::string_view name = arguments[*i];
  name.remove_prefix(name.starts_with("--") ? 2 : 1);
  std::optional<std::string_view> value;
  if (const std::size_t equals = name.find('='); equals != std::string_view::npos) {
    value = name.substr(equals + 1);
    name = name.substr(0, equals);
  }
  const Flag* flag = find(name);
  if (flag == nullptr) return invalid_argument("flag provided but not defined: -{}", name);
  if (flag->kind == Kind::kToggle || flag->kind == Kind::kUnsupportedToggle) {
    const std::optional<bool> on = to_bool(value.value_or("true"));
    if (!on) {
      return invalid_argument("invalid boolean value {:?} for -{}: parse error", *value, name);
    }
    if (*on && flag->kind == Kind::kUnsupportedToggle) {
      return unimplemented("not supported yet: -{}", name);
    }
    return flag->set(*on ? "true" : "false");
  }
  if (flag->kind == Kind::kUnsupported) return unimplemented("not supported yet: -{}", name);
  if (!value) {
    if (*i + 1 == arguments.size()) return invalid_argument("flag needs an argument: -{}", name);
    value = arguments[++*i];
  }
  return annotate(flag->set(*value), "-{}", name);
}

Status Flags::take(std::span<const std::string> arguments, std::size_t* i) {
  std::string_view name = std::string_view(arguments[*i]).substr(2);
  std::optional<std::string_view> value;
  if (const std::size_t equals = name.find('='); equals != std::string_view::npos) {
    value = name.substr(equals + 1);
    name = name.substr(0, equals);
  }
  Flag* flag = find(name);
  bool negated = false;
  if (flag == nullptr && name.starts_with("no-")) {
    flag = find(name.substr(3));
    negated = flag != nullptr;
  }
  if (flag == nullptr) return unknown(name);
  const bool is_switch = flag->kind == Kind::kToggle || flag->kind == Kind::kUnsupportedToggle;
  if (negated && !is_switch) return unknown(name);
  if (flag->kind == Kind::kUnsupported || (flag->kind == Kind::kUnsupportedToggle && !negated)) {
    return unimplemented("not supported yet: --{}", name);
  }
  if (std::exchange(flag->seen, true) && flag->kind != Kind::kList && !is_switch) {
    return invalid_argument("flag '{}' cannot be repeated", name);
  }
  if (is_switch) {
    if (value) return invalid_argument("unexpected {}", *value);
    return flag->set(negated ? "false" : "true");
  }
  if (!value) {
    if (*i + 1 == arguments.size() || arguments[*i + 1].starts_with("--")) {
      return invalid_argument("expected argument for flag '--{}'", name);
    }
    value = arguments[++*i];
  }
  return annotate(flag->set(*value), "--{}", name);
}

bool Flags::is_flag(std::string_view argument) const {
  if (argument.starts_with("--")) return argument.size() > 2;
  return style_ == Style::kGo && argument.starts_with('-') && argument.size() > 1;
}

StatusOr<Flags::Outcome> Flags::parse(std::span<const std::string> arguments) {
  std::optional<Outcome> outcome;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const bool is_go = style_ == Style::kGo;
    if (argument == "--help" || argument == "-h" || argument == "--help-long" ||
        (is_go && argument == "-help")) {
      return Outcome::kHelp;
    }
    if (argument == "--version" || (is_go && argument == "-version")) {
      outcome = Outcome::kVersion;
    } else if (is_go && is_flag(argument)) {
      RETURN_IF_ERROR(take_go(arguments, &i));
    } else if (is_flag(argument)) {
      RETURN_IF_ERROR(take(arguments, &i));
    } else if (argument.starts_with('-') && argument.size() > 1 && argument != "--") {
      return invalid_argument("unknown short flag '{}'", argument.substr(0, 2));
    } else {
      return invalid_argument("unexpected {}", argument);
    }
  }
  return outcome.value_or(Outcome::kRun);
}

std::string Flags::help() const {
  std::string out = fmt::format("usage: {} [<flags>]\n\n{}\n\nFlags:\n", program_, about_);
  const auto with_variable = [](const Flag& flag) {
    return flag.variable.empty() ? flag.help
                                 : fmt::format("{} Variable: {}.", flag.help, flag.variable);
  };
  const auto entry = [&out](std::string_view title, std::string_view text) {
    out.append("  ").append(title).append("\n");
    append_wrapped(text, 8, &out);
  };
  entry("-h, --help", "Show this text.");
  entry("--version", "Show the version.");
  for (const Flag& flag : flags_) {
    if (flag.kind == Kind::kToggle) {
      entry(fmt::format("--{}{}", style_ == Style::kGo ? "" : "[no-]", flag.name),
            with_variable(flag) + (flag.shown_default.empty() ? "" : " Default: on."));
    } else if (flag.kind == Kind::kValue || flag.kind == Kind::kList) {
      entry(fmt::format("--{}={:?}{}", flag.name, flag.shown_default,
                        flag.kind == Kind::kList ? " ..." : ""),
            with_variable(flag));
    }
  }
  return out;
}

}  // namespace tocsin::exporters
