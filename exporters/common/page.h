// SPDX-License-Identifier: Apache-2.0
//
// Making one page of the families of several collectors, and the answer that carries it. Pure
// functions of values.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "net/http.h"

namespace tocsin::exporters {

// Sorts families by name and joins those of one name (the first one's help and type stay), sorts
// the samples of counters, gauges and untyped families by their labels, and drops families without
// samples. Of samples with the same labels the first stays, because a scraper refuses a page with
// both; returns how many were dropped.
std::size_t tidy_families(std::vector<base::MetricFamily>* families);

enum class PageFormat { kText, kOpenMetrics };
// OpenMetrics for a client that likes it at least as much as text.
PageFormat choose_format(std::string_view accept);

// The families as an answer in this format. REQUIRES: tidy_families() before.
net::HttpResponse page_response(const std::vector<base::MetricFamily>& families, PageFormat format);

}  // namespace tocsin::exporters
