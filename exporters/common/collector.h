// SPDX-License-Identifier: Apache-2.0
//
// Collector: one named source of metric families of an exporter ("cpu", "filesystem").
//
// Threads: confined, to one thread after another; the Runner never calls it twice at once.
// Errors: a status other than OK makes <prefix>_scrape_collector_success 0; what was appended
// before is still shown. kNotFound says that this machine has nothing to collect. Does not throw.
#pragma once

#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"

namespace tocsin::exporters {

class Collector {
 public:
  virtual ~Collector() = default;
  virtual std::string_view name() const = 0;
  // Appends families with the values of now. Labels are sorted by name.
  virtual Status collect(std::vector<base::MetricFamily>* out) = 0;
  // What a page shows instead when collect() did not finish in time, such as x_up 0. Called while
  // collect() may run; must not block.
  virtual void append_late(std::vector<base::MetricFamily>* /*out*/) const {}
};

}  // namespace tocsin::exporters
