// SPDX-License-Identifier: Apache-2.0
//
// Expands the templates of alert labels and annotations ($labels, $value, query and so on).
//
// Threads: pure, except that `query` runs a PromQL query on the calling thread.
// Errors: a failed expansion gives upstream's "<error expanding template: ...>" as text and is
// logged.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"
#include "model/labels.h"
#include "promql/engine.h"

namespace tocsin::rules {

struct ExpandContext {
  std::string_view rule;  // named in errors
  const promql::Sample& sample;
  const model::Labels& external_labels;
  std::string_view external_url;
  base::Timestamp now;
  // The template function query: evaluates at `now`.
  std::function<StatusOr<promql::Vector>(const std::string& query)> query;
};

std::string expand(const std::string& text, const ExpandContext& context);

// Refuses a template that does not parse.
Status check_template(std::string_view rule, const std::string& text);

}  // namespace tocsin::rules
