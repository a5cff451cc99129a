// SPDX-License-Identifier: Apache-2.0
//
// PageSource: what a page of metrics is made of. A Runner of collectors, or a server that collectors
// ask one after another.
//
// Threads: shared; collect() blocks its thread, at most for about the budget.
// Errors: none; a failure is a value, <prefix>_scrape_collector_success. Does not throw.
#pragma once

#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/time.h"

namespace tocsin::exporters {

class PageSource {
 public:
  virtual ~PageSource() = default;

  // Names of the collectors, sorted.
  virtual const std::vector<std::string>& names() const = 0;
  // Runs the collectors in `names` (others are ignored) and returns their families, not merged.
  virtual std::vector<base::MetricFamily> collect(const std::vector<std::string>& names,
                                                  base::Duration budget) = 0;
};

}  // namespace tocsin::exporters
