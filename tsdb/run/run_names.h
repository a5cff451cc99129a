// SPDX-License-Identifier: Apache-2.0
//
// RunNames: the metric names of a run, sorted, and the position of each one's first series.
//
// With it runs are merged by (name, id) without looking labels up.
// Threads: a value. Errors: kDataLoss for damaged bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tocsin::tsdb {

struct RunNames {
  struct Name {
    std::string text;
    std::uint32_t position = 0;
    friend bool operator==(const Name&, const Name&) = default;
  };
  std::vector<Name> names;

  // Notes that the series at `position` has this name. REQUIRES: both ascend.
  void add(std::string_view name, std::uint32_t position);
  // One frame per part.
  std::vector<std::string> encode() const;
  Status append_part(std::string_view frame);
};

}  // namespace tocsin::tsdb
