// SPDX-License-Identifier: Apache-2.0
//
// Keeping the memory of a small program small.
//
// Functions; called by main.
#pragma once

#include <cstddef>

namespace tocsin::exporters {

// Makes the allocator give back what only a scrape needs, and share one arena between threads that
// each allocate a little. At most `slack` bytes stay at the end of the heap. Called before other
// threads start.
void keep_heap_small(int slack = 128 << 10);

// Unmaps the pages of code and constants that only the start needed; the kernel maps those that are
// used again from its cache. Never touches what was written to.
void drop_pages_of_start();

// Gives back the pages of the heap that are free now, wherever they are, if more than `slack` bytes are.
// For after a page was made; with a slack where the next page soon needs the same again.
void give_back_heap(std::size_t slack = 0);

}  // namespace tocsin::exporters
