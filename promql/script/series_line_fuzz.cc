// SPDX-License-Identifier: Apache-2.0
//
// Series with their points, as rule tests and scripts write them.
#include "base/check.h"
#include "base/testing/fuzz.h"
#include "promql/script.h"

namespace tocsin::promql {
namespace {

void fuzz(std::string_view bytes) {
  const StatusOr<SeriesLine> line = parse_series_line(bytes);
  if (line.ok()) CHECK(line->points.size() < 20'000'000);
}

}  // namespace

TOCSIN_FUZZ_TARGET(series_line, fuzz)

}  // namespace tocsin::promql
