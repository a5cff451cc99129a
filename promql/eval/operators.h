// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic and comparison of two values. Pure functions.
#pragma once

#include <cmath>

#include "promql/ast.h"

namespace tocsin::promql::eval {

// REQUIRES: an arithmetic operator.
inline double compute(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::kAdd:
      return a + b;
    case BinaryOp::kSub:
      return a - b;
    case BinaryOp::kMul:
      return a * b;
    case BinaryOp::kDiv:
      return a / b;
    case BinaryOp::kMod:
      return std::fmod(a, b);
    case BinaryOp::kPow:
      return std::pow(a, b);
    default:
      return std::atan2(a, b);
  }
}

// REQUIRES: a comparison.
inline bool compare(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::kEq:
      return a == b;
    case BinaryOp::kNe:
      return a != b;
    case BinaryOp::kLt:
      return a < b;
    case BinaryOp::kLe:
      return a <= b;
    case BinaryOp::kGt:
      return a > b;
    default:
      return a >= b;
  }
}

// Value of `a op b` in a vector: the result of arithmetic, 0 or 1 with bool, else `kept` where it
// holds.
struct Outcome {
  double value = 0;
  bool keep = true;
};
inline Outcome combine(const Binary& binary, double a, double b, double kept) {
  if (!is_comparison(binary.op)) return {compute(binary.op, a, b), true};
  const bool holds = compare(binary.op, a, b);
  if (binary.return_bool) return {holds ? 1.0 : 0.0, true};
  return {kept, holds};
}

}  // namespace tocsin::promql::eval
