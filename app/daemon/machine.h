// SPDX-License-Identifier: Apache-2.0
//
// What this machine gives the process. Pure but for asking the system.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tocsin::app {

// At least 1.
std::size_t usable_cores();
std::uint64_t physical_memory_bytes();

}  // namespace tocsin::app
