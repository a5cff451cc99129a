// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/promql_flags.h"

#include <algorithm>
#include <string_view>

#include "app/daemon/features.h"

namespace tocsin::app {

PromqlFlags parse_promql_flags(const std::vector<std::string>& lists, std::FILE* out) {
  Features features;
  for (std::string_view rest : lists) {
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      const std::string_view name = rest.substr(0, comma);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
      if (name.empty() || name == "promql-duration-expr") continue;  // that is always on
      if (enable_promql(name, &features)) continue;
      // Without an end of the line, as promtool.
      fmt::print(out, "  WARNING: Unknown feature passed to --enable-feature: {}", name);
    }
  }
  return {parser_options(features), features.delayed_name_removal, features.use_start_timestamps};
}

}  // namespace tocsin::app
