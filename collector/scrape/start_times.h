// SPDX-License-Identifier: Apache-2.0
//
// StartTimes says since when the samples of a page count.
//
// Protobuf gives the time with each metric. In OpenMetrics it is the value of a line of its own,
// name_created with the labels of the metric; which line belongs to which sample is found once for
// each page that is another than the one before.
// Owns: 4 bytes per sample of such pages, nothing for others. Confined to its target's strand.
// Errors: none.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "formats/page_reader.h"

namespace tocsin::collector {

// Whether `series`, of a metric of this kind, is such a line and no series of its own.
bool is_created_line(std::string_view series, model::MetricKind kind);

class StartTimes {
 public:
  struct Line {
    std::string_view series;
    model::MetricKind kind = model::MetricKind::kUnknown;
    bool created = false;  // is_created_line()
  };
  // Finds the lines of a page. `line(i)` is the i-th sample's; its texts are only used in between.
  void learn(std::size_t samples, const std::function<Line(std::size_t)>& line);

  // The times of the samples of the page that was learned last, 0 where there is none; empty when
  // no sample has one. Valid until the next call.
  const std::vector<std::int64_t>& of(const formats::PageReader::Page& page);

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  std::vector<std::uint32_t> lines_;  // by sample: the sample that says its start; empty: none
  std::vector<std::int64_t> starts_;
};

}  // namespace tocsin::collector
