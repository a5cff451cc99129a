// SPDX-License-Identifier: Apache-2.0
#include "notifier/templates/message_templates.h"

#include "notifier/templates/default_templates.h"
#include "template/functions.h"

namespace tocsin::notifier {

StatusOr<std::shared_ptr<const MessageTemplates>> MessageTemplates::load(
    const std::vector<std::pair<std::string, std::string>>& files, const base::Clock& clock) {
  tmpl::TemplateSet set(
      std::make_shared<const tmpl::FunctionMap>(tmpl::notification_functions({})));
  RETURN_IF_ERROR(set.parse("default.tmpl", default_templates()));
  RETURN_IF_ERROR(set.parse("email.tmpl", email_templates()));
  for (const auto& [name, content] : files) {
    if (Status status = set.parse(name, content); !status.ok()) {
      return annotate(status, "templates: {}", name);
    }
  }
  return std::shared_ptr<const MessageTemplates>(new MessageTemplates(std::move(set), clock));
}

StatusOr<std::string> MessageTemplates::execute(std::string_view source, const tmpl::Value& data,
                                                tmpl::Mode mode) const {
  if (source.find("{{") == std::string_view::npos) return std::string(source);
  const tmpl::FunctionMap functions =
      tmpl::notification_functions({.present = clock_.now(), .route_labels = {}});
  tmpl::Options options;
  options.functions = &functions;
  options.mode = mode;
  options.missing_key = tmpl::MissingKey::kZero;
  return set_.execute_text(source, data, options);
}

StatusOr<std::string> MessageTemplates::text(std::string_view source,
                                             const tmpl::Value& data) const {
  return execute(source, data, tmpl::Mode::kText);
}

StatusOr<std::string> MessageTemplates::html(std::string_view source,
                                             const tmpl::Value& data) const {
  return execute(source, data, tmpl::Mode::kHtml);
}

}  // namespace tocsin::notifier
