// SPDX-License-Identifier: Apache-2.0
//
// ScrapeShared is what all targets of a collector share: self-metrics, the gate that counts running
// scrapes, the table of page lines, and the working memory of page reads.
//
// Owns: the table and the pages. Borrows: the registry.
// Threads: shared. Errors: none.
#pragma once

#include <memory>
#include <vector>

#include "base/gate.h"
#include "base/mutex.h"
#include "collector/scrape/metrics.h"
#include "formats/line_table.h"
#include "formats/page_reader.h"

namespace tocsin::collector {

// Working memory of page reads: as many as run at once, of which a few of ordinary size are kept.
class PagePool {
 public:
  using Page = formats::PageReader::Page;

  std::unique_ptr<Page> take() {
    auto pages = pages_.lock();
    if (pages->empty()) return std::make_unique<Page>();
    std::unique_ptr<Page> page = std::move(pages->back());
    pages->pop_back();
    return page;
  }
  void give_back(std::unique_ptr<Page> page) {
    constexpr std::size_t kMaxPages = 16;
    constexpr std::size_t kMaxBytes = 4U << 20;
    if (page->memory() > kMaxBytes) return;
    auto pages = pages_.lock();
    if (pages->size() < kMaxPages) pages->push_back(std::move(page));
  }

 private:
  base::Guarded<std::vector<std::unique_ptr<Page>>> pages_;
};

struct ScrapeShared {
  explicit ScrapeShared(base::Registry& registry) : metrics(registry) {}

  ScrapeMetrics metrics;
  base::Gate gate;
  formats::LineTable lines{{}};
  PagePool pages;
};

}  // namespace tocsin::collector
