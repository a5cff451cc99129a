// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/promql_flags.h"

#include <string_view>

namespace tocsin::app {

namespace {

void enable(std::string_view name, PromqlFlags* flags, std::FILE* out) {
  if (name == "promql-experimental-functions") {
    flags->parser.experimental_functions = true;
  } else if (name == "promql-extended-range-selectors") {
    flags->parser.extended_range_selectors = true;
  } else if (name == "promql-binop-fill-modifiers") {
    flags->parser.fill_modifiers = true;
  } else if (name == "promql-delayed-name-removal") {
    flags->delayed_name_removal = true;
  } else if (!name.empty() && name != "promql-duration-expr") {  // that is always on
    fmt::print(out, "  WARNING: Unknown feature passed to --enable-feature: {}", name);
  }
}

}  // namespace

PromqlFlags parse_promql_flags(const std::vector<std::string>& lists, std::FILE* out) {
  PromqlFlags flags;
  for (std::string_view rest : lists) {
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      enable(rest.substr(0, comma), &flags, out);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return flags;
}

}  // namespace tocsin::app
