// SPDX-License-Identifier: Apache-2.0
//
// Making one page of the families of several collectors. Pure functions of values.
#pragma once

#include <cstddef>
#include <vector>

#include "base/metrics.h"

namespace tocsin::exporters {

// Sorts families by name and joins those of one name (the first one's help and type stay), sorts
// the samples of counters, gauges and untyped families by their labels, and drops families without
// samples. Of samples with the same labels the first stays, because a scraper refuses a page with
// both; returns how many were dropped.
std::size_t tidy_families(std::vector<base::MetricFamily>* families);

}  // namespace tocsin::exporters
