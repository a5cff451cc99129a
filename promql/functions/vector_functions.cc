// SPDX-License-Identifier: Apache-2.0
#include "promql/functions/vector_functions.h"

#include <cmath>
#include <set>
#include <utility>

#include "base/string_map.h"
#include "model/value.h"

namespace tocsin::promql::functions {

namespace {

const StringMap<VectorFunction>& index() {
  static const StringMap<VectorFunction> by_name = [] {
    StringMap<VectorFunction> map;
    for (auto table : {elementwise_functions(), date_functions(), label_functions(),
                       histogram_functions(), plain_functions()}) {
      for (const NamedFunction& f : table) map.emplace(f.name, f.function);
    }
    return map;
  }();
  return by_name;
}

}  // namespace

VectorFunction find_vector_function(std::string_view name) {
  auto it = index().find(name);
  return it == index().end() ? nullptr : it->second;
}

StatusOr<eval::Result> eval_vector_call(eval::Evaluation& run, const plan::CallNode& call,
                                        const plan::PlanNode& node, const eval::Grid& grid) {
  const VectorFunction function = find_vector_function(call.function->name);
  if (function == nullptr) return internal("function {} in plan", call.function->name);
  return function(CallContext{run, call, node.unsigned_position(), grid});
}

StatusOr<std::string> CallContext::text(std::size_t i) const {
  ASSIGN_OR_RETURN(eval::Result result, run.eval(argument(i), grid));
  return std::move(result.text);
}

eval::Result vector_result(eval::VectorSet set) {
  eval::Result result;
  result.type = ValueType::kVector;
  result.vector = std::move(set);
  return result;
}

eval::Result scalar_result(std::vector<double> values) {
  eval::Result result;
  result.type = ValueType::kScalar;
  result.scalar = std::move(values);
  return result;
}

StatusOr<eval::Result> nameless_result(eval::Evaluation& run, eval::VectorSet set) {
  for (eval::OutSeries& series : set) run.drop_name(&series);
  RETURN_IF_ERROR(run.merge_names(&set));
  return vector_result(std::move(set));
}

void warn_invalid_quantiles(std::span<const double> values, PositionRange position,
                            eval::AnnotationSet* annotations) {
  double last = 0;  // a valid one
  bool nan = false;
  for (double q : values) {
    const bool invalid = std::isnan(q) || q < 0 || q > 1;
    if (!invalid || q == last || (nan && std::isnan(q))) continue;
    annotations->warn(
        fmt::format("quantile value should be between 0 and 1, got {}", model::format_float_g(q)),
        position);
    nan = nan || std::isnan(q);
    last = q;
  }
}

model::Labels labels_of_absent(const eval::Evaluation& run, const plan::PlanNode& argument) {
  const plan::Source* source = nullptr;
  if (argument.expr->as<Unary>() != nullptr) return {};
  if (const auto* select = argument.as<plan::Select>()) {
    source = &run.setup().plan.sources[select->source];
  } else if (const auto* window = argument.as<plan::Window>(); window && !window->inner) {
    source = &run.setup().plan.sources[window->source];
  }
  if (source == nullptr) return {};
  model::LabelsBuilder labels;
  std::set<std::string_view> seen;
  for (const model::Matcher& matcher : source->matchers) {
    if (matcher.name() == model::kMetricName) continue;
    // Two matchers of one label contradict each other or do not fix its value.
    const bool first =
        matcher.type() == model::Matcher::Type::kEqual && !seen.contains(matcher.name());
    if (first) {
      labels.set(matcher.name(), matcher.value());
      seen.insert(matcher.name());
    } else {
      labels.remove(matcher.name());
    }
  }
  return labels.build();
}

}  // namespace tocsin::promql::functions
