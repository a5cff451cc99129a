// SPDX-License-Identifier: Apache-2.0
//
// Pages of OpenMetrics: each series text and exemplar that the parser hands on can be read,
// and gives labels in order.
#include "base/testing/fuzz.h"
#include "formats/exposition.h"
#include "formats/testing/checking_sink.h"

namespace tocsin::formats {
namespace {

void fuzz(std::string_view bytes) {
  testing::CheckingSink sink;
  static_cast<void>(parse_openmetrics(bytes, sink));
  static_cast<void>(choose_format(bytes, ScrapeProtocol::kPrometheusText0_0_4));
}

}  // namespace

TOCSIN_FUZZ_TARGET(openmetrics, fuzz)

}  // namespace tocsin::formats
