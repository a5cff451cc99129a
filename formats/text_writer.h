// SPDX-License-Identifier: Apache-2.0
//
// Writing families as a page of the Prometheus text format 0.0.4 or of OpenMetrics 1.0.
//
// Pure functions of values.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/metrics.h"

namespace tocsin::formats {

inline constexpr std::string_view kTextContentType = "text/plain; version=0.0.4; charset=utf-8";

// Appends `families` sorted by name, samples and labels in the order given. Families of one name
// become one, with the first one's help and type. A family without help has no HELP line. Names
// that the format could not hold before UTF-8 names are quoted inside the braces.
void write_text(std::span<const base::MetricFamily> families, std::string* out);

inline constexpr std::string_view kOpenMetricsContentType =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

// The same as OpenMetrics, with the names that write_text() gives: a counter whose name does not
// end with _total, or would clash with another family without it, is of unknown type.
void write_openmetrics(std::span<const base::MetricFamily> families, std::string* out);

}  // namespace tocsin::formats
