// SPDX-License-Identifier: Apache-2.0
//
// Compares what an evaluation gave with what a script expects. "" means equal, otherwise the
// difference.
//
// Values; pure functions.
#pragma once

#include <string>

#include "promql/engine.h"
#include "promql/script/commands.h"

namespace tocsin::promql::script {

std::string compare_value(const Evaluate& expected, const Value& value);
std::string compare_annotations(const Evaluate& expected, const Annotations& actual);
// Range results must come in the order of their labels.
std::string check_order(const Matrix& matrix);

}  // namespace tocsin::promql::script
