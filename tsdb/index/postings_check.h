// SPDX-License-Identifier: Apache-2.0
//
// Whether bytes are a set in the portable format of Roaring: the library reads what is damaged without
// reading past its end, but then works on sets that are not sorted, or not as large as they say.
//
// Pure functions.
#pragma once

#include <string_view>

namespace tocsin::tsdb {

// Every container is sorted and has as many ids as its header says, and nothing is behind the last.
bool is_portable_set(std::string_view bytes);

}  // namespace tocsin::tsdb
