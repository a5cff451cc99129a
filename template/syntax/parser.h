// SPDX-License-Identifier: Apache-2.0
//
// Parses a template file into definitions: the file itself first, then what it defines, in order.
// Pure function.
// Errors: kInvalidArgument, `template: NAME:LINE: REASON`.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "template/syntax/node.h"

namespace tocsin::tmpl {

using HasFunction = std::function<bool(std::string_view)>;

StatusOr<std::vector<Definition>> parse_template(std::string_view name, std::string_view text,
                                                 const HasFunction& has_function);

}  // namespace tocsin::tmpl
