// SPDX-License-Identifier: Apache-2.0
//
// HistogramPairs: binary operators at the steps where a side has a native histogram.
//
// Histograms add and subtract, compare for equality, and are scaled and trimmed by numbers; anything
// else gives no sample and a word about it.
// Borrows: everything it is made of. Confined to the evaluation's thread.
#pragma once

#include <string_view>

#include "promql/ast.h"
#include "promql/eval/annotations.h"
#include "promql/eval/column.h"

namespace tocsin::promql::eval {

inline bool is_trim(BinaryOp op) {
  return op == BinaryOp::kTrimUpper || op == BinaryOp::kTrimLower;
}

// One sample: a histogram, or a number when that is null.
struct Operand {
  double value = 0;
  HistogramPtr histogram;
};
inline Operand operand_of(const Column& column, std::size_t step) {
  return {column.values[step], column.histogram(step)};
}

class HistogramPairs {
 public:
  HistogramPairs(const Binary& binary, PositionRange where, AnnotationSet* annotations)
      : binary_(binary), where_(where), annotations_(annotations) {}

  // Whether the operator is one for histograms only.
  bool always() const { return is_trim(binary_.op); }
  // Puts `left op right`, or removes the step where it gives nothing. False where the operator is
  // not for such operands, so that they do not count as a match.
  bool put(const Operand& left, const Operand& right, std::size_t step, Column* out);

 private:
  // Null where there is nothing.
  HistogramPtr combine(const Operand& left, const Operand& right);
  HistogramPtr of_two(const Operand& left, const Operand& right);
  HistogramPtr with_number(const model::FloatHistogram& histogram, double number) const;
  HistogramPtr sum_of(const model::FloatHistogram& left, const model::FloatHistogram& right);
  bool defined_for(const Operand& left, const Operand& right) const;

  const Binary& binary_;
  const PositionRange where_;
  AnnotationSet* annotations_;
};

}  // namespace tocsin::promql::eval
