// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/histogram_pairs.h"

#include <memory>
#include <utility>

#include "promql/native/statistics.h"
#include "promql/native/sum.h"

namespace tocsin::promql::eval {

using model::FloatHistogram;

namespace {

std::string_view type_of(const Operand& operand) {
  return operand.histogram == nullptr ? "float" : "histogram";
}

HistogramPtr share(FloatHistogram histogram) {
  return std::make_shared<const FloatHistogram>(std::move(histogram));
}

}  // namespace

bool HistogramPairs::defined_for(const Operand& left, const Operand& right) const {
  const BinaryOp op = binary_.op;
  if (left.histogram != nullptr && right.histogram != nullptr) {
    return op == BinaryOp::kAdd || op == BinaryOp::kSub || op == BinaryOp::kEq ||
           op == BinaryOp::kNe;
  }
  if (op == BinaryOp::kMul) return left.histogram != nullptr || right.histogram != nullptr;
  return (op == BinaryOp::kDiv || is_trim(op)) && left.histogram != nullptr;
}

HistogramPtr HistogramPairs::with_number(const FloatHistogram& histogram, double number) const {
  switch (binary_.op) {
    case BinaryOp::kMul:
      return share(native::multiplied(histogram, number));
    case BinaryOp::kDiv:
      return share(native::divided(histogram, number));
    case BinaryOp::kTrimUpper:
      return share(native::trim(histogram, number, native::Keep::kBelow));
    default:
      return share(native::trim(histogram, number, native::Keep::kAbove));
  }
}

HistogramPtr HistogramPairs::sum_of(const FloatHistogram& left, const FloatHistogram& right) {
  const bool subtract = binary_.op == BinaryOp::kSub;
  const std::string_view what = subtract ? "subtraction" : "addition";
  native::HistogramSum sum(left);
  if (!sum.add(right, subtract ? -1 : 1)) {
    annotate::incompatible_buckets(op_text(binary_.op), where_, annotations_);
    return nullptr;
  }
  if (sum.resets_conflict()) annotate::resets_conflict(what, where_, annotations_);
  if (sum.reconciled()) annotate::reconciled(what, where_, annotations_);
  FloatHistogram result = sum.value();
  if (subtract) result.reset_hint = model::CounterResetHint::kGauge;
  return share(std::move(result));
}

HistogramPtr HistogramPairs::of_two(const Operand& left, const Operand& right) {
  if (!is_comparison(binary_.op)) return sum_of(*left.histogram, *right.histogram);
  const bool same = model::same_histogram(*left.histogram, *right.histogram);
  return same == (binary_.op == BinaryOp::kEq) ? left.histogram : nullptr;
}

HistogramPtr HistogramPairs::combine(const Operand& left, const Operand& right) {
  if (left.histogram != nullptr && right.histogram != nullptr) return of_two(left, right);
  return left.histogram != nullptr ? with_number(*left.histogram, right.value)
                                   : with_number(*right.histogram, left.value);
}

bool HistogramPairs::put(const Operand& left, const Operand& right, std::size_t step, Column* out) {
  if (!defined_for(left, right)) {
    annotate::incompatible_types(type_of(left), op_text(binary_.op), type_of(right), where_,
                                 annotations_);
    out->present.clear(step);
    return false;
  }
  HistogramPtr result = combine(left, right);
  if (binary_.return_bool) {
    out->put_float(step, result != nullptr ? 1 : 0);
  } else if (result != nullptr) {
    out->put(step, std::move(result));
  } else {
    out->present.clear(step);
    return is_comparison(binary_.op);
  }
  return true;
}

}  // namespace tocsin::promql::eval
