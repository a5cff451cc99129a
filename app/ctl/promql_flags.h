// SPDX-License-Identifier: Apache-2.0
//
// --enable-feature of the tools: which parts of PromQL may be used.
//
// Pure, but that it warns of unknown names on `out`, as promtool does.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "promql/parser.h"

namespace tocsin::app {

struct PromqlFlags {
  promql::ParserOptions parser;
  bool delayed_name_removal = false;
  bool use_start_timestamps = false;
};

// Each of `lists` holds names with commas between them.
PromqlFlags parse_promql_flags(const std::vector<std::string>& lists, std::FILE* out);

}  // namespace tocsin::app
