// SPDX-License-Identifier: Apache-2.0
//
// MessageTemplates: the default templates and those of the configuration, and the functions they
// call.
//
// Immutable after load().
// Threads: shared. Errors: as tmpl::TemplateSet; load() names the file.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "template/template.h"

namespace tocsin::notifier {

class MessageTemplates {
 public:
  // `files`: names and contents, later definitions replace earlier ones. Borrows: clock.
  static StatusOr<std::shared_ptr<const MessageTemplates>> load(
      const std::vector<std::pair<std::string, std::string>>& files, const base::Clock& clock);

  // Executes `source` beside the templates of the set.
  StatusOr<std::string> text(std::string_view source, const tmpl::Value& data) const;
  StatusOr<std::string> html(std::string_view source, const tmpl::Value& data) const;

 private:
  MessageTemplates(tmpl::TemplateSet set, const base::Clock& clock)
      : set_(std::move(set)), clock_(clock) {}
  StatusOr<std::string> execute(std::string_view source, const tmpl::Value& data,
                                tmpl::Mode mode) const;
  const tmpl::TemplateSet set_;
  const base::Clock& clock_;  // for what `now` and `since` answer
};

}  // namespace tocsin::notifier
