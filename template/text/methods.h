// SPDX-License-Identifier: Apache-2.0
//
// The methods of Go's time.Time and time.Duration that templates use, and their plain text.
// Constant tables.
#pragma once

#include <map>
#include <string>

#include "template/value.h"

namespace tocsin::tmpl {

const std::map<std::string, Method, std::less<>>& time_methods();
const std::map<std::string, Method, std::less<>>& duration_methods();

// 2024-01-01 09:15:30 +0100 CET.
std::string time_text(const Time& time);

}  // namespace tocsin::tmpl
