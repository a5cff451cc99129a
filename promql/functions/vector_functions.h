// SPDX-License-Identifier: Apache-2.0
//
// Functions over instant vectors and scalars, by name, and helpers that other operators share.
//
// Pure functions of the Evaluation they are given. Confined to its thread.
#pragma once

#include <span>
#include <string_view>

#include "promql/eval/evaluation.h"

namespace tocsin::promql::functions {

struct CallContext {
  eval::Evaluation& run;
  const plan::CallNode& call;
  PositionRange position;
  eval::Grid grid;

  const plan::PlanNode& argument(std::size_t i) const { return *call.arguments[i]; }
  StatusOr<eval::VectorSet> vector(std::size_t i) const {
    return run.eval_vector(argument(i), grid);
  }
  // Without native histograms, which functions of numbers pass over.
  StatusOr<eval::VectorSet> floats(std::size_t i) const {
    ASSIGN_OR_RETURN(eval::VectorSet set, vector(i));
    eval::remove_histograms(&set);
    return set;
  }
  StatusOr<std::vector<double>> scalar(std::size_t i) const {
    return run.eval_scalar(argument(i), grid);
  }
  StatusOr<std::string> text(std::size_t i) const;
};

// Gives a Result of the function's type.
using VectorFunction = StatusOr<eval::Result> (*)(const CallContext& context);

// Null for what is no such function or not built.
VectorFunction find_vector_function(std::string_view name);

StatusOr<eval::Result> eval_vector_call(eval::Evaluation& run, const plan::CallNode& call,
                                        const plan::PlanNode& node, const eval::Grid& grid);

eval::Result vector_result(eval::VectorSet set);
eval::Result scalar_result(std::vector<double> values);
// After a change of values: drops metric names and joins what became equal.
StatusOr<eval::Result> nameless_result(eval::Evaluation& run, eval::VectorSet set);

// One warning for every value that is no quantile.
void warn_invalid_quantiles(std::span<const double> values, PositionRange position,
                            eval::AnnotationSet* annotations);
// The labels that absent() and absent_over_time() give: the equality matchers of a selector.
model::Labels labels_of_absent(const eval::Evaluation& run, const plan::PlanNode& argument);

// By file; each table row is a name and its function.
struct NamedFunction {
  std::string_view name;
  VectorFunction function;
};
std::span<const NamedFunction> elementwise_functions();
std::span<const NamedFunction> date_functions();
std::span<const NamedFunction> label_functions();
std::span<const NamedFunction> histogram_functions();
std::span<const NamedFunction> plain_functions();

}  // namespace tocsin::promql::functions
