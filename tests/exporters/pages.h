// SPDX-License-Identifier: Apache-2.0
//
// Pages of metrics as tests look at them: values of series, and families beside those that upstream's
// exporters show (TOCSIN_CONFORMANCE_DIR).
//
// Threads: confined.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace tocsin::tests {

struct PageFamily {
  std::string type;
  std::set<std::string> labels;  // without le and quantile
};

std::map<std::string, PageFamily> page_families(const std::string& page);

// The value of a series as it is written; "" when it is not there.
std::string page_value(const std::string& page, const std::string& series);
// The sum over the series of a family.
double page_sum(const std::string& page, const std::string& family);

// Compares with the families of exporter-families/<table> that were `seen` live and begin with
// `prefix`; returns how many there were, nothing where there is no conformance data.
std::optional<std::size_t> expect_upstreams_families(const std::string& page,
                                                     std::string_view table, std::string_view seen,
                                                     std::string_view prefix);

}  // namespace tocsin::tests
