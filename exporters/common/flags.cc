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

}  // namespace

Flags::Flags(std::string program, std::string about)
    : program_(std::move(program)), about_(std::move(about)) {}

void Flags::add(std::string name, std::string help, std::string shown_default, Kind kind,
                Setter set) {
  CHECK(find(name) == nullptr);
  flags_.push_back(
      {std::move(name), std::move(help), std::move(shown_default), kind, std::move(set)});
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

StatusOr<Flags::Outcome> Flags::parse(std::span<const std::string> arguments) {
  std::optional<Outcome> outcome;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--help" || argument == "-h" || argument == "--help-long") {
      return Outcome::kHelp;
    }
    if (argument == "--version") {
      outcome = Outcome::kVersion;
    } else if (argument.starts_with("--") && argument.size() > 2) {
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
  const auto entry = [&out](std::string_view title, std::string_view text) {
    out.append("  ").append(title).append("\n");
    append_wrapped(text, 8, &out);
  };
  entry("-h, --help", "Show this text.");
  entry("--version", "Show the version.");
  for (const Flag& flag : flags_) {
    if (flag.kind == Kind::kToggle) {
      entry(fmt::format("--[no-]{}", flag.name),
            flag.help + (flag.shown_default.empty() ? "" : " Default: on."));
    } else if (flag.kind == Kind::kValue || flag.kind == Kind::kList) {
      entry(fmt::format("--{}={:?}{}", flag.name, flag.shown_default,
                        flag.kind == Kind::kList ? " ..." : ""),
            flag.help);
    }
  }
  return out;
}

}  // namespace tocsin::exporters
