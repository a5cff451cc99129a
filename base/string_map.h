// SPDX-License-Identifier: Apache-2.0
//
// Hash maps keyed by strings that can be searched with a std::string_view, without a temporary.
// Values; iteration order is unspecified, so sort before anything leaves the process.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace tocsin {

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

template <typename V>
using StringMap = std::unordered_map<std::string, V, StringHash, std::equal_to<>>;
using StringSet = std::unordered_set<std::string, StringHash, std::equal_to<>>;

}  // namespace tocsin
