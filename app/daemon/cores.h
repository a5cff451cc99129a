// SPDX-License-Identifier: Apache-2.0
//
// How many cores this process may use. Pure but for asking the system.
#pragma once

#include <cstddef>

namespace tocsin::app {

// At least 1.
std::size_t usable_cores();

}  // namespace tocsin::app
