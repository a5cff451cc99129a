// SPDX-License-Identifier: Apache-2.0
//
// label_replace and label_join. Setting the metric name takes back its delayed removal.
#include <string>

#include "model/matcher.h"
#include "promql/functions/vector_functions.h"

namespace tocsin::promql::functions {

namespace {

void set_label(eval::OutSeries* series, std::string_view name, std::string_view value) {
  series->labels = model::LabelsBuilder(series->labels).set(name, value).build();
  if (name == model::kMetricName) series->drop_name = false;
}

StatusOr<eval::Result> label_replace(const CallContext& context) {
  ASSIGN_OR_RETURN(const std::string target, context.text(1));
  ASSIGN_OR_RETURN(const std::string replacement, context.text(2));
  ASSIGN_OR_RETURN(const std::string source, context.text(3));
  ASSIGN_OR_RETURN(const std::string pattern, context.text(4));
  StatusOr<model::Regex> regex = model::Regex::anchored(pattern);
  if (!regex.ok()) {
    return failed_precondition("invalid regular expression in label_replace(): {}", pattern);
  }
  if (!model::is_label_name(target)) {
    return failed_precondition("invalid destination label name in label_replace(): {}", target);
  }
  ASSIGN_OR_RETURN(eval::VectorSet set, context.vector(0));
  for (eval::OutSeries& series : set) {
    std::string value;
    if (regex->expand(series.labels.get(source), replacement, &value)) {
      set_label(&series, target, value);
    }
  }
  RETURN_IF_ERROR(eval::merge_same_labels(&set));
  return vector_result(std::move(set));
}

StatusOr<eval::Result> label_join(const CallContext& context) {
  ASSIGN_OR_RETURN(const std::string target, context.text(1));
  ASSIGN_OR_RETURN(const std::string separator, context.text(2));
  std::vector<std::string> sources;
  for (std::size_t i = 3; i < context.call.arguments.size(); ++i) {
    ASSIGN_OR_RETURN(std::string source, context.text(i));
    if (!model::is_label_name(source)) {
      return failed_precondition("invalid source label name in label_join(): {}", source);
    }
    sources.push_back(std::move(source));
  }
  if (!model::is_label_name(target)) {
    return failed_precondition("invalid destination label name in label_join(): {}", target);
  }
  ASSIGN_OR_RETURN(eval::VectorSet set, context.vector(0));
  for (eval::OutSeries& series : set) {
    std::string value;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      if (i > 0) value += separator;
      value += series.labels.get(sources[i]);
    }
    set_label(&series, target, value);
  }
  RETURN_IF_ERROR(eval::merge_same_labels(&set));
  return vector_result(std::move(set));
}

constexpr NamedFunction kFunctions[] = {
    {"label_join", label_join},
    {"label_replace", label_replace},
};

}  // namespace

std::span<const NamedFunction> label_functions() { return kFunctions; }

}  // namespace tocsin::promql::functions
