// SPDX-License-Identifier: Apache-2.0
//
// A second evaluator, as slow and as plain as the definition of the language: one step at a time,
// one series at a time, one sample at a time. Tests compare the engine with it.
//
// It shares the parser and the histogram's layout with the engine, nothing else. Values; pure
// functions.
// Errors: kUnimplemented for what it does not know, kFailedPrecondition for what the language
// refuses when it evaluates.
// Read next: docs/decisions/0022-differential-tests.md.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "promql/ast.h"

namespace tocsin::promql::testing {

using HistogramPtr = std::shared_ptr<const model::FloatHistogram>;

struct NaiveSample {
  std::int64_t t = 0;
  double value = 0;
  HistogramPtr histogram;     // set: value is unused
  std::int64_t start_ms = 0;  // 0: unknown
  bool is_stale() const;
};

struct NaiveSeries {
  model::Labels labels;
  std::vector<NaiveSample> samples;  // ascending; staleness markers included
};

// Notes that an evaluation makes, as "PromQL warning: ... (LINE:COLUMN)".
using NaiveNotes = std::set<std::string>;

struct NaiveQuery {
  const std::vector<NaiveSeries>& data;
  std::string text;           // of the expression, for positions
  std::int64_t start_ms = 0;  // of the whole query
  std::int64_t end_ms = 0;
  std::int64_t step_ms = 0;  // 0: an instant query
  std::int64_t lookback_ms = 300'000;
  std::int64_t subquery_step_ms = 60'000;
  bool delayed_names = false;
  bool start_timestamps = false;
  // As Prometheus 2.42 did, feature by feature in docs/decisions/0022-differential-tests.md.
  bool before_3 = false;
  // Not 0: the last bits of each computed number are random, and so is the order of equal values.
  // A result that differs then does not depend on the definition alone.
  std::uint32_t noise = 0;
};

struct NaiveElement {
  model::Labels labels;
  NaiveSample sample;
  bool drop_name = false;  // at the end of the query, with delayed names
};

struct NaiveValue {
  ValueType type = ValueType::kVector;
  double number = 0;
  std::string text;
  std::vector<NaiveElement> vector;
};

// Whether the name of a series is removed in the end, by its labels: the first step says it for all.
using NaiveNames = std::map<model::Labels, bool>;

// The value of `expr`, whose durations are resolved, at time t. `names` is the same for the steps of
// one query, in their order; `notes` may be null.
StatusOr<NaiveValue> evaluate_naively(const Expr& expr, const NaiveQuery& query, std::int64_t t,
                                      NaiveNames* names, NaiveNotes* notes);

}  // namespace tocsin::promql::testing
