// SPDX-License-Identifier: Apache-2.0
//
// Splits a "<series> <points>" line and reads start-timestamp sequences.
//
// Values; pure functions.
// Errors: kInvalidArgument.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "model/labels.h"
#include "promql/script.h"

namespace tocsin::promql::script {

struct SplitLine {
  model::Labels labels;
  bool start_times = false;  // the series was followed by @st
  std::string_view points;
};
StatusOr<SplitLine> split_line(std::string_view text);

StatusOr<std::vector<SeriesLine::Item>> parse_points(std::string_view text);
// Offsets in milliseconds to each sample's own time; nullopt for "_".
StatusOr<std::vector<std::optional<std::int64_t>>> parse_start_offsets(std::string_view text);

}  // namespace tocsin::promql::script
