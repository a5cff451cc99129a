// SPDX-License-Identifier: Apache-2.0
//
// The PromQL syntax tree: what the parser makes, the printer prints and the planner reads.
//
// Nodes are a closed set in one variant; an Expr owns its children. Positions are byte offsets into the query
// text, half-open [start, end). The parser has checked types: a tree from parse_expr() is well typed.
// Values (movable, not copyable; clone() copies). No I/O, no locks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/matcher.h"
#include "model/timestamp.h"

namespace tocsin::promql {

struct PositionRange {
  std::uint32_t start = 0;
  std::uint32_t end = 0;
};

enum class ValueType { kNone, kScalar, kString, kVector, kMatrix };
std::string_view value_type_text(
    ValueType type);  // "scalar", "instant vector", "range vector", ...

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

// A duration that may be an expression: 5m, (5m + step()), -1h. `expr` is set when it is not a plain literal; after
// resolve_durations() every `value` is final.
struct DurationExpr;
struct DurationValue {
  model::Duration value{0};
  std::shared_ptr<const DurationExpr> expr;
};
struct DurationExpr {
  enum class Op {
    kLiteral,
    kAdd,
    kSub,
    kMul,
    kDiv,
    kMod,
    kPow,
    kNegate,
    kPlus,
    kStep,
    kRange,
    kMin,
    kMax
  };
  Op op = Op::kLiteral;
  double seconds = 0;                // kLiteral
  bool is_duration_literal = false;  // written 5m rather than 300
  std::shared_ptr<const DurationExpr> left, right;
  bool parenthesised = false;
  PositionRange position;
};

enum class AtKind { kNone, kTimestamp, kStart, kEnd };
enum class RangeMode { kPlain, kAnchored, kSmoothed };

struct NumberLiteral {
  double value = 0;
  bool is_duration = false;  // written as a duration: 5m is 300
};
struct StringLiteral {
  std::string value;
};

// offset and @ of selectors and subqueries.
struct TimeShift {
  DurationValue offset;  // as written; negative allowed
  AtKind at = AtKind::kNone;
  model::Timestamp at_time;  // kTimestamp
};

struct VectorSelector {
  std::string name;  // as written before the braces; also among the matchers; "" when absent
  model::Matchers matchers;  // in order as written, the name's matcher last
  TimeShift shift;
  RangeMode mode = RangeMode::kPlain;
};
struct MatrixSelector {
  ExprPtr vector;  // a VectorSelector, which holds offset and @
  DurationValue range;
};
struct Subquery {
  ExprPtr inner;
  DurationValue range;
  DurationValue step;
  bool has_step = false;  // false: the default resolution
  TimeShift shift;
};
struct Paren {
  ExprPtr inner;
};
struct Unary {
  bool negate = false;  // + otherwise
  ExprPtr inner;
};

enum class BinaryOp {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
  kAtan2,
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kAnd,
  kOr,
  kUnless,
  kTrimUpper,
  kTrimLower
};
std::string_view op_text(BinaryOp op);
bool is_comparison(BinaryOp op);
bool is_set_operator(BinaryOp op);

enum class Cardinality { kOneToOne, kManyToOne, kOneToMany, kManyToMany };
struct VectorMatching {
  Cardinality cardinality = Cardinality::kOneToOne;
  bool on = false;  // else ignoring
  std::vector<std::string> labels;
  std::vector<std::string> include;  // of group_left / group_right
  std::optional<double> fill_left, fill_right;
};
struct Binary {
  BinaryOp op = BinaryOp::kAdd;
  ExprPtr left, right;
  bool return_bool = false;
  std::optional<VectorMatching> matching;  // set when both sides are vectors
};

enum class AggregateOp {
  kSum,
  kAvg,
  kCount,
  kMin,
  kMax,
  kGroup,
  kStddev,
  kStdvar,
  kTopk,
  kBottomk,
  kCountValues,
  kQuantile,
  kLimitk,
  kLimitRatio
};
std::string_view aggregate_text(AggregateOp op);
struct Aggregate {
  AggregateOp op = AggregateOp::kSum;
  ExprPtr inner;
  ExprPtr parameter;  // null without
  std::vector<std::string> grouping;
  bool without = false;
};

struct FunctionSignature;
struct Call {
  const FunctionSignature* function = nullptr;  // static storage
  std::vector<ExprPtr> arguments;
};

struct Expr {
  using Node = std::variant<NumberLiteral, StringLiteral, VectorSelector, MatrixSelector, Subquery,
                            Paren, Unary, Binary, Aggregate, Call>;
  Node node;
  PositionRange position;

  ValueType type() const;
  ExprPtr clone() const;
  // Children in order of writing.
  std::vector<const Expr*> children() const;
  template <typename T>
  const T* as() const {
    return std::get_if<T>(&node);
  }
  template <typename T>
  T* as() {
    return std::get_if<T>(&node);
  }
};

// A function's types. `variadic`: 0 exactly these arguments; n > 0: up to n of the last may be left out;
// -1: the last may be left out or repeated without limit.
struct FunctionSignature {
  std::string_view name;
  std::vector<ValueType> arguments;
  int variadic = 0;
  ValueType result = ValueType::kVector;
  bool experimental = false;
};
// What a tree takes, labels and texts included.
std::uint64_t memory_bytes(const Expr& expr);

const FunctionSignature* find_function(std::string_view name);
const std::vector<FunctionSignature>& all_functions();

}  // namespace tocsin::promql
