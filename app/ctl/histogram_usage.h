// SPDX-License-Identifier: Apache-2.0
//
// HistogramUsage: how many of their buckets histograms fill, from range vectors as the API gives
// them. Series with floats are buckets of classic histograms, others native ones.
//
// A value; pure.
// Errors: kInvalidArgument for an answer that is no range vector, or whose buckets are not of the
// same times.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "base/json.h"
#include "base/status.h"

namespace tocsin::app {

class HistogramUsage {
 public:
  // Takes the "data" of a query for a range vector.
  Status add(const base::JsonValue& data);
  // A line per histogram in the order of their names, and what all have in common.
  std::string text() const;

 private:
  // Buckets that hold something, over the samples of a histogram.
  struct Populated {
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    std::int64_t most = 0;
    std::int64_t total = 0;  // different buckets
    double mean = 0;
    std::string to_string() const;
  };
  // The least, mean and most of a number over all histograms.
  struct Spread {
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    std::int64_t most = 0;
    std::int64_t count = 0;
    double mean = 0;
    void add(std::int64_t n);
    std::string to_string() const;
    friend bool operator==(const Spread&, const Spread&) = default;
  };
  struct Summary {
    Spread least, mean, most, total;
    void add(const Populated& one);
    std::string to_string() const;
  };
  static bool native(const base::JsonValue& histograms, Populated* out);
  static StatusOr<bool> classic(std::vector<const base::JsonValue*> buckets, Populated* out);

  std::string lines_;
  Summary native_, classic_;
};

}  // namespace tocsin::app
