// SPDX-License-Identifier: Apache-2.0
//
// Native histograms as scripts write them: {{schema:1 sum:15 count:10 buckets:[3 2 5]}}.
//
// Values; pure functions.
// Errors: kInvalidArgument.
#pragma once

#include <string_view>

#include "base/status.h"
#include "model/histogram.h"

namespace tocsin::promql::script {

// Parses the text between {{ and }}.
StatusOr<model::FloatHistogram> parse_histogram(std::string_view body);

// a + sign * b. Errors: b has a lower resolution, other custom bounds or another zero threshold.
StatusOr<model::FloatHistogram> add(const model::FloatHistogram& a, const model::FloatHistogram& b,
                                    double sign);

// Equal as scripts compare: counts within a relative 1e-6, empty buckets ignored; the reset hint
// only when `expected` has one.
bool close_histograms(const model::FloatHistogram& expected, const model::FloatHistogram& actual);

// As a script writes it, for messages.
std::string to_text(const model::FloatHistogram& histogram);

}  // namespace tocsin::promql::script
