// SPDX-License-Identifier: Apache-2.0
//
// From what an evaluation made to what the engine's caller gets. Pure functions.
//
// Errors: kFailedPrecondition with upstream's texts; kResourceExhausted above a limit.
#pragma once

#include "promql/engine.h"
#include "promql/eval/evaluation.h"

namespace tocsin::promql::run {

// The value of the root of `plan`, over the grid of `run`; matrices are in no order yet.
StatusOr<Value> evaluate_root(eval::Evaluation& run, const plan::Plan& plan);

void sort_by_labels(Matrix* matrix);

// As clients see them; positions are those in `query`.
Annotations render(const eval::AnnotationSet& set, std::string_view query);

// Memory that a value holds. Histograms that it shares with others count, too.
std::uint64_t bytes_of(const Value& value);

}  // namespace tocsin::promql::run
