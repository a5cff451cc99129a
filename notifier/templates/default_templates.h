// SPDX-License-Identifier: Apache-2.0
//
// The named templates that receivers use by default and that users call from theirs.
//
// Their names and, except for the mail's page, their output are upstream's; users depend on both.
#pragma once

#include <string_view>

namespace tocsin::notifier {

std::string_view default_templates();
std::string_view email_templates();

}  // namespace tocsin::notifier
