// SPDX-License-Identifier: Apache-2.0
//
// The values of literals. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "template/syntax/lexer.h"
#include "template/value.h"

namespace tocsin::tmpl {

// A string, raw string, character, number or bool token.
StatusOr<Value> constant_value(const Token& token);
// A Go string literal, "..." or `...`.
StatusOr<std::string> unquote(std::string_view literal);

}  // namespace tocsin::tmpl
