// SPDX-License-Identifier: Apache-2.0
//
// A second evaluator, as slow and as plain as the definition of the language: one step at a time,
// one series at a time, one sample at a time. Tests compare the engine with it.
//
// Values; pure functions.
// Errors: kUnimplemented for what it does not know, kFailedPrecondition for
// bad matches.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "model/labels.h"
#include "promql/ast.h"

namespace tocsin::promql::testing {

struct NaiveSeries {
  model::Labels labels;
  std::vector<std::pair<std::int64_t, double>> samples;  // ascending; staleness markers included
};

struct NaiveQuery {
  const std::vector<NaiveSeries>& data;
  std::int64_t start_ms = 0;  // of the whole query, for @ start() and end()
  std::int64_t end_ms = 0;
  std::int64_t lookback_ms = 300'000;
};

struct NaiveValue {
  bool scalar = false;
  double number = 0;
  std::map<model::Labels, double> vector;
};

// The value of `expr` at time t. Names are removed at once, not at the end of the query.
StatusOr<NaiveValue> evaluate_naively(const Expr& expr, const NaiveQuery& query, std::int64_t t);

}  // namespace tocsin::promql::testing
