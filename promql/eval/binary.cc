// SPDX-License-Identifier: Apache-2.0
//
// Binary operators. Between vectors each pair of matching series makes one column; that a match is
// unique at every step is checked on bitmaps.
#include <unordered_map>
#include <utility>

#include "promql/eval/evaluation.h"
#include "promql/eval/histogram_pairs.h"
#include "promql/eval/matching.h"
#include "promql/eval/operators.h"

namespace tocsin::promql::eval {

namespace {

enum class ScalarSide { kLeft, kRight };

// Replaces `steps` of a column by `sample op scalar`.
void pairs_with_scalar(HistogramPairs& pairs, const std::vector<double>& scalar, ScalarSide side,
                       const Bitmap& steps, Column* column) {
  steps.for_each([&](std::size_t i) {
    const Operand sample = operand_of(*column, i);
    const Operand number{scalar[i], nullptr};
    if (side == ScalarSide::kLeft) {
      pairs.put(number, sample, i, column);
    } else {
      pairs.put(sample, number, i, column);
    }
  });
}

// The same where neither is a histogram.
void floats_with_scalar(const Binary& binary, const std::vector<double>& scalar, ScalarSide side,
                        Column* column) {
  Bitmap kept = column->present;
  column->present.for_each([&](std::size_t i) {
    const double v = column->values[i];
    const Outcome outcome = side == ScalarSide::kLeft ? combine(binary, scalar[i], v, v)
                                                      : combine(binary, v, scalar[i], v);
    column->values[i] = outcome.value;
    if (!outcome.keep) kept.clear(i);
  });
  column->present = std::move(kept);
}

// What an operator needs besides its operands.
struct Operation {
  const Evaluation& run;
  const Binary& binary;
  HistogramPairs pairs;

  // Comparison and trimming choose from a series; the rest makes a new one.
  bool makes_new() const { return !is_comparison(binary.op) && !is_trim(binary.op); }
};

StatusOr<VectorSet> with_scalar(Operation operation, VectorSet set,
                                const std::vector<double>& scalar, ScalarSide side) {
  const bool drops_name = operation.makes_new() || operation.binary.return_bool;
  for (OutSeries& series : set) {
    Column& column = series.column;
    if (operation.pairs.always()) {
      pairs_with_scalar(operation.pairs, scalar, side, Bitmap(column.present), &column);
    } else if (column.has_histograms()) {
      Column histograms = column;
      histograms.present = column.histogram_steps();
      pairs_with_scalar(operation.pairs, scalar, side, column.histogram_steps(), &histograms);
      column.drop_histograms();
      floats_with_scalar(operation.binary, scalar, side, &column);
      histograms.present.for_each([&](std::size_t i) { column.take(i, histograms); });
    } else {
      floats_with_scalar(operation.binary, scalar, side, &column);
    }
    if (drops_name) operation.run.drop_name(&series);
  }
  if (drops_name) RETURN_IF_ERROR(operation.run.merge_names(&set));
  return set;
}

// and, or, unless.
StatusOr<VectorSet> set_operation(const Binary& binary, VectorSet left, VectorSet right,
                                  std::size_t steps) {
  const LabelMatching matching(*binary.matching);
  const Signatures signatures = matching.signatures(left, right);
  if (binary.op == BinaryOp::kOr) {
    for (std::size_t r = 0; r < right.size(); ++r) {
      const auto& same = signatures.of_left[signatures.right[r]];
      right[r].column.present.subtract(present_in(left, same, steps));
    }
    std::move(right.begin(), right.end(), std::back_inserter(left));
    remove_empty(&left);
    RETURN_IF_ERROR(merge_same_labels(&left));
    return left;
  }
  for (std::size_t l = 0; l < left.size(); ++l) {
    const Bitmap matched = present_in(right, signatures.of_right[signatures.left[l]], steps);
    if (binary.op == BinaryOp::kAnd) {
      left[l].column.present &= matched;
    } else {
      left[l].column.present.subtract(matched);
    }
  }
  return left;
}

// One evaluation of an operator between vectors. `many` is the left side unless group_right swapped
// them, so that `one` may match several of it.
class VectorOperation {
 public:
  // `unfilled`: how many series of the one side are not fill values.
  VectorOperation(const Operation& operation, const VectorSet& left, const VectorSet& right,
                  std::size_t steps, std::size_t unfilled)
      : operation_(operation),
        unfilled_(unfilled),
        binary_(operation.binary),
        matching_(*binary_.matching),
        swapped_(binary_.matching->cardinality == Cardinality::kOneToMany),
        many_(swapped_ ? right : left),
        one_(swapped_ ? left : right),
        steps_(steps),
        signatures_(matching_.signatures(many_, one_)) {}

