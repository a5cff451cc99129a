// SPDX-License-Identifier: Apache-2.0
//
// page_text prints families as a page without help texts, for comparisons in tests.
//
// Threads: confined.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "exporters/common/page.h"
#include "formats/text_writer.h"

namespace tocsin::exporters::app::testing {

inline std::string page_text(std::vector<base::MetricFamily> families) {
  tidy_families(&families);
  for (base::MetricFamily& family : families) family.help.clear();
  std::string text;
  formats::write_text(families, &text);
  return text;
}

// The value of the series that is written as `series`; "" when it is not there.
inline std::string value_in(std::string_view page, std::string_view series) {
  const std::string line = fmt::format("\n{} ", series);
  const std::string text = fmt::format("\n{}", page);
  const std::size_t at = text.find(line);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + line.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

}  // namespace tocsin::exporters::app::testing
