// SPDX-License-Identifier: Apache-2.0
//
// Flags: a command line as the Go exporters read it: --flag=value, --flag value, --switch,
// --no-switch, --help, --version; and environment variables that stand for flags.
//
// Style::kKingpin is that of the exporters of the Prometheus project, Style::kGo that of Go's own
// package: one dash is as good as two, --switch=false instead of --no-switch, the last use counts.
//
// A value; built and used by main before other threads start. Flags of upstream that are not built
// yet are known by name, so that they fail as "not supported yet: --flag" and not as a typing
// error.
// Errors: kInvalidArgument in upstream's words ("unknown long flag '--x'", "flag provided but not
// defined: -x"), kUnimplemented.
// The targets may then be partly set.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tocsin::exporters {

class Flags {
 public:
  enum class Outcome { kRun, kHelp, kVersion };
  enum class Style { kKingpin, kGo };
  using Setter = std::function<Status(std::string_view)>;

  Flags(std::string program, std::string about, Style style = Style::kKingpin);

  // The pointers must stay valid until parse() ends; what they point to holds the default.
  void text(std::string name, std::string help, std::string* value);
  void number(std::string name, std::string help, std::size_t* value);
  // Repeatable: the first use replaces the default.
  void list(std::string name, std::string help, std::vector<std::string>* values);
  // The text is checked and kept by `set`; `shown_default` is for the manual, "" for none.
  void custom(std::string name, std::string help, std::string shown_default, Setter set);
  void toggle(std::string name, std::string help, bool* value);
  // Stays empty unless given.
  void toggle(std::string name, std::string help, std::optional<bool>* value);
  // --name fails, --no-name is accepted: it is off.
  void unsupported_toggle(std::string name);
  void unsupported(std::string name);
  // Every other flag that starts with `prefix` is known and not built yet.
  void unsupported_prefix(std::string prefix);

  // The flag takes its value from this variable of the environment unless it is on the command line.
  // REQUIRES: `name` is a flag.
  void environment(std::string_view name, std::string variable);
  // Sets the flags whose variables `get` knows (as getenv()). REQUIRES: before parse().
  Status read_environment(const std::function<const char*(const char*)>& get);

  // REQUIRES: once. `arguments` is without the name of the program.
  StatusOr<Outcome> parse(std::span<const std::string> arguments);
  // The manual, as --help prints it.
  std::string help() const;

 private:
  enum class Kind { kValue, kList, kToggle, kUnsupported, kUnsupportedToggle };
  struct Flag {
    std::string name;
    std::string help;
    std::string shown_default;
    Kind kind;
    Setter set;
    bool seen = false;
    std::string variable;  // "" for none
  };

  void add(std::string name, std::string help, std::string shown_default, Kind kind, Setter set);
  Flag* find(std::string_view name);
  Status unknown(std::string_view name) const;
  bool is_flag(std::string_view argument) const;
  // Handles arguments[*i], and the value after it.
  Status take(std::span<const std::string> arguments, std::size_t* i);
  Status take_go(std::span<const std::string> arguments, std::size_t* i);

  const std::string program_;
  const std::string about_;
  const Style style_;
  std::vector<Flag> flags_;
  std::vector<std::string> unsupported_prefixes_;
};

}  // namespace tocsin::exporters
