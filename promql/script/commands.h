// SPDX-License-Identifier: Apache-2.0
//
// A script as commands: load, clear and evaluations with what is expected of them.
//
// Values.
// Errors: kInvalidArgument "FILE:LINE: reason".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "model/matcher.h"
#include "promql/ast.h"
#include "promql/script.h"

namespace tocsin::promql::script {

struct LoadedSeries {
  SeriesLine line;
  std::vector<std::optional<std::int64_t>> start_offsets;  // empty: none
};
struct Load {
  std::int64_t step_ms = 0;
  bool with_nhcb = false;
  std::vector<LoadedSeries> series;
};
struct Clear {};

// A text that an error or annotation must be (msg) or match (regex); neither: any.
struct ExpectedText {
  std::optional<std::string> text;
  std::optional<model::Regex> regex;
  bool matches(std::string_view actual) const;
};

struct TimeRange {
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t step_ms = 0;
};

struct Evaluate {
  int line = 0;
  std::string query;
  ExprPtr expr;
  bool instant = true;
  TimeRange times;  // start_ms only for an instant evaluation
  bool fail = false;
  ExpectedText failure;
  std::vector<ExpectedText> warnings, infos;
  bool no_warnings = false, no_infos = false;
  bool ordered = false;
  std::optional<std::string> text;        // expect string
  std::optional<TimeRange> matrix_range;  // expect range vector
  std::optional<double> scalar;
  std::vector<SeriesLine> series;
};

using Command = std::variant<Load, Clear, Evaluate>;

StatusOr<std::vector<Command>> parse_script(std::string_view text, std::string_view file,
                                            const ParserOptions& options);

}  // namespace tocsin::promql::script
