// SPDX-License-Identifier: Apache-2.0
//
// Mail addresses as RFC 5322 writes them in lists: a@b, Name <a@b>, "Quoted, Name" <a@b>, comments
// in parentheses.
//
// Pure.
// Errors: kInvalidArgument with a text that begins "mail: ".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tocsin::notifier {

// The addresses alone, without names. At least one.
StatusOr<std::vector<std::string>> parse_address_list(std::string_view text);

}  // namespace tocsin::notifier