  StatusOr<VectorSet> all() {
    RETURN_IF_ERROR(check_one_side());
    taken_.resize(signatures_.of_left.size());
    refused_.resize(signatures_.of_left.size());
    for (std::size_t m = 0; m < many_.size(); ++m) {
      for (std::size_t o : signatures_.of_right[signatures_.left[m]]) {
        RETURN_IF_ERROR(add_pair(signatures_.left[m], many_[m], one_[o]));
      }
    }
    if (binary_.matching->fill_left) {
      for (std::size_t o = 0; o < unfilled_; ++o) RETURN_IF_ERROR(fill_refused(o));
    }
    RETURN_IF_ERROR(merge_same_labels(&out_));
    return std::move(out_);
  }

 private:
  // A sample whose only partners the operator does not take has no partner, so it gets one.
  Status fill_refused(std::size_t o) {
    const std::uint32_t signature = signatures_.right[o];
    Bitmap steps = refused_[signature];
    if (!steps.any()) return ok();
    steps &= one_[o].column.present;
    for (const auto& [labels, taken] : taken_[signature]) steps.subtract(taken);
    if (!steps.any()) return ok();
    OutSeries partner;
    partner.labels = matching_.compared(one_[o].labels);
    partner.column = Column(steps_);
    steps.for_each([&](std::size_t i) { partner.column.put(i, *binary_.matching->fill_left); });
    return add_pair(signature, partner, one_[o]);
  }

  // At each step where both sides have samples, a signature may occur once on the one side.
  Status check_one_side() const {
    // A fill value makes up for a side without any.
    const bool filled = binary_.matching->fill_left || binary_.matching->fill_right;
    Bitmap many_any(steps_, filled);
    for (const OutSeries& series : many_) many_any |= series.column.present;
    for (const std::vector<std::size_t>& members : signatures_.of_right) {
      Bitmap seen(steps_);
      for (std::size_t k = 0; k < members.size(); ++k) {
        Bitmap present = one_[members[k]].column.present;
        present &= many_any;
        if (k > 0 && seen.intersects(present)) {
          present &= seen;
          return duplicate(members, k, present.first());
        }
        seen |= present;
      }
    }
    return ok();
  }

  Status duplicate(const std::vector<std::size_t>& members, std::size_t k, std::size_t step) const {
    std::size_t earlier = 0;
    while (!one_[members[earlier]].column.present.test(step)) ++earlier;
    const model::Labels& labels = one_[members[k]].labels;
    // In the order of their text, so that the message does not depend on the order of storage.
    std::string first = labels.to_string();
    std::string second = one_[members[earlier]].labels.to_string();
    if (second < first) std::swap(first, second);
    return failed_precondition(
        "found duplicate series for the match group {} on the {} hand-side of the operation: "
        "[{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
        matching_.compared(labels).to_string(), swapped_ ? "left" : "right", first, second);
  }

  Status add_pair(std::uint32_t signature, const OutSeries& many, const OutSeries& one) {
    Bitmap both = many.column.present;
    both &= one.column.present;
    if (!both.any()) return ok();
    const bool arithmetic = operation_.makes_new();
    OutSeries series;
    series.labels = matching_.result(many.labels, one.labels, arithmetic);
    series.column = Column(steps_);
    const Column& left = swapped_ ? one.column : many.column;
    const Column& right = swapped_ ? many.column : one.column;
    const Bitmap refused = compute(left, right, both, &series.column);
    if (refused.any()) {
      both.subtract(refused);
      if (!refused_[signature].any()) refused_[signature] = Bitmap(steps_);
      refused_[signature] |= refused;
      if (!both.any()) return ok();
    }
    RETURN_IF_ERROR(take(signature, series.labels, both));
    if (binary_.return_bool) operation_.run.drop_name(&series);
    if (series.column.present.any()) out_.push_back(std::move(series));
    return ok();
  }

