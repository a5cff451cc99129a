// SPDX-License-Identifier: Apache-2.0
//
// Go templates: none ends the process or runs away, as text and as HTML.
#include "template/template.h"

#include "base/testing/fuzz.h"
#include "template/functions.h"

namespace tocsin::tmpl {
namespace {

Value data() {
  Map labels;
  labels["alertname"] = Value::of("Down & out");
  labels["severity"] = Value::of("page");
  Map map;
  map["Labels"] = Value::of(labels);
  map["Alerts"] = Value::of(List{Value::of(labels), Value::of(labels)});
  map["N"] = Value::of(3);
  map["F"] = Value::of(2.5);
  map["T"] = Value::of(true);
  map["Time"] = Value::of(Time{});
  map["D"] = Value::of(model::Duration(90'000));
  return Value::of(map);
}

void fuzz(std::string_view bytes) {
  const auto functions = std::make_shared<const FunctionMap>(notification_functions({}));
  TemplateSet set(functions);
  if (!set.parse("f", bytes).ok()) return;
  Options options;
  options.limits = {.output_bytes = 1U << 14U, .template_depth = 20, .iterations = 1000};
  static_cast<void>(set.execute("f", data(), options));
  options.mode = Mode::kHtml;
  static_cast<void>(set.execute("f", data(), options));
}

}  // namespace

TOCSIN_FUZZ_TARGET(template, fuzz)

}  // namespace tocsin::tmpl
