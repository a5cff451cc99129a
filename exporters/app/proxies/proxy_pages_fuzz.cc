// SPDX-License-Identifier: Apache-2.0
//
// Pages of a proxy that is somebody else: what is shown stays within the limit of rows, and every
// label value is text that a page may hold.
#include "base/check.h"
#include "base/testing/fuzz.h"
#include "exporters/app/proxies/haproxy_stats.h"
#include "exporters/app/proxies/nginx_input.h"
#include "exporters/app/series_budget.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kMaxRows = 3;
constexpr std::size_t kMaxSamplesOfRow = 40;

void fuzz(std::string_view bytes) {
  std::vector<base::MetricFamily> families;
  const StatusOr<HaproxyRows> rows = append_haproxy_stats(bytes, {}, kMaxRows, &families);
  std::size_t samples = 0;
  for (const base::MetricFamily& family : families) {
    CHECK(!family.samples.empty());
    samples += family.samples.size();
    for (const base::MetricSample& sample : family.samples) {
      for (const auto& [name, value] : sample.labels) {
        std::string cut = value;
        SeriesBudget::cut_value(&cut);
        CHECK(cut == value);
      }
    }
  }
  CHECK(samples <= kMaxRows * kMaxSamplesOfRow);
  CHECK(rows.ok() || families.empty());
  families.clear();
  const Status status = append_stub_status(bytes, {}, &families);
  CHECK(families.size() == (status.ok() ? 7 : 0));
}

}  // namespace
TOCSIN_FUZZ_TARGET(proxy_pages, fuzz)
}  // namespace tocsin::exporters::app
