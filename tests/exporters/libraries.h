// SPDX-License-Identifier: Apache-2.0
//
// loaded_libraries: what a program of ours loads when it starts, as ldd lists it.
#pragma once

#include <set>
#include <string>

namespace tocsin::tests {

// Names without version ("libssl"); without those of abseil, which come in dozens, and of sanitizers.
std::set<std::string> loaded_libraries(const std::string& program);

}  // namespace tocsin::tests
