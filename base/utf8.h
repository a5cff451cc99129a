// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 as the readers and writers of text formats need it. Pure functions of values.
#pragma once

#include <cstddef>
#include <string_view>

namespace tocsin::base {

// Returns the length of the valid UTF-8 sequence at the start of `text`, or 0 when there is none.
// REQUIRES: !text.empty().
std::size_t utf8_length(std::string_view text);

}  // namespace tocsin::base
