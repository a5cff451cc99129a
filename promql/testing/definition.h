// SPDX-License-Identifier: Apache-2.0
//
// Definition: what the naive evaluator makes of one query, and what the definition of the language
// leaves to the last bits of computed numbers.
//
// Hides: parsing, the evaluations with noise, which are made only when somebody asks.
// Owns: its outcomes. Borrows: the data of the query. Threads: confined.
// Errors: an error of the query is part of its outcome. Does not throw.
// Read next: docs/decisions/0022-differential-tests.md.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "promql/parser.h"
#include "promql/testing/naive.h"

namespace tocsin::promql::testing {

struct Point {
  double value = 0;
  HistogramPtr histogram;  // set: value is unused
};
// By series and time; the only point of a scalar has no labels.
using Points = std::map<model::Labels, std::map<std::int64_t, Point>>;

struct Outcome {
  std::optional<std::string> error;
  bool unknown = false;  // the error is that the evaluator does not know
  Points points;
  NaiveNotes notes;
};

// Null when there is none.
const Point* find(const Points& points, const model::Labels& labels, std::int64_t t);
// The points of both, for going through all places.
Points joined(const Points& a, const Points& b);
// Within 1e-9 relative; NaN agrees with NaN.
bool agree(const Point& a, const Point& b);
// Null agrees with null only.
bool agree(const Point* a, const Point* b);
// "nothing" for null.
std::string text_of(const Point* p);

class Definition {
 public:
  // `query` without noise.
  Definition(NaiveQuery query, const ParserOptions& parser)
      : query_(std::move(query)), parser_(parser) {}

  const NaiveQuery& query() const { return query_; }
  // Valid as long as this.
  const Outcome& exact();
  // Whether the definition gives `answer` (null: nothing) there, or rounding decides: with other
  // last bits the definition says something else, as far off as `answer` is.
  bool allows(const model::Labels& labels, std::int64_t t, const Point* answer);
  // Whether F holds for an outcome with other last bits.
  bool sometimes(const std::function<bool(const Outcome&)>& holds);

 private:
  // An accident of rounding may take many: two equal sums that come out as one below the other.
  static constexpr std::uint32_t kNoises = 64;

  const Outcome& with_noise(std::uint32_t noise);  // 0: none
  Outcome evaluate(std::uint32_t noise) const;

  const NaiveQuery query_;
  const ParserOptions parser_;
  std::deque<Outcome> outcomes_;  // by noise; none moves when another one comes
};

}  // namespace tocsin::promql::testing
