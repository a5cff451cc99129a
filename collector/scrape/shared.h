// SPDX-License-Identifier: Apache-2.0
//
// ScrapeShared is what all targets of a collector share: self-metrics, the gate that counts running
// scrapes, the table of page lines, and the working memory of page reads.
//
// Owns: the table and the pages. Borrows: the registry.
// Threads: shared. Errors: none.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/gate.h"
#include "base/mutex.h"
#include "collector/scrape/metrics.h"
#include "formats/line_table.h"
#include "formats/page_reader.h"

namespace tocsin::collector {

// Working memory of one page.
struct ScrapeMemory {
  formats::PageReader::Page page;
  std::string text;  // decoded
};

// As many as pages are read at once, of which a few of ordinary size are kept.
class ScrapeMemoryPool {
 public:
  std::unique_ptr<ScrapeMemory> take() {
    auto idle = idle_.lock();
    if (idle->empty()) return std::make_unique<ScrapeMemory>();
    std::unique_ptr<ScrapeMemory> memory = std::move(idle->back());
    idle->pop_back();
    return memory;
  }
  void give_back(std::unique_ptr<ScrapeMemory> memory) {
    constexpr std::size_t kMaxIdle = 16;
    constexpr std::size_t kMaxBytes = 4U << 20;
    if (memory->page.memory() + memory->text.capacity() > kMaxBytes) return;
    auto idle = idle_.lock();
    if (idle->size() < kMaxIdle) idle->push_back(std::move(memory));
  }

 private:
  base::Guarded<std::vector<std::unique_ptr<ScrapeMemory>>> idle_;
};

struct ScrapeShared {
  explicit ScrapeShared(base::Registry& registry) : metrics(registry) {}

  ScrapeMetrics metrics;
  base::Gate gate;
  formats::LineTable lines{{}};
  ScrapeMemoryPool memory;
};

}  // namespace tocsin::collector
