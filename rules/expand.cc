// SPDX-License-Identifier: Apache-2.0
#include "rules/expand.h"

#include "base/log.h"
#include "template/functions.h"

namespace tocsin::rules {

namespace {

std::string template_name(std::string_view rule) { return fmt::format("__alert_{}", rule); }

}  // namespace

std::string expand(const std::string& text, const ExpandContext& context) {
  if (text.find("{{") == std::string::npos) return text;
  tmpl::AlertFunctions functions;
  functions.external_url = context.external_url;
  functions.now = context.now;
  functions.query =
      [&context](std::string_view expression) -> StatusOr<std::vector<tmpl::QuerySample>> {
    ASSIGN_OR_RETURN(promql::Vector vector, context.query(std::string(expression)));
    std::vector<tmpl::QuerySample> samples;
    samples.reserve(vector.size());
    for (promql::Sample& sample : vector) samples.push_back({sample.labels, sample.value});
    return samples;
  };
  const tmpl::AlertData data{context.sample.labels, context.external_labels,
                             std::string(context.external_url),
                             tmpl::Value::of(context.sample.value)};
  StatusOr<std::string> expanded = tmpl::expand_alert_template(
      template_name(context.rule), text, data, tmpl::alert_functions(functions));
  if (expanded.ok()) return *std::move(expanded);
  base::log::warn("expanding a template failed",
                  {{"rule", context.rule}, {"error", message(expanded.status())}});
  return fmt::format("<error expanding template: {}>", message(expanded.status()));
}

Status check_template(std::string_view rule, const std::string& text) {
  return tmpl::check_alert_template(template_name(rule), text);
}

}  // namespace tocsin::rules
