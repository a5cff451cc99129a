// SPDX-License-Identifier: Apache-2.0
//
// What was built: for --version and <program>_build_info. Written by CMake.
#pragma once

#include <string_view>

namespace tocsin::exporters {

std::string_view version();       // "0.1.0"
std::string_view architecture();  // as Go names it: "amd64"

}  // namespace tocsin::exporters
