// SPDX-License-Identifier: Apache-2.0
//
// CustomHistograms makes a native histogram with custom buckets of each classic histogram of a page
// (convert_classic_histograms_to_nhcb).
//
// Which samples make a histogram is found once for each page that is another than the one before.
// Owns: about 100 bytes and the series text for each histogram, 12 for each bucket. Confined to its
// target's strand.
// Errors: none; a histogram whose parts do not fit is left out.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/exposition.h"

namespace tocsin::collector {

// Whether `series`, of a metric of this kind, is a part of a classic histogram.
bool is_classic_part(std::string_view series, model::MetricKind kind);

class CustomHistograms {
 public:
  struct Line {
    std::string_view series;
    model::MetricKind kind = model::MetricKind::kUnknown;
    std::string_view unit;
    bool native = false;  // a native histogram already, of which nothing is to be made
  };
  // Finds the histograms of a page. `line(i)` is the i-th sample's; its texts are only used in
  // between.
  void learn(std::size_t samples, const std::function<Line(std::size_t)>& line);

  std::size_t size() const { return histograms_.size(); }
  // The series that a histogram is stored as; parse_series reads it.
  std::string_view series(std::size_t histogram) const { return histograms_[histogram].series; }
  // That its first part has.
  std::string_view unit(std::size_t histogram) const { return histograms_[histogram].unit; }
  // `values` are those of the page's samples.
  std::optional<formats::NativeHistogram> make(std::size_t histogram,
                                               std::span<const double> values) const;

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  struct Bucket {
    double bound;
    std::uint32_t sample;
  };
  struct Parts {
    std::string series;
    std::string unit;
    std::vector<Bucket> buckets;  // ascending
    std::uint32_t count = kNone;
    std::uint32_t sum = kNone;
  };

  std::vector<Parts> histograms_;
};

}  // namespace tocsin::collector