  // The steps at which the operands do not fit the operator.
  Bitmap compute(const Column& left, const Column& right, const Bitmap& steps, Column* out) {
    Bitmap refused(steps_);
    const bool floats =
        !left.has_histograms() && !right.has_histograms() && !operation_.pairs.always();
    steps.for_each([&](std::size_t i) {
      if (!floats) {
        const bool pair = left.histogram(i) != nullptr || right.histogram(i) != nullptr ||
                          operation_.pairs.always();
        if (pair) {
          if (!operation_.pairs.put(operand_of(left, i), operand_of(right, i), i, out)) {
            refused.set(i);
          }
          return;
        }
      }
      const Outcome outcome = combine(binary_, left.values[i], right.values[i], left.values[i]);
      if (outcome.keep) out->put(i, outcome.value);
    });
    return refused;
  }

  // Counts filtered-out pairs too: whether a query is in error must not depend on values.
  Status take(std::uint32_t signature, const model::Labels& labels, const Bitmap& steps) {
    const bool one_to_one = binary_.matching->cardinality == Cardinality::kOneToOne;
    auto [it, inserted] =
        taken_[signature].try_emplace(one_to_one ? model::Labels() : labels, steps);
    if (inserted) return ok();
    if (it->second.intersects(steps)) {
      return one_to_one ? failed_precondition(
                              "multiple matches for labels: many-to-one matching must be "
                              "explicit (group_left/group_right)")
                        : failed_precondition(
                              "multiple matches for labels: grouping labels must ensure "
                              "unique matches");
    }
    it->second |= steps;
    return ok();
  }

  Operation operation_;
  const std::size_t unfilled_;
  const Binary& binary_;
  const LabelMatching matching_;
  const bool swapped_;
  const VectorSet& many_;
  const VectorSet& one_;
  const std::size_t steps_;
  const Signatures signatures_;
  // Per signature: the steps at which a result with these labels exists.
  std::vector<std::unordered_map<model::Labels, Bitmap, model::LabelsHash>> taken_;
  std::vector<Bitmap> refused_;  // per signature: where a pair did not fit the operator
  VectorSet out_;
};

std::vector<double> scalars(const Binary& binary, std::vector<double> left,
                            const std::vector<double>& right) {
  for (std::size_t i = 0; i < left.size(); ++i) {
    left[i] = is_comparison(binary.op) ? (compare(binary.op, left[i], right[i]) ? 1.0 : 0.0)
                                       : compute(binary.op, left[i], right[i]);
  }
  return left;
}

}  // namespace

StatusOr<Result> eval_binary(Evaluation& run, const plan::BinaryNode& node,
                             const plan::PlanNode& whole, const Grid& grid) {
  const Binary& binary = *node.syntax;
  const Operation operation{run, binary, {binary, whole.unsigned_position(), &run.annotations}};
  ASSIGN_OR_RETURN(Result left, run.eval(*node.left, grid));
  ASSIGN_OR_RETURN(Result right, run.eval(*node.right, grid));
  const bool left_scalar = left.type == ValueType::kScalar;
  const bool right_scalar = right.type == ValueType::kScalar;
  Result result;
  if (left_scalar && right_scalar) {
    if (is_trim(binary.op)) {
      return failed_precondition("operator {} not allowed for Scalar operations",
                                 model::go_quote(op_text(binary.op)));
    }
    result.type = ValueType::kScalar;
    result.scalar = scalars(binary, std::move(left.scalar), right.scalar);
  } else if (right_scalar) {
    ASSIGN_OR_RETURN(result.vector, with_scalar(operation, std::move(left.vector), right.scalar,
                                                ScalarSide::kRight));
  } else if (left_scalar) {
    ASSIGN_OR_RETURN(result.vector, with_scalar(operation, std::move(right.vector), left.scalar,
                                                ScalarSide::kLeft));
  } else if (is_set_operator(binary.op)) {
    ASSIGN_OR_RETURN(result.vector, set_operation(binary, std::move(left.vector),
                                                  std::move(right.vector), grid.count));
  } else {
    const bool swapped = binary.matching->cardinality == Cardinality::kOneToMany;
    const std::size_t unfilled = (swapped ? left : right).vector.size();
    if (binary.matching->fill_left || binary.matching->fill_right) {
      fill_missing(*binary.matching, &left.vector, &right.vector, grid.count);
    }
    ASSIGN_OR_RETURN(
        result.vector,
        VectorOperation(operation, left.vector, right.vector, grid.count, unfilled).all());
  }
  return result;
}

}  // namespace tocsin::promql::eval
