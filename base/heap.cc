// SPDX-License-Identifier: Apache-2.0
#include "base/heap.h"

#include <malloc.h>

namespace tocsin::base {

#ifdef __GLIBC__
std::uint64_t free_heap_bytes() { return ::mallinfo2().fordblks; }
void release_heap() { ::malloc_trim(0); }
#else
std::uint64_t free_heap_bytes() { return 0; }
void release_heap() {}
#endif

}  // namespace tocsin::base
