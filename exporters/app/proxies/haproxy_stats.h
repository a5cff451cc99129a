// SPDX-License-Identifier: Apache-2.0
//
// HaproxyStats turns the CSV that HAProxy's stats page and `show stat` give into the families of
// haproxy_exporter.
//
// Columns are found by their names, so that old and new versions of HAProxy are read alike; a column
// that is not there or empty makes no sample. Of `max_rows` proxies and servers all are shown, more
// are left out.
// Pure. Errors: kDataLoss for a text that is not that CSV.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "exporters/common/families.h"

namespace tocsin::exporters::app {

struct HaproxyRows {
  std::uint64_t left_out = 0;  // above max_rows
  std::uint64_t failures = 0;  // lines and fields that do not parse
};

StatusOr<HaproxyRows> append_haproxy_stats(std::string_view csv, const LabelPairs& labels,
                                           std::size_t max_rows,
                                           std::vector<base::MetricFamily>* out);

// Takes the next line of CSV off `rest`, its fields without quotes; false at the end or when quotes
// are not closed.
bool take_csv_line(std::string_view* rest, std::vector<std::string>* fields);

}  // namespace tocsin::exporters::app
