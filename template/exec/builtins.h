// SPDX-License-Identifier: Apache-2.0
//
// The functions every template has. `and` and `or` are here by name only: the evaluator runs them,
// since they stop early. Constant table; pure functions.
#pragma once

#include <string>
#include <string_view>

#include "template/value.h"

namespace tocsin::tmpl {

const FunctionMap& builtin_functions();

std::string html_escape(std::string_view text);
// As in a form: space is +, hexadecimal digits in upper case.
std::string query_escape(std::string_view text);

}  // namespace tocsin::tmpl
