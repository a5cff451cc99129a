// SPDX-License-Identifier: Apache-2.0
#include "exporters/common/footprint.h"

#include <link.h>
#include <malloc.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include <sys/mman.h>

#include "base/heap.h"

namespace tocsin::exporters {
namespace {

// A segment that is not writable holds nothing but what the file holds. What the loader changes and
// then protects (RELRO) is in writable segments.
int drop_segments(dl_phdr_info* info, std::size_t, void*) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    // Whole pages only: the first and the last may be shared with a neighbour.
    const std::uintptr_t begin = (info->dlpi_addr + segment.p_vaddr + page - 1) / page * page;
    const std::uintptr_t end = (info->dlpi_addr + segment.p_vaddr + segment.p_memsz) / page * page;
    if (begin >= end) continue;
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void keep_heap_small(int slack) {
  constexpr int kThreshold = 128 << 10;
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_THRESHOLD, kThreshold);
  ::mallopt(M_TRIM_THRESHOLD, slack);
  ::mallopt(M_TOP_PAD, slack);
}

void give_back_heap(std::size_t slack) {
  if (slack == 0 || base::free_heap_bytes() > slack) base::release_heap();
}

void drop_pages_of_start() { ::dl_iterate_phdr(drop_segments, nullptr); }

}  // namespace tocsin::exporters
