// SPDX-License-Identifier: Apache-2.0
//
// Duration expressions: their values and their text. Pure functions.
#pragma once

#include <string>

#include "base/status.h"
#include "promql/ast.h"

namespace tocsin::promql {

// Rounds to milliseconds; error `duration out of range`.
StatusOr<model::Duration> duration_of_seconds(double seconds);
std::string duration_text(const DurationValue& duration);

}  // namespace tocsin::promql
