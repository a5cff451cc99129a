// SPDX-License-Identifier: Apache-2.0
//
// Makes an expression smaller as long as it still shows what it was kept for.
//
// Values; pure functions. Errors: none; what cannot be made smaller stays.
#pragma once

#include <functional>
#include <string>

#include "promql/parser.h"

namespace tocsin::promql::testing {

// Tries, over and over, each part of the expression in place of the whole, each part replaced by
// one of its own parts, and each modifier left out; keeps what `still_fails` says yes to.
// REQUIRES: still_fails(text).
std::string shrink(std::string text, const ParserOptions& options,
                   const std::function<bool(const std::string&)>& still_fails);

}  // namespace tocsin::promql::testing
