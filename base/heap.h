// SPDX-License-Identifier: Apache-2.0
//
// The heap and the system: freed memory that the allocator keeps for itself. Knows jemalloc, where
// the program links it, and glibc.
//
// Threads: any; both calls stop allocations of other threads for a moment. Errors: none; with
// another allocator they do nothing.
#pragma once

#include <cstdint>

namespace tocsin::base {

// Bytes that are freed but not given back, in all arenas. Looks at every free piece.
std::uint64_t free_heap_bytes();
// Gives whole free pages back to the system: some milliseconds for 100 MB.
void release_heap();

}  // namespace tocsin::base
